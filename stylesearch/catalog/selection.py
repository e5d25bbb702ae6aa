"""Conditions and streams that several queries share."""

from __future__ import annotations

import unicodedata
from collections.abc import Generator, Iterator, Sequence
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from stylesearch.catalog.globs import compile_globs, folder_of_glob
from stylesearch.catalog.tables import AssetRow, LocationRow
from stylesearch.records import uri_of_path

Item = TypeVar("Item")

# SQLite accepts 32,766 variables in a statement, PostgreSQL's protocol 65,535.
_CHUNK = 5_000


def chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """The items in stretches that fit into one IN list."""
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]


def bounds(folder: str) -> tuple[str, str]:
    """Every uri below the folder is >= the first and < the second. Unlike LIKE, this needs no escaping, and the index
    serves it."""
    stem = folder.rstrip("/")
    return stem + "/", stem + chr(ord("/") + 1)


def at_or_below(column: InstrumentedAttribute[str], folder: str) -> ColumnElement[bool]:
    low, high = bounds(folder)
    return or_(column == folder, and_(column >= low, column < high))


def matching(
    connection: Connection, paths: Sequence[str], formats: Sequence[str], after: int = 0
) -> Generator[int, None, None]:
    """Ids, ascending and beyond `after`, of the assets with a present location that matches any of the globs and one
    of the formats; an empty sequence lets everything pass. See `stylesearch.query.Query`.

    Close it where it is not read to its end: a cursor is open on the server until then.
    """
    query = select(LocationRow.asset_id).where(LocationRow.present, LocationRow.asset_id > after)
    if formats:
        wanted = [name.upper() for name in formats]
        query = query.join(AssetRow, AssetRow.id == LocationRow.asset_id).where(func.upper(AssetRow.format).in_(wanted))
    query = query.order_by(LocationRow.asset_id).execution_options(yield_per=10_000)
    if not paths:
        with connection.scalars(query.distinct()) as ids:
            yield from ids
        return
    patterns = [uri_of_path(pattern) for pattern in paths]
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
