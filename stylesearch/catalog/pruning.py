"""What nobody needs any more leaves the catalog: one function for each kind of transaction, which the caller owns.

An asset is held by the locations where it lies or lay, by those where it was replaced, and by the boards that it lies
on. What went longer ago than a given moment holds nothing, and an asset that nothing holds goes with its vectors and
whatever describes it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, exists, func, insert, not_, or_, select

from stylesearch.catalog import totals
from stylesearch.catalog.board_rows import on_a_board
from stylesearch.catalog.tables import (
    AppearanceRow,
    AssetRow,
    AssetTermRow,
    BoardItemRow,
    HistoryRow,
    LocationRow,
    MaskRow,
    MetadataRow,
    RefusalRow,
    ReplacementRow,
    VectorRow,
)
from stylesearch.records import Unused

_MANY = 2_000  # rows in one transaction: others want to write, too


def unused(connection: Connection, before: datetime) -> Unused:
    """How much `drop_locations` and `drop_assets` would drop."""
    assets = _unheld(before).subquery()
    vectors = select(func.count(), func.coalesce(func.sum(func.length(VectorRow.data)), 0))
    count, size = connection.execute(vectors.where(VectorRow.asset_id.in_(select(assets.c.id)))).one()
    tagged = select(func.count(AssetTermRow.asset_id.distinct())).where(AssetTermRow.source != "file")
    return Unused(
        locations=_count(connection, select(LocationRow.id).where(_stale(before))),
        assets=_count(connection, select(assets.c.id)),
        tagged=connection.scalars(tagged.where(AssetTermRow.asset_id.in_(select(assets.c.id)))).one(),
        vectors=count,
        vector_bytes=int(size),
    )


def unused_contents(connection: Connection, before: datetime, after: str) -> list[str]:
    """The sha256 of some of the assets that would go, ascending, beyond `after`."""
    query = _unheld(before).where(AssetRow.sha256 > after).order_by(AssetRow.sha256).limit(_MANY)
    return [sha256 for _, sha256 in connection.execute(query)]


def drop_locations(connection: Connection, before: datetime) -> int:
    """Drops some of the locations that went before that moment, and all older memories of what was replaced.

    Returns:
        how many locations; 0 where none is left.
    """
    connection.execute(delete(ReplacementRow).where(ReplacementRow.replaced_at < before))
    ids = connection.scalars(select(LocationRow.id).where(_stale(before)).limit(_MANY)).all()
    connection.execute(delete(ReplacementRow).where(ReplacementRow.location_id.in_(ids)))
    connection.execute(delete(LocationRow).where(LocationRow.id.in_(ids)))
    totals.add(connection, gone=-len(ids))
    return len(ids)


def drop_assets(connection: Connection, before: datetime) -> list[str]:
    """Drops some of the assets that nothing holds, with their vectors and what describes them.

    Returns:
        their sha256; empty where none is left.
    """
    rows = connection.execute(_unheld(before).limit(_MANY)).all()
    ids = [asset_id for asset_id, _ in rows]
    _part_ways(connection, ids)
    connection.execute(delete(ReplacementRow).where(ReplacementRow.asset_id.in_(ids)))
    gone = connection.execute(delete(LocationRow).where(LocationRow.asset_id.in_(ids))).rowcount
    totals.add(connection, gone=-gone)
    # What lies on a board lies on one that was deleted before.
    for table in (VectorRow, MaskRow, AppearanceRow, MetadataRow, AssetTermRow, BoardItemRow):
        connection.execute(delete(table).where(table.asset_id.in_(ids)))
    connection.execute(delete(AssetRow).where(AssetRow.id.in_(ids)))
    return [sha256 for _, sha256 in rows]


def drop_vectors(connection: Connection, space_id: int) -> int:
    """Deletes some of the vectors of a space, and returns how many; 0 where none is left. What its encoder refused is
    tried again."""
    forgotten = connection.execute(delete(RefusalRow).where(RefusalRow.space_id == space_id)).rowcount
    totals.add(connection, refused=-forgotten)
    some = select(VectorRow.sequence).where(VectorRow.space_id == space_id).order_by(VectorRow.sequence).limit(_MANY)
    numbers = connection.scalars(some).all()
    if numbers:
        those = VectorRow.space_id == space_id, VectorRow.sequence <= numbers[-1]
        connection.execute(delete(VectorRow).where(*those))
    return len(numbers)


def _part_ways(connection: Connection, ids: Sequence[int]) -> None:
    """Sees to it that an index that has not learned yet that these assets went is made anew.

    It would never hear of it: their tombstones are about to go. Such an index has seen less than the last of their
    numbers, so every token below that number is exchanged, and the index finds that its own is another.
    """
    last = connection.scalar(select(func.max(VectorRow.sequence)).where(VectorRow.asset_id.in_(ids)))
    if last is not None and last > 1:
        connection.execute(delete(HistoryRow).where(HistoryRow.sequence < last))
        connection.execute(insert(HistoryRow), {"sequence": last - 1, "token": secrets.token_hex(8)})


def _stale(before: datetime) -> ColumnElement[bool]:
    # A board tells where a picture lay whose file is gone.
    told = on_a_board(LocationRow.asset_id, before)
    return and_(not_(LocationRow.present), LocationRow.missing_since < before, not_(told))


def _unheld(before: datetime) -> Select[int, str]:
    kept = or_(LocationRow.present, LocationRow.missing_since >= before)
    remembered = exists().where(ReplacementRow.asset_id == AssetRow.id, ReplacementRow.replaced_at >= before)
    return select(AssetRow.id, AssetRow.sha256).where(
        AssetRow.added_at < before,
        not_(exists().where(LocationRow.asset_id == AssetRow.id, kept)),
        not_(remembered),
        not_(on_a_board(AssetRow.id, before)),
    )


def _count(connection: Connection, query: Select[int]) -> int:
    return connection.scalars(select(func.count()).select_from(query.subquery())).one()
