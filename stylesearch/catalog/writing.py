"""What is written, one function for each kind of transaction. The caller owns the transaction.

Sequence numbers. An index catches up by asking for the numbers above the last one it has seen, so a number must never
become visible after a higher one. A database SEQUENCE cannot promise that: a transaction that took 7 may commit after
one that took 8, and an index that saw 8 would never ask for 7. Here the numbers are a row of the table `counters`, and
every transaction that writes begins by locking it (`lock`): the order of commits is the order of numbers. Writers
take turns that way, as they do on SQLite anyhow; so two of them can neither deadlock nor insert one content twice.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute

from stylesearch.catalog.describing import describe
from stylesearch.catalog.selection import among, at_or_below, chunks
from stylesearch.catalog.tables import (
    AssetRow,
    Base,
    CounterRow,
    HistoryRow,
    LocationRow,
    RefusalRow,
    ReplacementRow,
    ScanRow,
    SpaceRow,
    Utc,
    VectorRow,
)
from stylesearch.records import Batch, IndexedFile, Refusal, Space

_IS_SEQUENCE = CounterRow.name == "sequence"


def lock(connection: Connection) -> None:
    """Waits until no other transaction writes, and gives the catalog a new state.

    On SQLite BEGIN IMMEDIATE has waited already. The state is drawn and not counted: a catalog that was restored from a
    backup, and has been written to since, is never taken for the one that it was before.
    """
    drawn = secrets.randbits(63)
    connection.execute(update(CounterRow).where(CounterRow.name == "state").values(value=drawn))


def add_space(connection: Connection, space: Space) -> None:
    row = {
        name: getattr(space, name)
        for name in ("key", "encoder", "fingerprint", "dim", "dtype", "preprocessing", "region")
    }
    if connection.scalar(select(SpaceRow.id).where(SpaceRow.key == space.key)) is None:
        connection.execute(insert(SpaceRow), row)


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
    since = func.coalesce(LocationRow.missing_since, literal(datetime.now(UTC), Utc))
    missing = connection.execute(update(LocationRow).where(*there).values(missing_since=since)).rowcount
    connection.execute(update(ScanRow).where(ScanRow.id == scan_id).values(finished_at=datetime.now(UTC)))
    return missing


def forget(connection: Connection, root: str) -> int:
    """Marks as gone whatever lies at or below the root; returns the number of locations."""
    return _lose(connection, root, true(), true())


def _lose(connection: Connection, root: str, missed: ColumnElement[bool], unrefused: ColumnElement[bool]) -> int:
    lost = and_(LocationRow.present, missed, at_or_below(LocationRow.uri, root))
    going = update(LocationRow).where(lost).values(present=False, missing_since=datetime.now(UTC))
    before = _last_number(connection)
    asset_ids = connection.scalars(going.returning(LocationRow.asset_id)).all()
    settle(connection, asset_ids)
    tell_again(connection, asset_ids, before)
    connection.execute(delete(RefusalRow).where(unrefused, at_or_below(RefusalRow.uri, root)))
    return len(asset_ids)


def write(connection: Connection, space_id: int, scan_id: int, batch: Batch, packed: Mapping[str, bytes]) -> None:
    """Writes a batch; `packed` holds its vectors as they are stored, by sha256."""
    number = _last_number(connection)
    before = _located(
        connection, [*(file.stat.uri for file in batch.indexed), *(file.stat.uri for file in batch.refused)]
    )
    asset_ids = _add_assets(connection, batch.indexed)
    indexed = [file for file in batch.indexed if file.sha256 in asset_ids]
    describe(connection, indexed, asset_ids)
    _replace(connection, indexed, before, asset_ids)
    _place(connection, scan_id, indexed, asset_ids)
    _add_vectors(connection, space_id, {asset_ids[sha256]: data for sha256, data in packed.items()})
    _refuse(connection, scan_id, batch.refused)
    back = _see_again(connection, scan_id, batch.unchanged)
    changed = {*(asset_id for _, asset_id in before.values()), *asset_ids.values(), *back}
    settle(connection, changed)
    tell_again(connection, changed, number)


def _last_number(connection: Connection) -> int:
    return connection.scalars(select(CounterRow.value).where(_IS_SEQUENCE)).one()


def _take_numbers(connection: Connection, count: int) -> int:
    """The first of `count` fresh sequence numbers, which are marked in the history."""
    taken = update(CounterRow).where(_IS_SEQUENCE).values(value=CounterRow.value + count).returning(CounterRow.value)
    last = connection.execute(taken).scalar_one()
    connection.execute(insert(HistoryRow), {"sequence": last, "token": secrets.token_hex(8)})
    return last - count + 1


def settle(connection: Connection, asset_ids: Iterable[int]) -> None:
    """Restores the rule, for these assets, that a vector is live exactly while its asset has a present location."""
    for some in chunks(sorted(set(asset_ids))):
        query = select(LocationRow.asset_id).where(LocationRow.asset_id.in_(some), LocationRow.present)
        present = set(connection.scalars(query))
        _turn(connection, [asset_id for asset_id in some if asset_id in present], live=True)
        _turn(connection, [asset_id for asset_id in some if asset_id not in present], live=False)


def tell_again(connection: Connection, asset_ids: Iterable[int], number: int | None = None) -> None:
    """Gives the live vectors of these assets a fresh number, in all spaces: what filters look at may have changed.

    Args:
        number: those with a higher one have got it just now; None: none has.
    """
    older = true() if number is None else VectorRow.sequence <= number
    for some in chunks(sorted(set(asset_ids))):
        _renumber(connection, some, and_(VectorRow.live, older), live=True)


def _turn(connection: Connection, asset_ids: Sequence[int], live: bool) -> None:
    """Gives the vectors of these assets that are not in this state a fresh number in it, in all spaces."""
    _renumber(connection, asset_ids, VectorRow.live.is_(not live), live=live)


def _renumber(connection: Connection, asset_ids: Sequence[int], which: ColumnElement[bool], live: bool) -> None:
    place = func.row_number().over(order_by=(VectorRow.asset_id, VectorRow.space_id)).label("place")
    turning = (
        select(VectorRow.asset_id, VectorRow.space_id, place).where(VectorRow.asset_id.in_(asset_ids), which).subquery()
    )
    last = literal(_last_number(connection), BigInteger)
    turned = connection.execute(
        update(VectorRow)
        .where(VectorRow.asset_id == turning.c.asset_id, VectorRow.space_id == turning.c.space_id)
        .where(VectorRow.asset_id.in_(asset_ids))  # says the same again: PostgreSQL would read the whole table
        .values(live=live, sequence=last + turning.c.place)
    ).rowcount
    if turned:
        _take_numbers(connection, turned)


def _spare(connection: Connection, scan_id: int, folders: Sequence[str]) -> None:
    """What lies where the scan could not look counts as seen."""
    for folder in folders:
        for table in (LocationRow, RefusalRow):
            spared = update(table).where(at_or_below(table.uri, folder), table.scan_id < scan_id)
            connection.execute(spared.values(scan_id=scan_id))


def _located(connection: Connection, uris: Sequence[str]) -> dict[str, tuple[int, int]]:
    """The ids of the location and of its asset, by uri; unknown uris are left out."""
    found: dict[str, tuple[int, int]] = {}
    columns = select(LocationRow.uri, LocationRow.id, LocationRow.asset_id)
    for some in chunks(uris):
        rows = connection.execute(columns.where(LocationRow.uri.in_(some)))
        found.update((uri, (location_id, asset_id)) for uri, location_id, asset_id in rows)
    return found


def _add_assets(connection: Connection, files: Iterable[IndexedFile]) -> dict[str, int]:
    """The id of each content, by sha256; those that the catalog lacked are added.

    Left out is a content that was known when its file was hashed, so that it was not decoded, and that has been pruned
    since: the next run finds the file again.
    """
    by_hash: dict[str, IndexedFile] = {}
    for file in files:
        if file.format or file.sha256 not in by_hash:
            by_hash[file.sha256] = file
    ids: dict[str, int] = {}
    for some in chunks(list(by_hash)):
        known = select(AssetRow.sha256, AssetRow.id).where(AssetRow.sha256.in_(some))
        ids.update((sha256, asset_id) for sha256, asset_id in connection.execute(known))
    now = datetime.now(UTC)
    rows = [
        {
            "sha256": sha256,
            "size": file.stat.size,
            "format": file.format,
            "width": file.width,
            "height": file.height,
            "added_at": now,
            "parts": None,
        }
        for sha256, file in by_hash.items()
        if sha256 not in ids and file.format
    ]
    if rows:
        added = connection.execute(insert(AssetRow).returning(AssetRow.sha256, AssetRow.id), rows)
        ids.update((sha256, asset_id) for sha256, asset_id in added)
    looked_into = [
        {"of": ids[sha256], "found": " ".join(file.parts)}
        for sha256, file in by_hash.items()
        if file.parts is not None and sha256 in ids
    ]
    if looked_into:
        connection.execute(
            update(AssetRow).where(AssetRow.id == bindparam("of")).values(parts=bindparam("found")), looked_into
        )
    return ids


def _replace(
    connection: Connection,
    files: Sequence[IndexedFile],
    before: Mapping[str, tuple[int, int]],
    asset_ids: Mapping[str, int],
) -> None:
    """Remembers which asset lay where another one lies now."""
    now = datetime.now(UTC)
    rows = {
        before[file.stat.uri]: {
            "location_id": before[file.stat.uri][0],
            "asset_id": before[file.stat.uri][1],
            "replaced_at": now,
        }
        for file in files
        if file.stat.uri in before and before[file.stat.uri][1] != asset_ids[file.sha256]
    }
    if rows:
        statement = _upsert(connection, ReplacementRow)
        statement = statement.on_conflict_do_update(
            index_elements=[ReplacementRow.location_id, ReplacementRow.asset_id],
            set_={"replaced_at": statement.excluded.replaced_at},
        )
        connection.execute(statement, list(rows.values()))


def _place(connection: Connection, scan_id: int, files: Sequence[IndexedFile], asset_ids: Mapping[str, int]) -> None:
    if not files:
        return
    statement = _upsert(connection, LocationRow)
    new = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=[LocationRow.uri],
        set_={
            "asset_id": new.asset_id,
            "size": new.size,
            "mtime_ns": new.mtime_ns,
            "scan_id": _later(new.scan_id, LocationRow.scan_id),
            "present": True,
            "missing_since": None,
        },
    )
    rows = [_stat_columns(file, scan_id) | {"asset_id": asset_ids[file.sha256], "present": True} for file in files]
    connection.execute(statement, rows)
    for some in chunks([file.stat.uri for file in files]):
        connection.execute(delete(RefusalRow).where(RefusalRow.uri.in_(some)))


def _add_vectors(connection: Connection, space_id: int, packed: Mapping[int, bytes]) -> None:
    held: set[int] = set()
    for some in chunks(list(packed)):
        query = select(VectorRow.asset_id).where(VectorRow.space_id == space_id, VectorRow.asset_id.in_(some))
        held.update(connection.scalars(query))
    missing = [asset_id for asset_id in packed if asset_id not in held]
    if missing:
        first = _take_numbers(connection, len(missing))
        rows = [
            {"space_id": space_id, "asset_id": asset_id, "sequence": number, "live": True, "data": packed[asset_id]}
            for number, asset_id in enumerate(missing, first)
        ]
        connection.execute(insert(VectorRow), rows)


def _refuse(connection: Connection, scan_id: int, refused: Sequence[Refusal]) -> None:
    if not refused:
        return
    statement = _upsert(connection, RefusalRow)
    new = statement.excluded
    names = ("size", "mtime_ns", "reason", "message", "sha256", "decoder", "last_tried_at")
    replaced = {name: new[name] for name in names}
    statement = statement.on_conflict_do_update(
        index_elements=[RefusalRow.uri],
        set_=replaced | {"scan_id": _later(new.scan_id, RefusalRow.scan_id), "attempts": RefusalRow.attempts + 1},
    )
    now = datetime.now(UTC)
    rows = [
        _stat_columns(file, scan_id)
        | {"reason": file.reason, "message": file.message, "sha256": file.sha256, "decoder": file.decoder}
        | {"attempts": 1, "last_tried_at": now}
        for file in refused
    ]
    connection.execute(statement, rows)
    for some in chunks([file.stat.uri for file in refused]):
        lost = update(LocationRow).where(LocationRow.uri.in_(some), LocationRow.present)
        connection.execute(lost.values(present=False, missing_since=now))


def _upsert(connection: Connection, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _later(new: ColumnElement[int], old: InstrumentedAttribute[int]) -> ColumnElement[int]:
    return case((new > old, new), else_=old)  # the engines disagree on the name of max(a, b)


def _stat_columns(file: IndexedFile | Refusal, scan_id: int) -> dict[str, object]:
    return {"uri": file.stat.uri, "size": file.stat.size, "mtime_ns": file.stat.mtime_ns, "scan_id": scan_id}


def _see_again(connection: Connection, scan_id: int, uris: Sequence[str]) -> Collection[int]:
    """Marks files as seen; returns the assets of those that had been gone."""
    back: set[int] = set()
    refused = exists().where(RefusalRow.uri == LocationRow.uri)
    for some in chunks(uris):
        gone = and_(among(connection, LocationRow.uri, some), not_(LocationRow.present), not_(refused))
        back.update(connection.scalars(select(LocationRow.asset_id).where(gone)))
        connection.execute(update(LocationRow).where(gone).values(present=True))
        for table, found in ((LocationRow, {"missing_since": None}), (RefusalRow, {})):
            seen = update(table).where(among(connection, table.uri, some), table.scan_id < scan_id)
            connection.execute(seen.values(scan_id=scan_id, **found))
    return back
