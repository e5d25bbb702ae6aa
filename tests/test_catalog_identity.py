"""What the catalog knows of files that went, are away for a while, or were replaced; and what `prune` lets go."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from catalog_records import SPACE, indexed, refused, sha

from stylesearch.catalog import Catalog
from stylesearch.records import Batch, IndexedFile, Unused


def fill(catalog: Catalog, *files: IndexedFile, root: str = "/a") -> int:
    """Writes the files as one finished scan over the root; returns how many went."""
    scan_id = catalog.begin_scan(root)
    catalog.write(catalog.ensure_space(SPACE), scan_id, Batch(files))
    return catalog.finish_scan(scan_id)


def now() -> datetime:
    """A moment after everything that was written before, and before everything that is written after."""
    time.sleep(0.002)
    return datetime.now(UTC)


def asset_id(catalog: Catalog, content: str) -> int:
    return catalog.assets_by_hash([sha(content)], 1)[sha(content)].asset_id


def test_missing_files_stay_and_are_found_again(catalog: Catalog) -> None:
    fill(catalog, indexed("/a/1", "red"), indexed("/b/2", "blue"), root="/")
    space_id = catalog.ensure_space(SPACE)
    for _ in range(2):
        assert catalog.miss_scan(catalog.begin_scan("/a")) == 1
        counts = catalog.counts()
        assert (counts.assets, counts.locations, counts.missing, counts.gone) == (2, 2, 1, 0)
    (changes,) = catalog.changes(space_id, after=0)
    assert changes.live.all(), "what is away for a while can be searched"
    back = catalog.begin_scan("/a")
    catalog.write(space_id, back, Batch(unchanged=["/a/1"]))
    assert catalog.finish_scan(back) == 0
    assert catalog.counts().missing == 0


def test_a_path_that_can_be_reached_comes_first(catalog: Catalog) -> None:
    fill(catalog, indexed("/a/1", "red"), indexed("/b/1", "red"), root="/")
    catalog.miss_scan(catalog.begin_scan("/a"))
    assert catalog.list_assets()[0].paths == ("/b/1", "/a/1")


def test_missing_files_are_never_unused(catalog: Catalog) -> None:
    fill(catalog, indexed("/a/1", "red"))
    catalog.miss_scan(catalog.begin_scan("/a"))
    assert catalog.unused(now()) == Unused(0, 0, 0, 0, 0)
    assert list(catalog.prune(now())) == [] and catalog.counts().missing == 1


def test_what_was_replaced_is_remembered(catalog: Catalog) -> None:
    fill(catalog, indexed("/a/1", "red"), indexed("/a/2", "red"))
    assert catalog.predecessors([asset_id(catalog, "red")]) == {}
    for content in ("blue", "green", "blue"):
        fill(catalog, indexed("/a/1", content), indexed("/a/2", "red"))
    red, blue, green = (asset_id(catalog, content) for content in ("red", "blue", "green"))
    assert catalog.predecessors([red, blue, green]) == {blue: [green, red]}
    assert catalog.unused(now()).assets == 1, "red lies elsewhere"


@pytest.mark.parametrize("how", ["deleted", "replaced", "refused"])
def test_prune_drops_what_went_long_ago(catalog: Catalog, how: str) -> None:
    fill(catalog, indexed("/a/1", "red"), indexed("/a/2", "blue"))
    catalog.add_tags({asset_id(catalog, "red"): ["warm"]}, "user")
    early = now()
    others = [indexed("/a/2", "blue")] + [indexed("/a/1", "green")] * (how == "replaced")
    scan_id = catalog.begin_scan("/a")
    catalog.write(1, scan_id, Batch(others, [refused("/a/1")] * (how == "refused")))
    catalog.finish_scan(scan_id)
    assert catalog.unused(early) == Unused(0, 0, 0, 0, 0) and list(catalog.prune(early)) == []
    late = now()
    unused = catalog.unused(late)
    assert unused == Unused(int(how != "replaced"), 1, 1, 1, 16)
    assert list(catalog.unused_contents(late)) == [sha("red")]
    assert list(catalog.prune(late)) == [[sha("red")]]
    assert catalog.unused(late) == Unused(0, 0, 0, 0, 0)
    assert catalog.assets_by_hash([sha("red")], 1) == {}
    assert (catalog.counts().assets, catalog.counts().gone) == (1 + (how == "replaced"), 0)
    fill(catalog, indexed("/a/1", "red"))
    assert asset_id(catalog, "red") > 2, "an id is never given twice"


def test_prune_forgets_old_paths_of_what_was_moved(catalog: Catalog) -> None:
    fill(catalog, indexed("/a/1", "red"))
    fill(catalog, indexed("/a/2", "red"))
    assert list(catalog.prune(now())) == []
    assert (catalog.counts().locations, catalog.counts().gone) == (1, 0)


def test_indexes_that_have_not_heard_are_made_anew(catalog: Catalog) -> None:
    fill(catalog, indexed("/a/0", "old"))
    space_id = catalog.ensure_space(SPACE)
    fill(catalog, indexed("/a/0", "old"), *(indexed(f"/a/{number}", f"c{number}") for number in range(1, 4)))
    stretches = list(catalog.changes(space_id, after=0, limit=1))
    assert fill(catalog, indexed("/a/0", "old"), indexed("/a/3", "c3")) == 2  # numbers 5 and 6 of one transaction
    (last,) = catalog.changes(space_id, after=4)
    half = next(catalog.changes(space_id, after=4, limit=1))
    catalog.forget("/a/3")
    (later,) = catalog.changes(space_id, after=6)
    assert list(catalog.prune(datetime.now(UTC) - timedelta(days=1))) == []
    before = {changes.sequence: changes.history for changes in (*stretches, half, last, later)}
    assert {number: catalog.history(number) for number in before} == before
    list(catalog.prune(now()))
    known = {number for number, token in before.items() if catalog.history(number) == token}
    assert known == {7}, "only who has seen all of it may go on"
    (remaining,) = catalog.changes(space_id, after=0)
    assert remaining.asset_ids.tolist() == [1] and remaining.live.all()


def test_a_picture_that_is_pruned_while_its_copy_is_indexed_is_found_by_the_next_run(catalog: Catalog) -> None:
    fill(catalog, indexed("/a/1", "red"))
    fill(catalog)
    list(catalog.prune(now()))
    known = indexed("/a/2", "red", encoded=False, format="")  # it was not decoded: the catalog had it
    fill(catalog, known, indexed("/a/3", "blue"))
    assert (catalog.counts().assets, catalog.counts().locations) == (1, 1)


def test_runs_are_remembered_and_bounded(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stylesearch.catalog.upkeep._KEPT_RUNS", 2)
    assert catalog.last_run() is None
    started = datetime(2026, 5, 1, tzinfo=UTC)
    for number in range(4):
        catalog.add_run(started, started + timedelta(seconds=number), {"new": number})
    run = catalog.last_run()
    assert run and (run.started, run.finished, run.report) == (started, started + timedelta(seconds=3), {"new": 3})
