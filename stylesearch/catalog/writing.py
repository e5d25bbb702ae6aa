"""How a batch of the indexer is written. The caller owns the transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    bindparam,
    case,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from stylesearch.catalog import totals
from stylesearch.catalog.bulk import insert_rows, insert_with_ids
from stylesearch.catalog.describing import describe
from stylesearch.catalog.masks import add_masks
from stylesearch.catalog.numbering import last_number, settle, take_numbers, tell_again
from stylesearch.catalog.scanning import see_again, unseen_lately
from stylesearch.catalog.selection import among, chunks
from stylesearch.catalog.tables import (
    AssetRow,
    Base,
    LocationRow,
    RefusalRow,
    ReplacementRow,
    SpaceRow,
    VectorRow,
)
from stylesearch.records import Batch, IndexedFile, Refusal, Space


def add_space(connection: Connection, space: Space) -> None:
    row = {
        name: getattr(space, name)
        for name in ("key", "encoder", "fingerprint", "dim", "dtype", "preprocessing", "region")
    }
    if connection.scalar(select(SpaceRow.id).where(SpaceRow.key == space.key)) is None:
        connection.execute(insert(SpaceRow), row)


def write(connection: Connection, space_id: int, scan_id: int, batch: Batch, packed: Mapping[str, bytes]) -> None:
    """Writes a batch; `packed` holds its vectors as they are stored, by sha256."""
    number = last_number(connection)
    files: list[IndexedFile | Refusal] = [*batch.indexed, *batch.refused]
    before = _located(connection, [file.stat.uri for file in files])
    asset_ids = _add_assets(connection, batch.indexed)
    indexed = [file for file in batch.indexed if file.sha256 in asset_ids]
    back = unseen_lately(connection, batch.unchanged)
    touched = {*(location.asset_id for location in before.values()), *asset_ids.values(), *back}
    with totals.following(connection, touched):
        described = describe(connection, indexed, asset_ids)
        _replace(connection, indexed, before, asset_ids)
        _place(connection, scan_id, indexed, before, asset_ids)
        _refuse(connection, space_id, scan_id, batch.refused)
        see_again(connection, scan_id, batch.unchanged)
    add_masks(connection, batch.masker, indexed, asset_ids)
    _add_vectors(connection, space_id, {asset_ids[sha256]: data for sha256, data in packed.items()})
    settle(connection, touched)
    as_before = {
        asset_ids[file.sha256]
        for file in indexed
        if before.get(file.stat.uri, _NOWHERE)[1:] == (asset_ids[file.sha256], True)
    }
    tell_again(connection, touched - (as_before - described), number)


class _Location(NamedTuple):
    id: int
    asset_id: int
    present: bool


_NOWHERE = _Location(0, 0, False)


def _located(connection: Connection, uris: Sequence[str]) -> dict[str, _Location]:
    """The location, present or not, at each of these uris that has one."""
    found: dict[str, _Location] = {}
    columns = select(LocationRow.uri, LocationRow.id, LocationRow.asset_id, LocationRow.present)
    for some in chunks(uris):
        rows = connection.execute(columns.where(among(connection, LocationRow.uri, some)))
        found.update((row.uri, _Location(row.id, row.asset_id, row.present)) for row in rows)
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
    ids.update(zip((str(row["sha256"]) for row in rows), insert_with_ids(connection, AssetRow, rows), strict=True))
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
    before: Mapping[str, _Location],
    asset_ids: Mapping[str, int],
) -> None:
    """Remembers which asset lay where another one lies now."""
    now = datetime.now(UTC)
    replaced = {
        before[file.stat.uri]
        for file in files
        if file.stat.uri in before and before[file.stat.uri].asset_id != asset_ids[file.sha256]
    }
    if replaced:
        statement = _upsert(connection, ReplacementRow)
        statement = statement.on_conflict_do_update(
            index_elements=[ReplacementRow.location_id, ReplacementRow.asset_id],
            set_={"replaced_at": statement.excluded.replaced_at},
        )
        rows = [{"location_id": one.id, "asset_id": one.asset_id, "replaced_at": now} for one in replaced]
        connection.execute(statement, rows)


def _place(
    connection: Connection,
    scan_id: int,
    files: Sequence[IndexedFile],
    before: Mapping[str, _Location],
    asset_ids: Mapping[str, int],
) -> None:
    there = {"present": True, "missing_since": None}
    rows = [_stat_columns(file, scan_id) | {"asset_id": asset_ids[file.sha256]} | there for file in files]
    _put(connection, LocationRow, rows, {uri: location.id for uri, location in before.items()})
    forgotten = 0
    for some in chunks([file.stat.uri for file in files]):
        forgotten += connection.execute(delete(RefusalRow).where(among(connection, RefusalRow.uri, some))).rowcount
    totals.add(connection, refused=-forgotten)


def _add_vectors(connection: Connection, space_id: int, packed: Mapping[int, bytes]) -> None:
    held: set[int] = set()
    for some in chunks(list(packed)):
        query = select(VectorRow.asset_id).where(VectorRow.space_id == space_id, VectorRow.asset_id.in_(some))
        held.update(connection.scalars(query))
    missing = [asset_id for asset_id in packed if asset_id not in held]
    if missing:
        first = take_numbers(connection, len(missing))
        rows = [
            {"space_id": space_id, "asset_id": asset_id, "sequence": number, "live": True, "data": packed[asset_id]}
            for number, asset_id in enumerate(missing, first)
        ]
        insert_rows(connection, VectorRow, rows)


def _refuse(connection: Connection, space_id: int, scan_id: int, refused: Sequence[Refusal]) -> None:
    """Writes down what could not be used. A file that still holds the content that was indexed stays: it lacks its
    vector in this space, no more."""
    if not refused:
        return
    held: dict[str, str] = {}
    known: dict[str, int] = {}
    contents = select(LocationRow.uri, AssetRow.sha256).join(AssetRow, AssetRow.id == LocationRow.asset_id)
    for some in chunks([file.stat.uri for file in refused]):
        held.update(connection.execute(contents.where(among(connection, LocationRow.uri, some))).all())
        earlier = select(RefusalRow.uri, RefusalRow.id).where(among(connection, RefusalRow.uri, some))
        known.update(connection.execute(earlier).all())
    now = datetime.now(UTC)
    rows = [
        _stat_columns(file, scan_id)
        | {"reason": file.reason, "message": file.message, "sha256": file.sha256, "decoder": file.decoder}
        | {"space_id": space_id if file.sha256 and held.get(file.stat.uri) == file.sha256 else None}
        | {"attempts": 1, "last_tried_at": now}
        for file in refused
    ]
    added = _put(connection, RefusalRow, rows, known, attempts=RefusalRow.attempts + 1)
    totals.add(connection, refused=added)
    lost = [str(row["uri"]) for row in rows if row["space_id"] is None]
    for some in chunks(lost):
        going = update(LocationRow).where(among(connection, LocationRow.uri, some), LocationRow.present)
        connection.execute(going.values(present=False, missing_since=now))
    see_again(connection, scan_id, [str(row["uri"]) for row in rows if row["space_id"] is not None])


def _put(
    connection: Connection,
    table: type[LocationRow | RefusalRow],
    rows: Iterable[Mapping[str, object]],
    known: Mapping[str, int],
    **otherwise: ColumnElement[int],
) -> int:
    """Writes rows over those whose ids are `known` by uri, and adds the others. Not an upsert: PostgreSQL has that for
    its ordered indexes only, and writers take turns anyhow.

    Args:
        otherwise: values for rows that are known, in the place of theirs.

    Returns:
        how many were added.
    """
    last = {str(row["uri"]): row for row in rows}  # of a file that was found twice
    fresh = [row for uri, row in last.items() if uri not in known]
    insert_rows(connection, table, fresh)
    over = [{"row_id": known[uri], **_as_parameters(row, otherwise)} for uri, row in last.items() if uri in known]
    if over:
        scan_id = bindparam("new_scan_id", type_=BigInteger)
        # The engines disagree on the name of max(a, b).
        values = {"scan_id": case((scan_id > table.scan_id, scan_id), else_=table.scan_id), **otherwise}
        values |= {name: bindparam(f"new_{name}") for name in next(iter(last.values())) if name not in values}
        connection.execute(update(table).where(table.id == bindparam("row_id")).values(values), over)
    return len(fresh)


def _as_parameters(row: Mapping[str, object], otherwise: Collection[str]) -> dict[str, object]:
    return {f"new_{name}": value for name, value in row.items() if name not in otherwise}


def _upsert(connection: Connection, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _stat_columns(file: IndexedFile | Refusal, scan_id: int) -> dict[str, object]:
    return {"uri": file.stat.uri, "size": file.stat.size, "mtime_ns": file.stat.mtime_ns, "scan_id": scan_id}
