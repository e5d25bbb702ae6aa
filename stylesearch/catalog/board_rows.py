"""Boards in the database: one function for each kind of transaction, which the caller owns.

Two people may change one board at the same moment. So nothing is written that was read in another transaction: an item
is added, taken off, noted or moved before another one by itself, and what the others did to the rest stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from stylesearch.catalog.selection import chunks
from stylesearch.catalog.tables import AssetRow, BoardItemRow, BoardRow, LocationRow
from stylesearch.records import BoardItem
from stylesearch.uris import path_of_uri

# Between neighbours at first, so that twenty pictures in a row can be dropped into one gap before all are renumbered.
_STEP = 1 << 20
_COVER = 4  # items that a list of boards shows of each


def create(connection: Connection, name: str, notes: str) -> int:
    now = datetime.now(UTC)
    row = {"name": name, "notes": notes, "created_at": now, "changed_at": now}
    return connection.execute(insert(BoardRow).returning(BoardRow.id), row).scalar_one()


def change(connection: Connection, board_id: int, **columns: object) -> bool:
    """Writes these columns of a board, and that it has changed; False where there is no such board, or a deleted one.

    Args:
        columns: may set `deleted_at` to None, which brings a deleted board back.
    """
    there = BoardRow.id == board_id
    if "deleted_at" not in columns:
        there = and_(there, BoardRow.deleted_at.is_(None))
    return (
        connection.execute(update(BoardRow).where(there).values(changed_at=datetime.now(UTC), **columns)).rowcount > 0
    )


def add(connection: Connection, board_id: int, asset_ids: Sequence[int]) -> tuple[list[int], int]:
    """Adds assets at the end of a board, those that are known; returns those that did not lie on it, and how many lie
    on it now."""
    known: set[int] = set()
    for some in chunks(asset_ids):
        known.update(connection.scalars(select(AssetRow.id).where(AssetRow.id.in_(some))))
    there = set(connection.scalars(select(BoardItemRow.asset_id).where(BoardItemRow.board_id == board_id)))
    new = [asset_id for asset_id in dict.fromkeys(asset_ids) if asset_id in known and asset_id not in there]
    last = connection.scalar(select(func.max(BoardItemRow.position)).where(BoardItemRow.board_id == board_id)) or 0
    now = datetime.now(UTC)
    rows = [
        {"board_id": board_id, "asset_id": asset_id, "position": last + place * _STEP, "weight": 1.0, "note": ""}
        | {"added_at": now}
        for place, asset_id in enumerate(new, 1)
    ]
    if rows:
        connection.execute(insert(BoardItemRow), rows)
    return new, len(there) + len(new)


def put_back(connection: Connection, board_id: int, items: Sequence[BoardItem]) -> None:
    """Puts items where they lay before they were taken off; those that lie there again, or whose asset was pruned, are
    left as they are."""
    rows = [
        {"board_id": board_id, "asset_id": item.asset.id, "position": item.position, "weight": item.weight}
        | {"note": item.note, "added_at": item.added_at}
        for item in items
    ]
    known: set[int] = set()
    for some in chunks([item.asset.id for item in items]):
        known.update(connection.scalars(select(AssetRow.id).where(AssetRow.id.in_(some))))
    rows = [row for row in rows if row["asset_id"] in known]
    if rows:
        statement = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        connection.execute(statement(BoardItemRow).on_conflict_do_nothing(), rows)


def remove(connection: Connection, board_id: int, asset_ids: Sequence[int]) -> int:
    count = 0
    for some in chunks(asset_ids):
        those = BoardItemRow.board_id == board_id, BoardItemRow.asset_id.in_(some)
        count += connection.execute(delete(BoardItemRow).where(*those)).rowcount
    return count


def change_item(connection: Connection, board_id: int, asset_ids: Sequence[int], **columns: object) -> int:
    """Writes these columns of items; returns of how many."""
    count = 0
    for some in chunks(asset_ids):
        those = BoardItemRow.board_id == board_id, BoardItemRow.asset_id.in_(some)
        count += connection.execute(update(BoardItemRow).where(*those).values(**columns)).rowcount
    return count


def move(connection: Connection, board_id: int, asset_ids: Sequence[int], before: int | None) -> bool:
    """Moves items, in this order, before another one; None: to the end. False where none of them, or not that one, is
    on the board."""
    order = select(BoardItemRow.asset_id, BoardItemRow.position).where(BoardItemRow.board_id == board_id)
    positions = {row.asset_id: row.position for row in connection.execute(order.order_by(*_ORDER))}
    moving = [asset_id for asset_id in dict.fromkeys(asset_ids) if asset_id in positions and asset_id != before]
    staying = positions.keys() - moving
    rest = [asset_id for asset_id in positions if asset_id in staying]
    if not positions.keys() & set(asset_ids) or (before is not None and before not in positions):
        return False
    if not moving:
        return True
    place = len(rest) if before is None else rest.index(before)
    low = positions[rest[place - 1]] if place else None
    high = positions[rest[place]] if place < len(rest) else None
    moved = _between(low, high, len(moving))
    numbers = dict(zip(moving, moved, strict=True)) if moved else _renumbered([*rest[:place], *moving, *rest[place:]])
    rows = [{"of": asset_id, "to": at} for asset_id, at in numbers.items()]
    those = BoardItemRow.board_id == board_id, BoardItemRow.asset_id == bindparam("of")
    connection.execute(update(BoardItemRow).where(*those).values(position=bindparam("to")), rows)
    return True


def _between(low: int | None, high: int | None, count: int) -> list[int]:
    """So many ascending numbers between two others; empty where there is no room."""
    if low is None and high is None:
        return [place * _STEP for place in range(1, count + 1)]
    if high is None:
        return [cast("int", low) + place * _STEP for place in range(1, count + 1)]
    if low is None:
        return [high - place * _STEP for place in range(count, 0, -1)]
    step = (high - low) // (count + 1)
    return [low + place * step for place in range(1, count + 1)] if step else []


def _renumbered(asset_ids: Sequence[int]) -> dict[int, int]:
    return {asset_id: place * _STEP for place, asset_id in enumerate(asset_ids, 1)}


def boards(connection: Connection, *, deleted: bool = False) -> tuple[list[Row[Any]], list[Row[Any]]]:
    """The boards, the latest changed first, or the deleted ones, the latest deleted first; and the first items of each.

    Returns:
        the columns of `BoardRow` and "item_count"; the columns of `BoardItemRow`.
    """
    counts = select(BoardItemRow.board_id, func.count().label("item_count")).group_by(BoardItemRow.board_id).subquery()
    query = select(BoardRow.__table__, func.coalesce(counts.c.item_count, 0).label("item_count"))
    query = query.outerjoin(counts, counts.c.board_id == BoardRow.id)
    latest = BoardRow.deleted_at if deleted else BoardRow.changed_at
    there = BoardRow.deleted_at.is_not(None) if deleted else BoardRow.deleted_at.is_(None)
    rows = connection.execute(query.where(there).order_by(latest.desc(), BoardRow.id.desc())).all()
    place = func.row_number().over(partition_by=BoardItemRow.board_id, order_by=_ORDER).label("place")
    numbered = select(BoardItemRow.__table__, place).subquery()
    first = select(numbered).where(numbered.c.place <= _COVER).order_by(numbered.c.board_id, numbered.c.place)
    return list(rows), list(connection.execute(first).all())


def board(connection: Connection, board_id: int) -> tuple[Row[Any] | None, list[Row[Any]]]:
    """A board, deleted or not, and all its items in order; see `boards`."""
    items = select(BoardItemRow.__table__).where(BoardItemRow.board_id == board_id).order_by(*_ORDER)
    row = connection.execute(select(BoardRow.__table__).where(BoardRow.id == board_id)).first()
    return row, list(connection.execute(items).all())


def whereabouts(connection: Connection, asset_ids: Sequence[int]) -> tuple[set[int], dict[int, str]]:
    """Those of these assets that have no file as far as is known, and where their last one lay, by id, where that is
    remembered."""
    missing: set[int] = set()
    paths: dict[int, str] = {}
    for some in chunks(asset_ids):
        reachable = select(LocationRow.asset_id).where(
            LocationRow.asset_id.in_(some), LocationRow.present, LocationRow.missing_since.is_(None)
        )
        gone = set(some) - set(connection.scalars(reachable))
        latest_last = (LocationRow.missing_since, LocationRow.uri)
        lay = select(LocationRow.asset_id, LocationRow.uri).where(LocationRow.asset_id.in_(gone))
        paths.update((asset_id, path_of_uri(uri)) for asset_id, uri in connection.execute(lay.order_by(*latest_last)))
        missing |= gone
    return missing, paths


def holding(connection: Connection, asset_ids: Sequence[int]) -> dict[int, int]:
    """How many of these assets lie on each board, by its id; boards with none of them are left out."""
    counts: dict[int, int] = {}
    for some in chunks(asset_ids):
        query = select(BoardItemRow.board_id, func.count()).where(BoardItemRow.asset_id.in_(some))
        for board_id, count in connection.execute(query.group_by(BoardItemRow.board_id)):
            counts[board_id] = counts.get(board_id, 0) + count
    return counts


def drop_deleted(connection: Connection, before: datetime) -> None:
    """Drops the boards that were deleted before that moment."""
    ids = connection.scalars(select(BoardRow.id).where(BoardRow.deleted_at < before)).all()
    for some in chunks(ids):
        connection.execute(delete(BoardItemRow).where(BoardItemRow.board_id.in_(some)))
        connection.execute(delete(BoardRow).where(BoardRow.id.in_(some)))


def on_a_board(asset_id: Any, before: datetime) -> ColumnElement[bool]:
    """That the asset in a column lies on a board, which was not deleted before that moment."""
    kept = or_(BoardRow.deleted_at.is_(None), BoardRow.deleted_at >= before)
    return exists().where(BoardItemRow.asset_id == asset_id, BoardRow.id == BoardItemRow.board_id, kept)


_ORDER = BoardItemRow.position, BoardItemRow.asset_id
