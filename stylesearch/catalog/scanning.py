"""What a walk over a folder says about the files below it. The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    true,
    update,
)

from stylesearch.catalog import totals
from stylesearch.catalog.numbering import last_number, settle, tell_again
from stylesearch.catalog.selection import among, chunks
from stylesearch.catalog.tables import LocationRow, RefusalRow, ScanRow, Utc
from stylesearch.catalog.uris import at_or_below


def begin_scan(connection: Connection, root: str) -> int:
    row = {"root": root, "started_at": datetime.now(UTC)}
    return connection.execute(insert(ScanRow).returning(ScanRow.id), row).scalar_one()


def finish_scan(connection: Connection, scan_id: int, unreadable: Sequence[str]) -> int:
    """Marks as gone what the scan should have seen and did not; returns the number of locations."""
    root = connection.execute(select(ScanRow.root).where(ScanRow.id == scan_id)).scalar_one()
    _spare(connection, scan_id, unreadable)
    # `<` and not `!=`: a later scan that runs at the same time may have seen the file after this one passed by.
    gone = _lose(connection, root, LocationRow.scan_id < scan_id, RefusalRow.scan_id < scan_id)
    connection.execute(update(ScanRow).where(ScanRow.id == scan_id).values(finished_at=datetime.now(UTC)))
    return gone


def miss_scan(connection: Connection, scan_id: int) -> int:
    """Marks as missing what lies at or below the scan's root; returns the number of locations."""
    root = connection.execute(select(ScanRow.root).where(ScanRow.id == scan_id)).scalar_one()
    _spare(connection, scan_id, [root])
    there = LocationRow.present, LocationRow.scan_id == scan_id, at_or_below(LocationRow.uri, root)
    newly = select(func.count()).select_from(LocationRow).where(*there, LocationRow.missing_since.is_(None))
    totals.add(connection, missing=connection.scalars(newly).one())
    since = func.coalesce(LocationRow.missing_since, literal(datetime.now(UTC), Utc))
    missing = connection.execute(update(LocationRow).where(*there).values(missing_since=since)).rowcount
    connection.execute(update(ScanRow).where(ScanRow.id == scan_id).values(finished_at=datetime.now(UTC)))
    return missing


def forget(connection: Connection, root: str) -> int:
    """Marks as gone whatever lies at or below the root; returns the number of locations."""
    return _lose(connection, root, true(), true())


def _lose(connection: Connection, root: str, missed: ColumnElement[bool], unrefused: ColumnElement[bool]) -> int:
    lost = and_(LocationRow.present, missed, at_or_below(LocationRow.uri, root))
    number = last_number(connection)
    asset_ids = connection.scalars(select(LocationRow.asset_id).where(lost)).all()
    with totals.following(connection, asset_ids):
        connection.execute(update(LocationRow).where(lost).values(present=False, missing_since=datetime.now(UTC)))
    settle(connection, asset_ids)
    tell_again(connection, asset_ids, number)
    forgotten = connection.execute(delete(RefusalRow).where(unrefused, at_or_below(RefusalRow.uri, root))).rowcount
    totals.add(connection, refused=-forgotten)
    return len(asset_ids)


def _spare(connection: Connection, scan_id: int, folders: Sequence[str]) -> None:
    """What lies where the scan could not look counts as seen."""
    for folder in folders:
        for table in (LocationRow, RefusalRow):
            spared = update(table).where(at_or_below(table.uri, folder), table.scan_id < scan_id)
            connection.execute(spared.values(scan_id=scan_id))


def unseen_lately(connection: Connection, uris: Sequence[str]) -> set[int]:
    """The assets of those of these files that were gone or missing."""
    found: set[int] = set()
    for some in chunks(uris):
        back = or_(LocationRow.missing_since.is_not(None), _gone())
        query = select(LocationRow.asset_id).where(among(connection, LocationRow.uri, some), back)
        found.update(connection.scalars(query))
    return found


def see_again(connection: Connection, scan_id: int, uris: Sequence[str]) -> None:
    """Marks files as seen as they were."""
    for some in chunks(uris):
        gone = update(LocationRow).where(among(connection, LocationRow.uri, some), _gone())
        connection.execute(gone.values(present=True))
        for table, found in ((LocationRow, {"missing_since": None}), (RefusalRow, {})):
            seen = update(table).where(among(connection, table.uri, some), table.scan_id < scan_id)
            connection.execute(seen.values(scan_id=scan_id, **found))


def _gone() -> ColumnElement[bool]:
    refused = exists().where(RefusalRow.uri == LocationRow.uri, RefusalRow.space_id.is_(None))
    return and_(not_(LocationRow.present), not_(refused))
