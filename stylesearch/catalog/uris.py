"""Ranges and orders of uris, which an index serves on both engines."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, literal, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from stylesearch.catalog.tables import URI_START, Uri


def bounds(folder: str) -> tuple[str, str]:
    """Every uri below the folder is >= the first and < the second. Unlike LIKE, this needs no escaping, and the index
    serves it."""
    stem = folder.rstrip("/")
    return stem + "/", stem + chr(ord("/") + 1)


def at_or_below(column: InstrumentedAttribute[str], folder: str) -> ColumnElement[bool]:
    within = _between(column, folder + "#", folder + chr(ord("#") + 1))  # an archive, say
    return or_(column == folder, _between(column, *bounds(folder)), within)


def below(column: InstrumentedAttribute[str], folder: str) -> ColumnElement[bool]:
    """In a folder of the file system, or of an object store, and not in an archive."""
    return _between(column, *bounds(folder))


def beyond(column: InstrumentedAttribute[str], text: str) -> ColumnElement[bool]:
    """That the column comes after a text."""
    return and_(column > text, start(column) >= start(text))


def in_order(column: InstrumentedAttribute[str]) -> tuple[ColumnElement[str], ...]:
    """What to order by, so that an index serves it on both engines."""
    return start(column), column.expression


def _between(column: InstrumentedAttribute[str], low: str, high: str) -> ColumnElement[bool]:
    by_start = and_(start(column) >= start(low), start(column) <= start(high))
    return and_(column >= low, column < high, by_start)


class start(FunctionElement[str]):  # noqa: N801 - reads as a function of SQL
    """As much of a uri as PostgreSQL has an ordered index of; on SQLite all of it. It never comes before that of a
    smaller uri."""

    type = Uri
    inherit_cache = True

    def __init__(self, uri: InstrumentedAttribute[str] | str) -> None:
        super().__init__(literal(uri, Uri) if isinstance(uri, str) else uri)


@compiles(start)
def _whole(element: start, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(start, "postgresql")
def _left(element: start, compiler: SQLCompiler, **options: Any) -> str:
    return f'"left"({compiler.process(element.clauses, **options)}, {URI_START})'
