"""`Boards`: the boards of a catalog, each method one transaction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row

from stylesearch.catalog import board_rows
from stylesearch.catalog.catalog import Catalog
from stylesearch.catalog.selection import possible
from stylesearch.errors import UsageError
from stylesearch.metadata.text import line, paragraph
from stylesearch.records import Board, BoardItem

LONGEST_NAME = 200  # characters
MOST_ITEMS = 10_000  # on one board: a page shows all of them
MOST_WEIGHT = 10.0


class Boards:
    """Pictures that people have put together, in their order, with notes and weights.

    A picture lies on a board once at most, by its asset id: boards do not change where files are moved, renamed or
    indexed again, and a picture whose files are gone stays, with its thumbnail. Several people may change one board at
    the same moment; what they do to different items is all kept.

    Every method that takes `board_id` raises UsageError where there is no such board, or it is deleted.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def all(self, *, deleted: bool = False) -> list[Board]:
        """The boards with their first four items, the latest changed first; or those that can be brought back."""
        with self._catalog.reading() as connection:
            rows, covers = board_rows.boards(connection, deleted=deleted)
            gone = board_rows.whereabouts(connection, sorted({item.asset_id for item in covers}))
        items: dict[int, list[BoardItem]] = {}
        for board_id, item in self._items(covers, *gone):
            items.setdefault(board_id, []).append(item)
        return [_board(row, row.item_count, items.get(row.id, ())) for row in rows]

    def get(self, board_id: int) -> Board:
        """A board with all its items."""
        with self._catalog.reading() as connection:
            row, items = board_rows.board(connection, board_id) if 0 < board_id < 2**63 else (None, [])
            gone = board_rows.whereabouts(connection, [item.asset_id for item in items])
        if row is None or row.deleted_at is not None:
            raise _unknown(board_id, deleted=row is not None)
        found = [item for _, item in self._items(items, *gone)]
        return _board(row, len(found), found)

    def find(self, text: str) -> Board:
        """The board with this id, or of this name, whatever its case.

        Raises:
            UsageError: there is none, or several have the name.
        """
        boards = self.all()
        named = [board for board in boards if board.name == text] or [
            board for board in boards if board.name.casefold() == text.strip().casefold()
        ]
        if len(named) > 1:
            ids = ", ".join(str(board.id) for board in named)
            raise UsageError(f"Several boards are called '{text}'. Name one by its number: {ids}.")
        if named:
            return self.get(named[0].id)
        if text.isascii() and text.isdecimal() and len(text) < 19:
            return self.get(int(text))
        raise UsageError(f"There is no board '{text}'. See them with: stylesearch board list")

    def create(self, name: str, notes: str = "") -> Board:
        """Makes an empty board.

        Raises:
            UsageError: the name is empty.
        """
        with self._catalog.writing() as connection:
            board_id = board_rows.create(connection, _name(name), paragraph(notes) or "")
        return self.get(board_id)

    def rename(self, board_id: int, name: str) -> None:
        """Gives a board another name.

        Raises:
            UsageError: the name is empty.
        """
        self._change(board_id, name=_name(name))

    def describe(self, board_id: int, notes: str) -> None:
        """Writes the notes on a board in the place of those that are there."""
        self._change(board_id, notes=paragraph(notes) or "")

    def delete(self, board_id: int) -> None:
        """Deletes a board. Until the library is pruned, some weeks later, `restore` brings it back as it was."""
        with self._catalog.writing() as connection:
            _touch(connection, board_id)
            board_rows.change(connection, board_id, deleted_at=datetime.now(UTC))

    def restore(self, board_id: int) -> Board:
        """Brings a deleted board back."""
        with self._catalog.writing() as connection:
            if not (0 < board_id < 2**63 and board_rows.change(connection, board_id, deleted_at=None)):
                raise _unknown(board_id)
        return self.get(board_id)

    def add(self, board_id: int, asset_ids: Iterable[int]) -> list[int]:
        """Adds pictures at the end of a board.

        Returns:
            the ids of those that did not lie on it yet.

        Raises:
            UsageError: an unknown asset, or more than `MOST_ITEMS` on the board.
        """
        ids = list(asset_ids)
        unknown = sorted(set(ids) - self._catalog.assets(ids).keys())
        if unknown:
            raise UsageError(f"There is no asset {unknown[0]} in this library.")
        with self._catalog.writing() as connection:
            _touch(connection, board_id)
            added, count = board_rows.add(connection, board_id, ids)
            if count > MOST_ITEMS:
                raise UsageError(f"A board holds {MOST_ITEMS:,} pictures at most; this would make it {count:,}.")
        return added

    def remove(self, board_id: int, asset_ids: Iterable[int]) -> tuple[BoardItem, ...]:
        """Takes pictures off a board. The pictures themselves stay where they are.

        Returns:
            what `put_back` takes.
        """
        ids = set(possible(asset_ids))
        taken = tuple(item for item in self.get(board_id).items if item.asset.id in ids)
        with self._catalog.writing() as connection:
            _touch(connection, board_id)
            board_rows.remove(connection, board_id, sorted(ids))
        return taken

    def put_back(self, board_id: int, items: Sequence[BoardItem]) -> None:
        """Undoes a `remove`."""
        with self._catalog.writing() as connection:
            _touch(connection, board_id)
            board_rows.put_back(connection, board_id, items)

    def move(self, board_id: int, asset_ids: Sequence[int], before: int | None = None) -> None:
        """Moves items, in the order given, before another item.

        Args:
            before: asset id of that item; None: to the end.

        Raises:
            UsageError: that item is not on the board any more.
        """
        with self._catalog.writing() as connection:
            _touch(connection, board_id)
            if not board_rows.move(connection, board_id, possible(asset_ids), before):
                raise UsageError("Nothing was moved: the picture has been taken off this board in the meantime.")

    def note(self, board_id: int, asset_id: int, text: str) -> None:
        """Writes a note beside an item in the place of the one that is there."""
        self._change_items(board_id, [asset_id], note=paragraph(text) or "")

    def weigh(self, board_id: int, asset_ids: Sequence[int], weight: float) -> None:
        """Says how much items count when the board is searched with.

        Args:
            weight: 0 (not at all) to 10; 1 at first.

        Raises:
            UsageError: another number.
        """
        if not (math.isfinite(weight) and 0 <= weight <= MOST_WEIGHT):
            raise UsageError(f"The weight '{weight:g}' must be a number from 0 to {MOST_WEIGHT:g}.")
        self._change_items(board_id, asset_ids, weight=float(weight))

    def holding(self, asset_ids: Iterable[int]) -> dict[int, int]:
        """How many of these pictures lie on each board, by its id; boards with none of them are left out."""
        with self._catalog.reading() as connection:
            return board_rows.holding(connection, possible(asset_ids))

    def _change(self, board_id: int, **columns: object) -> None:
        with self._catalog.writing() as connection:
            _touch(connection, board_id, **columns)

    def _change_items(self, board_id: int, asset_ids: Sequence[int], **columns: object) -> None:
        with self._catalog.writing() as connection:
            _touch(connection, board_id)
            if not board_rows.change_item(connection, board_id, possible(asset_ids), **columns):
                raise UsageError("Nothing was changed: the picture has been taken off this board in the meantime.")

    def _items(self, rows: Sequence[Row[Any]], missing: set[int], paths: dict[int, str]) -> list[tuple[int, BoardItem]]:
        """Items with the id of their board, in the order given."""
        assets = self._catalog.assets({row.asset_id for row in rows})
        return [
            (
                row.board_id,
                BoardItem(
                    assets[row.asset_id],
                    row.weight,
                    row.note,
                    row.position,
                    row.added_at,
                    row.asset_id in missing,
                    None if assets[row.asset_id].paths else paths.get(row.asset_id),
                ),
            )
            for row in rows
            if row.asset_id in assets
        ]


def _touch(connection: Connection, board_id: int, **columns: object) -> None:
    """Marks a board as changed, which is refused where it is not there."""
    if not (0 < board_id < 2**63 and board_rows.change(connection, board_id, **columns)):
        raise _unknown(board_id)


def _unknown(board_id: int, *, deleted: bool = False) -> UsageError:
    if deleted:
        return UsageError(f"The board {board_id} is deleted. Bring it back with: stylesearch board restore {board_id}")
    return UsageError(f"There is no board {board_id}. See them with: stylesearch board list")


def _name(text: str) -> str:
    name = line(text, LONGEST_NAME)
    if name is None:
        raise UsageError("A board needs a name.")
    return name


def _board(row: Row[Any], count: int, items: Sequence[BoardItem]) -> Board:
    return Board(
        row.id, row.name, row.notes, row.created_at, row.changed_at, row.deleted_at, count=count, items=tuple(items)
    )
