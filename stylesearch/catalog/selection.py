"""Conditions and streams that several queries share."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import ARRAY, ColumnElement, Connection, Select, Text, and_, any_, cast, func, literal, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from stylesearch.catalog.globs import compile_globs, folder_of_glob
from stylesearch.catalog.listing import listed
from stylesearch.catalog.looks import ORIENTATION, SIZE, showing
from stylesearch.catalog.tables import AppearanceRow, AssetRow, AssetTermRow, LocationRow, MetadataRow, TermRow
from stylesearch.catalog.terms import CREATOR, LICENCE, SOFTWARE, TAG, folded
from stylesearch.catalog.uris import at_or_below
from stylesearch.query import Filters
from stylesearch.records import APPEARANCE_VERSION
from stylesearch.uris import uri_of_path

Item = TypeVar("Item")

# SQLite accepts 32,766 variables in a statement, PostgreSQL's protocol 65,535.
_CHUNK = 5_000


def chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """The items in stretches that fit into one IN list."""
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]


def among(connection: Connection, column: InstrumentedAttribute[str], texts: Sequence[str]) -> ColumnElement[bool]:
    """That the column is one of these texts; what IN says, with one parameter for all, since a statement with
    thousands takes longer to write down than to run."""
    if connection.dialect.name == "sqlite":
        listed = func.json_each(json.dumps(texts, ensure_ascii=False)).table_valued("value")
        return column.in_(select(listed.c.value))
    return column == any_(literal(texts, ARRAY(Text)))


def is_described(asset_id: ColumnElement[int] | InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """That an asset has an appearance of this version."""
    return and_(AppearanceRow.asset_id == asset_id, AppearanceRow.version == APPEARANCE_VERSION)


def possible(asset_ids: Iterable[int]) -> list[int]:
    """Those of these numbers that can be ids."""
    # No database stores an integer beyond 64 bits, and SQLite refuses to look for one.
    return [int(asset_id) for asset_id in asset_ids if 0 < asset_id < 2**63]


# Assets that are looked at in the order of a sample, before all that meet the filters are gathered and put in order.
_TRIED = 4_000

_TOGETHER = 1_000_000  # ids in one text, which is then of about 8 MB


def sampled(connection: Connection, filters: Filters, limit: int, after: str) -> list[int]:
    """Ids of the first assets beyond the digest `after`, in the order of their digests, that have a present location
    and meet the filters.

    Digests are as good as drawn, so they mix what lies together. Where many assets meet the filters, some are found
    soon; where few do, they are quickly gathered.
    """
    found: list[int] = []
    following = select(AssetRow.id, AssetRow.sha256).order_by(AssetRow.sha256)
    looked_at, stretch = 0, min(_TRIED, 2 * limit)
    while len(found) < limit and (looked_at < _TRIED or not filters.filtering):
        some = connection.execute(following.where(AssetRow.sha256 > after).limit(stretch)).all()
        meeting = set(matching(connection, filters, among_ids=[asset_id for asset_id, _ in some]))
        found += [asset_id for asset_id, _ in some if asset_id in meeting]
        looked_at += len(some)
        if len(some) < stretch:
            return found[:limit]
        after, stretch = some[-1].sha256, _TRIED
    if len(found) < limit:
        meeting = set(matching(connection, filters))
        rest = [
            (sha256, asset_id)
            for some in chunks(sorted(meeting))
            for asset_id, sha256 in connection.execute(
                select(AssetRow.id, AssetRow.sha256).where(AssetRow.id.in_(some), AssetRow.sha256 > after)
            )
        ]
        found += [asset_id for _, asset_id in sorted(rest)]
    return found[:limit]


def matching(
    connection: Connection, filters: Filters, after: int = 0, among_ids: Sequence[int] | None = None
) -> Generator[int, None, None]:
    """Ids, ascending and beyond `after`, of the assets with a present location that meet the filters; `among_ids`: of
    these alone.

    Close it where it is not read to its end: a cursor is open on the server until then.
    """
    query = _meeting(connection, filters, among_ids).where(LocationRow.asset_id > after)
    query = query.order_by(LocationRow.asset_id).execution_options(yield_per=10_000)
    if not filters.paths:
        with connection.scalars(query.distinct()) as ids:
            yield from ids
        return
    patterns = [uri_of_path(pattern) for pattern in filters.paths]
    folders = [folder_of_glob(pattern) for pattern in patterns]
    if None not in folders:
        query = query.where(or_(*(at_or_below(LocationRow.uri, folder) for folder in folders if folder is not None)))
    matches = compile_globs(patterns).fullmatch
    previous = after
    with connection.execute(query.add_columns(LocationRow.uri)) as rows:
        for asset_id, uri in rows:
            if asset_id != previous and matches(unicodedata.normalize("NFC", uri)):
                previous = asset_id
                yield asset_id


def matching_ids(connection: Connection, filters: Filters) -> np.ndarray:
    """The same as int64 (N,). The database writes them as one text: an object for each would take longer by far."""
    if filters.paths:
        return np.fromiter(matching(connection, filters), np.int64)
    blocks = [np.empty(0, np.int64)]
    last = 0
    while True:
        some = _meeting(connection, filters).where(LocationRow.asset_id > last).distinct()
        one = some.order_by(LocationRow.asset_id).limit(_TOGETHER).subquery()
        written = connection.scalar(select(func.aggregate_strings(cast(one.c.asset_id, Text), ",")))
        ids = np.sort(np.fromstring(written or "", np.int64, sep=","))
        blocks.append(ids)
        if len(ids) < _TOGETHER:
            return np.concatenate(blocks)
        last = int(ids[-1])


def chosen(connection: Connection, filters: Filters) -> Select[int]:
    """The same as a query, for others to build upon."""
    if filters.paths:
        return listed(connection, list(matching(connection, filters)))
    return _meeting(connection, filters).distinct()


def _meeting(connection: Connection, filters: Filters, among_ids: Sequence[int] | None = None) -> Select[int]:
    """The ids of the assets that meet the filters but `paths`, once for each present location."""
    query = select(LocationRow.asset_id).where(LocationRow.present)
    for wanted in _wanted(connection, filters, among_ids):
        if among_ids is not None:
            wanted = wanted.where(wanted.selected_columns[0].in_(among_ids))
        query = query.where(LocationRow.asset_id.in_(wanted))
    if among_ids is not None:
        query = query.where(LocationRow.asset_id.in_(among_ids))
    if filters.generated is False:
        query = query.where(LocationRow.asset_id.not_in(_generated()))
    return query


def _wanted(connection: Connection, filters: Filters, among_ids: Sequence[int] | None) -> Iterator[Select[Any]]:
    """The assets that meet each of the filters that look at no glob."""
    if filters.formats:
        yield select(AssetRow.id).where(AssetRow.format.in_(filters.formats))
    if filters.tags:
        yield _having(TermRow.kind == TAG, TermRow.folded.in_([folded(tag) for tag in filters.tags]))
    if filters.sizes:
        yield select(AssetRow.id).where(SIZE.in_(filters.sizes))
    if filters.orientations:
        yield select(AssetRow.id).where(ORIENTATION.in_(filters.orientations))
    for colour in filters.colours:
        yield showing(connection, colour, among_ids)
    if filters.folders:
        places = (at_or_below(LocationRow.uri, uri_of_path(folder)) for folder in filters.folders)
        yield select(LocationRow.asset_id).where(LocationRow.present, or_(*places))
    for kind, words in ((CREATOR, filters.creators), (LICENCE, filters.licences), (SOFTWARE, filters.software)):
        if words and filters.whole:
            yield _having(TermRow.kind == kind, TermRow.folded.in_([folded(word) for word in words]))
        elif words:
            within = or_(*(TermRow.folded.contains(folded(word), autoescape=True) for word in words))
            yield _having(TermRow.kind == kind, within)
    first, last = filters.years
    years = [MetadataRow.year >= first] if first is not None else []
    years += [MetadataRow.year <= last] if last is not None else []
    if years:
        yield select(MetadataRow.asset_id).where(*years)
    if filters.generated:
        yield _generated()


def _having(*terms: ColumnElement[bool]) -> Select[Any]:
    return select(AssetTermRow.asset_id).where(AssetTermRow.term_id.in_(select(TermRow.id).where(*terms)))


def _generated() -> Select[Any]:
    return select(MetadataRow.asset_id).where(MetadataRow.generated)
