"""Connections to SQLite and PostgreSQL, and the one place where database errors become ours."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from stylesearch.errors import CatalogError, MissingDependencyError

BUSY_SECONDS = 30
RESTART_SECONDS = 60.0  # for which a run of the indexer waits for a PostgreSQL server that went away

Given = ParamSpec("Given")
Result = TypeVar("Result")

# Codes of PostgreSQL: the connection failed; the server was shut down, crashed, or is only starting.
_WENT = ("08", "57P01", "57P02", "57P03")

_ALLOWED = "Use sqlite:///PATH (four slashes for an absolute path) or postgresql://USER@HOST/DATABASE."

_SQLITE_ADVICE = {
    "SQLITE_BUSY": f"Another process kept it locked for {BUSY_SECONDS} seconds; run the command again later.",
    "SQLITE_FULL": "The disk is full; free some space and run the command again. Nothing that was written is lost.",
    "SQLITE_READONLY": "Make the file and its folder writable for this user.",
    "SQLITE_CANTOPEN": "Its folder must exist and be writable for this user.",
    "SQLITE_CORRUPT": "The file is damaged; restore it from a backup.",
    "SQLITE_NOTADB": "The file is something else, or damaged; name another file or restore it from a backup.",
    "SQLITE_IOERR": "The disk failed to read or write; check it, and that it is not a network drive.",
}


def parse_url(text: str | URL) -> URL:
    """The URL of a catalog, with its driver, and with an absolute path on SQLite.

    Raises:
        CatalogError: the URL cannot be read, or is of another database. The message never holds a password.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as exc:
        raise CatalogError(f"The URL of the catalog cannot be read. {_ALLOWED}") from exc
    if url.host and "@" in url.host:  # the rest of a password, which no message may show
        raise CatalogError("The URL of the catalog has an '@' within the password. Write it there as %40.")
    if url.drivername == "sqlite" and url.database and url.database != ":memory:":
        return sqlite_url(url.database).set(query=url.query)
    if url.drivername in ("postgresql", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    raise CatalogError(f"No catalog can be kept at '{shown(url)}'. {_ALLOWED}")


def sqlite_url(path: str | os.PathLike[str]) -> URL:
    """The URL of a catalog in this file, whatever characters its path has."""
    return URL.create("sqlite", database=os.fspath(Path(path).absolute()))


def absolute_url(text: str) -> str:
    """The URL, so that it means the same in every folder; raises as `parse_url` does."""
    url = parse_url(text)
    return url.render_as_string(hide_password=False) if url.drivername == "sqlite" else text


def openable(url: URL) -> URL:
    """The URL to connect to: one that only reads where this user may not write the file of a SQLite catalog."""
    path = Path(url.database or "")
    if url.drivername != "sqlite" or not path.exists() or (_writable(path) and _writable(path.parent)):
        return url
    query = {"uri": "true", "mode": "ro"}
    if not path.with_name(f"{path.name}-wal").exists():
        # Readers of WAL, too, make files beside the catalog, unless they are promised that nobody writes.
        query["immutable"] = "1"
    return URL.create("sqlite", database=f"file:{quote(str(path))}", query=query)


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def shown(url: URL) -> str:
    """The URL for people: without its password, wherever that stands."""
    return url.set(query={}).render_as_string(hide_password=True)


def connect(url: URL, foreign_keys: bool = True) -> Engine:
    """An engine whose transactions see one state of the database from beginning to end on SQLite, and which writes
    when asked for with the execution option `writes=True`. With `single=True` one statement is read without any.

    Raises:
        MissingDependencyError: the URL is PostgreSQL's and psycopg is not installed.
    """
    try:
        # hide_parameters: an error must not quote a thousand vectors. pre_ping: servers restart under long-lived pages.
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=url.drivername != "sqlite")
    except ImportError as exc:
        raise MissingDependencyError("psycopg", "postgres", "to keep the catalog on PostgreSQL") from exc
    if url.drivername == "sqlite":
        event.listen(engine, "connect", _sqlite_connected if foreign_keys else _sqlite_connected_without_foreign_keys)
        if "mode" not in url.query:
            event.listen(engine, "connect", _sqlite_writable_connected)
        event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_connected(connection: Any, record: object) -> None:
    _sqlite_connected_without_foreign_keys(connection, record)
    connection.execute("PRAGMA foreign_keys = ON")


def _sqlite_connected_without_foreign_keys(connection: Any, record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself; `_sqlite_begin` does
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA synchronous = NORMAL")


def _sqlite_writable_connected(connection: Any, record: object) -> None:
    _enter_wal(connection)


def _enter_wal(connection: Any) -> None:
    # SQLite does not wait for busy_timeout where two connections switch a new file to WAL at the same moment.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _sqlite_begin(connection: Connection) -> None:
    if connection.get_execution_options().get("single", False):
        return  # one statement is a transaction by itself
    # A transaction that reads first and writes later fails at once, without waiting, where another one wrote between.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def gather_statistics(connection: Connection) -> None:
    """Has SQLite look at some rows of the tables that have grown, so that it knows which index to take; PostgreSQL does
    so by itself."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA analysis_limit = 1000")
        connection.exec_driver_sql("PRAGMA optimize")


@contextmanager
def mapped_errors(url: URL) -> Iterator[None]:
    """Turns whatever SQLAlchemy, or a database's own driver, raises into CatalogError."""
    try:
        yield
    except _errors() as exc:
        cause = _cause(exc)
        said = str(cause).strip().split("\n")[0]
        raise CatalogError(f"The catalog at '{shown(url)}' failed: {said}. {_advice(cause)}".rstrip()) from exc


def outlasts_restart(method: Callable[Given, Result]) -> Callable[Given, Result]:
    """Has a method tried again, for up to `RESTART_SECONDS`, where PostgreSQL went away during it. The transaction may
    have been committed before, so that it must bear to be run twice."""

    @wraps(method)
    def patient(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        deadline: float | None = None
        while True:
            try:
                return method(*args, **kwargs)
            except CatalogError as exc:
                deadline = deadline or time.monotonic() + RESTART_SECONDS
                if not _server_went(exc.__cause__) or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    return patient


def _cause(error: BaseException) -> BaseException:
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


def _server_went(error: BaseException | None) -> bool:
    state = "" if error is None else getattr(_cause(error), "sqlstate", "")
    return state is None or state.startswith(_WENT)


def _errors() -> tuple[type[Exception], ...]:
    # Rows go to PostgreSQL by COPY, past SQLAlchemy. Its driver is an extra, and there wherever it can have failed.
    psycopg = sys.modules.get("psycopg")
    return (SQLAlchemyError, sqlite3.Error, *(() if psycopg is None else (psycopg.Error,)))


def _advice(cause: BaseException) -> str:
    name = getattr(cause, "sqlite_errorname", "")
    for prefix, advice in _SQLITE_ADVICE.items():
        if name.startswith(prefix):
            return advice
    state = getattr(cause, "sqlstate", "")
    if state is None:  # psycopg's mark of an error that no server reported
        return "Check that the server runs, and the host, user and database of the URL."
    if state.startswith(_WENT):
        return "The server was stopped; run the command again once it is back. Nothing that was written is lost."
    if state == "53100":
        return _SQLITE_ADVICE["SQLITE_FULL"]
    return ""
