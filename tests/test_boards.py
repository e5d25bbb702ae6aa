"""Boards: what people put together stays together, whoever else works on it and whatever happens to the files."""

from __future__ import annotations

import multiprocessing
import random
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from catalog_records import SPACE, indexed, sha
from sqlalchemy import select

from stylesearch.catalog import Boards, Catalog
from stylesearch.catalog.tables import BoardItemRow
from stylesearch.errors import UsageError
from stylesearch.records import Batch

NAMES = ("red", "green", "blue", "grey", "pink", "teal")


def fill(catalog: Catalog, *names: str) -> list[int]:
    """A picture for each name, at /a/NAME.png; their ids."""
    space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan("/a")
    catalog.write(space_id, scan_id, Batch([indexed(f"/a/{name}.png", name) for name in names]))
    catalog.finish_scan(scan_id, [])
    known = catalog.assets_by_hash([sha(name) for name in names], space_id)
    return [known[sha(name)].asset_id for name in names]


@pytest.fixture
def boards(catalog: Catalog) -> Boards:
    return Boards(catalog)


@pytest.fixture
def ids(catalog: Catalog) -> list[int]:
    return fill(catalog, *NAMES)


def on(boards: Boards, board_id: int) -> list[int]:
    return [item.asset.id for item in boards.get(board_id).items]


def test_a_board_holds_pictures_in_their_order(boards: Boards, ids: list[int]) -> None:
    board = boards.create("  Ink \n& wash ", "For <b>Anna</b>.\n\nSoon.")
    assert (board.name, board.notes, board.count, board.items) == ("Ink & wash", "For <b>Anna</b>.\n\nSoon.", 0, ())
    assert boards.add(board.id, [ids[2], ids[0], ids[2]]) == [ids[2], ids[0]]
    assert boards.add(board.id, [ids[0], ids[1]]) == [ids[1]], "what lies there already is one item"
    found = boards.get(board.id)
    assert [item.asset.id for item in found.items] == [ids[2], ids[0], ids[1]]
    assert [(item.weight, item.note, item.missing) for item in found.items] == [(1.0, "", False)] * 3
    assert [item.name for item in found.items] == ["blue.png", "red.png", "green.png"]
    assert found.changed_at > found.created_at


def test_the_list_shows_the_latest_changed_first_with_four_covers(boards: Boards, ids: list[int]) -> None:
    first, second = boards.create("First"), boards.create("Second")
    assert [board.name for board in boards.all()] == ["Second", "First"]
    boards.add(first.id, ids)
    listed = boards.all()
    assert [(board.name, board.count) for board in listed] == [("First", 6), ("Second", 0)]
    assert [item.asset.id for item in listed[0].items] == ids[:4]
    assert boards.holding(ids[:2]) == {first.id: 2}
    assert second.items == ()


def test_names_notes_and_weights_are_written(boards: Boards, ids: list[int]) -> None:
    board = boards.create("Ink")
    boards.add(board.id, ids[:3])
    boards.rename(board.id, "Wash")
    boards.describe(board.id, "one\r\ntwo\x00")
    boards.note(board.id, ids[1], " the <i>line</i> ")
    boards.weigh(board.id, ids[1:3], 0.5)
    boards.weigh(board.id, ids[2:3], 0)
    found = boards.get(board.id)
    assert (found.name, found.notes) == ("Wash", "one\ntwo")
    assert [(item.note, item.weight) for item in found.items] == [("", 1.0), ("the <i>line</i>", 0.5), ("", 0.0)]


@pytest.mark.parametrize("seed", range(3))
def test_moving_agrees_with_a_list(boards: Boards, ids: list[int], seed: int) -> None:
    choose = random.Random(seed)
    board = boards.create("Ink")
    boards.add(board.id, ids)
    order = list(ids)
    for _ in range(30):
        moving = choose.sample(ids, choose.randrange(1, 4))
        before = choose.choice([None, *(asset_id for asset_id in ids if asset_id not in moving)])
        boards.move(board.id, moving, before)
        order = [asset_id for asset_id in order if asset_id not in moving]
        place = len(order) if before is None else order.index(before)
        order[place:place] = moving
        assert on(boards, board.id) == order


def test_a_gap_that_is_used_up_is_made_anew(boards: Boards, catalog: Catalog, ids: list[int]) -> None:
    board = boards.create("Ink")
    boards.add(board.id, ids[:3])
    last, before = ids[1], ids[0]
    for _ in range(60):  # each drop halves the gap before the first but one
        boards.move(board.id, [last], ids[2])
        boards.move(board.id, [before], ids[2])
    with catalog.reading() as connection:
        found = list(connection.scalars(select(BoardItemRow.position).order_by(BoardItemRow.position)))
    assert all(low < high for low, high in pairwise(found))
    assert on(boards, board.id) == [ids[1], ids[0], ids[2]]


def test_what_was_taken_off_can_be_put_back(boards: Boards, ids: list[int]) -> None:
    board = boards.create("Ink")
    boards.add(board.id, ids[:4])
    boards.note(board.id, ids[1], "keep")
    before = boards.get(board.id).items
    taken = boards.remove(board.id, ids[1:3])
    assert on(boards, board.id) == [ids[0], ids[3]]
    boards.add(board.id, [ids[2]])  # somebody else was faster
    boards.put_back(board.id, taken)
    assert {item.asset.id for item in boards.get(board.id).items} == set(ids[:4])
    assert boards.get(board.id).items[1] == before[1]


def test_a_deleted_board_comes_back_as_it_was(boards: Boards, ids: list[int]) -> None:
    board = boards.create("Ink")
    boards.add(board.id, ids[:2])
    boards.delete(board.id)
    assert boards.all() == []
    assert [gone.id for gone in boards.all(deleted=True)] == [board.id]
    for change in (
        lambda: boards.get(board.id),
        lambda: boards.add(board.id, ids[2:]),
        lambda: boards.rename(board.id, "other"),
        lambda: boards.delete(board.id),
    ):
        with pytest.raises(UsageError, match=f"board {board.id}"):
            change()
    assert [item.asset.id for item in boards.restore(board.id).items] == ids[:2]
    assert boards.all(deleted=True) == []


@pytest.mark.parametrize("board_id", [0, -1, 99, 2**63, 10**30])
def test_a_board_that_is_not_there(boards: Boards, ids: list[int], board_id: int) -> None:
    for change in (
        lambda: boards.get(board_id),
        lambda: boards.add(board_id, ids),
        lambda: boards.remove(board_id, ids),
        lambda: boards.move(board_id, ids),
        lambda: boards.delete(board_id),
        lambda: boards.restore(board_id),
    ):
        with pytest.raises(UsageError, match="There is no board"):
            change()


def test_what_makes_no_sense_is_refused(boards: Boards, ids: list[int]) -> None:
    board = boards.create("Ink")
    boards.add(board.id, ids[:2])
    with pytest.raises(UsageError, match="needs a name"):
        boards.create(" \x00 ")
    with pytest.raises(UsageError, match="There is no asset 9999"):
        boards.add(board.id, [ids[2], 9999])
    with pytest.raises(UsageError, match="There is no asset"):
        boards.add(board.id, [2**70])
    for weight in (-0.5, 11, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="from 0 to 10"):
            boards.weigh(board.id, ids[:1], weight)
    with pytest.raises(UsageError, match="taken off this board"):
        boards.note(board.id, ids[3], "not here")
    with pytest.raises(UsageError, match="taken off this board"):
        boards.move(board.id, ids[:1], ids[3])
    assert on(boards, board.id) == ids[:2]


def test_a_board_is_found_by_number_and_by_name(boards: Boards) -> None:
    ink, number = boards.create("Ink"), boards.create("1999")
    assert boards.find("ink").id == boards.find(str(ink.id)).id == ink.id
    assert boards.find("1999").id == number.id, "a name comes before a number"
    boards.create("INK")
    assert boards.find("Ink").id == ink.id
    with pytest.raises(UsageError, match="Several boards are called 'ink'"):
        boards.find("ink")
    with pytest.raises(UsageError, match="There is no board 'Wash'"):
        boards.find("Wash")


def test_boards_do_not_see_that_files_move(boards: Boards, catalog: Catalog, ids: list[int]) -> None:
    board = boards.create("Ink")
    boards.add(board.id, ids[:1])
    space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan("/a")
    catalog.write(space_id, scan_id, Batch([indexed("/a/new/name.png", "red", encoded=False)]))
    catalog.finish_scan(scan_id, [])
    (item,) = boards.get(board.id).items
    assert (item.asset.id, item.name, item.missing) == (ids[0], "name.png", False)


def test_a_picture_without_a_file_stays_and_says_so(boards: Boards, catalog: Catalog, ids: list[int]) -> None:
    board = boards.create("Ink")
    boards.add(board.id, ids[:2])
    catalog.forget("/a/red.png")
    away = catalog.begin_scan("/a/green.png")
    catalog.miss_scan(away)
    gone, missing = boards.get(board.id).items
    assert (gone.missing, gone.asset.paths, gone.last_path, gone.name) == (True, (), "/a/red.png", "red.png")
    assert (missing.missing, missing.asset.paths, missing.last_path) == (True, ("/a/green.png",), None)


def test_pruning_keeps_what_lies_on_a_board(boards: Boards, catalog: Catalog, ids: list[int]) -> None:
    kept, deleted = boards.create("Kept"), boards.create("Deleted")
    boards.add(kept.id, ids[:2])
    boards.add(deleted.id, ids[1:3])
    catalog.forget("/a")
    boards.delete(deleted.id)
    assert catalog.unused(datetime.now(UTC)).assets == 4
    assert len([sha256 for some in catalog.prune(datetime.now(UTC)) for sha256 in some]) == 4
    assert [item.last_path for item in boards.get(kept.id).items] == ["/a/red.png", "/a/green.png"]
    assert boards.all(deleted=True) == [], "a deleted board goes with the rest"
    boards.delete(kept.id)
    assert len([sha256 for some in catalog.prune(datetime.now(UTC)) for sha256 in some]) == 2
    assert boards.create("New").id > deleted.id, "an id in a link never leads to another board"


def _edit(url: str, board_id: int, mine: list[int], seed: int) -> None:
    choose = random.Random(seed)
    with Catalog.open(url) as catalog:
        boards = Boards(catalog)
        for asset_id in mine:
            boards.add(board_id, [asset_id])
            boards.note(board_id, asset_id, f"by {seed}")
            boards.move(board_id, [asset_id], choose.choice(boards.get(board_id).items).asset.id)


def test_two_people_on_one_board_lose_nothing(catalog: Catalog, catalog_url: str, boards: Boards) -> None:
    ids = fill(catalog, *(f"picture {number}" for number in range(40)))
    board = boards.create("Ours")
    spawn = multiprocessing.get_context("spawn")
    people = [spawn.Process(target=_edit, args=(catalog_url, board.id, ids[who::2], who)) for who in (0, 1)]
    for person in people:
        person.start()
    for person in people:
        person.join(60)
    assert [person.exitcode for person in people] == [0, 0]
    items = boards.get(board.id).items
    assert sorted(item.asset.id for item in items) == sorted(ids)
    assert {item.asset.id: item.note for item in items} == {asset: f"by {ids.index(asset) % 2}" for asset in ids}
