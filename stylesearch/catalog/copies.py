"""A copy of a whole catalog, made while others read and write it, and put back."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import URL, inspect, text

from stylesearch.catalog.engine import connect, mapped_errors, openable, shown
from stylesearch.catalog.tables import Base
from stylesearch.errors import CatalogError

SQLITE_COPY = "catalog.db"
POSTGRES_COPY = "catalog.pgdump"

_TABLES = ("alembic_version", *Base.metadata.tables)


def copy_out(url: URL, folder: Path) -> Path:
    """Writes the state of a catalog at one moment into a file of this folder; nobody waits for it.

    Args:
        url: as `parse_url` returns it.
        folder: exists.

    Raises:
        CatalogError: the database refused, there is no catalog, or PostgreSQL's programs are not installed.
    """
    if not holds_catalog(url):
        raise CatalogError(f"There is no catalog at '{shown(url)}'.")
    if url.drivername == "sqlite":
        return _copy_out_of_sqlite(url, folder / SQLITE_COPY)
    target = folder / POSTGRES_COPY
    tables = [f"--table={name}" for name in _TABLES]  # there may be tables of other programs
    _run("pg_dump", url, ["--format=custom", "--no-owner", "--no-privileges", f"--file={target}", *tables])
    return target


def copy_in(copy: Path, url: URL) -> None:
    """Puts a copy in the place of whatever catalog is there, which others may have open.

    A SQLite file that cannot be read any more is kept beside, as `NAME.damaged`.

    Args:
        copy: a file that `copy_out` made.
        url: of a catalog, or of a place for one, on the same engine.

    Raises:
        CatalogError: the database refused; what was there is then still there.
    """
    if (copy.name == SQLITE_COPY) != (url.drivername == "sqlite"):
        raise CatalogError(
            f"The backup '{copy}' is of another database than '{shown(url)}': SQLite's goes into sqlite:///PATH, "
            "PostgreSQL's into postgresql://USER@HOST/DATABASE."
        )
    if url.drivername == "sqlite":
        _copy_into_sqlite(copy, url)
    else:
        _run(
            "pg_restore", url, ["--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error", copy]
        )


def holds_catalog(url: URL) -> bool:
    """Whether there is a catalog at this URL; a file that is no database counts as one.

    Raises:
        CatalogError: the server cannot be reached.
    """
    if url.drivername == "sqlite":
        return Path(url.database or "").exists()
    engine = connect(url)
    try:
        with mapped_errors(url), engine.connect() as connection:
            return inspect(connection).has_table("alembic_version")
    finally:
        engine.dispose()


def revision_at(url: URL) -> str:
    """The revision of the catalog's tables, without bringing them to another."""
    engine = connect(openable(url))
    try:
        with mapped_errors(url), engine.connect() as connection:
            return str(connection.scalar(text("SELECT version_num FROM alembic_version")))
    finally:
        engine.dispose()


def _copy_out_of_sqlite(url: URL, target: Path) -> Path:
    engine = connect(openable(url))
    try:
        with mapped_errors(url), engine.connect() as source:
            driver: Any = source.connection.driver_connection
            copy = sqlite3.connect(target)
            try:
                # All pages in one step, which is one state of the database; copying in several would begin anew each
                # time somebody writes. In WAL mode nobody waits meanwhile.
                source.rollback()
                driver.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")  # one file, without others beside it
                (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
            finally:
                copy.close()
    finally:
        engine.dispose()
    if found != "ok":
        raise CatalogError(
            f"The catalog at '{shown(url)}' is damaged ({found}), and so would be its backup. "
            "See what is wrong with: stylesearch doctor"
        )
    return target


def _copy_into_sqlite(copy: Path, url: URL) -> None:
    path = Path(url.database or "")
    try:
        _overwrite_sqlite(copy, url)
    except CatalogError as exc:
        cause = exc.__cause__
        if getattr(cause, "sqlite_errorname", "") not in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
            raise
        for suffix in ("", "-wal", "-shm"):
            if (beside := path.with_name(path.name + suffix)).exists():
                beside.replace(path.with_name(f"{path.name}.damaged{suffix}"))
        _overwrite_sqlite(copy, url)


def _overwrite_sqlite(copy: Path, url: URL) -> None:
    # Through SQLite and not by exchanging files: a program that has the catalog open sees the new one as one change.
    with mapped_errors(url):
        source, target = sqlite3.connect(copy), sqlite3.connect(url.database or "", timeout=30)
        try:
            target.execute("PRAGMA journal_mode = WAL").fetchone()
            source.backup(target)
        finally:
            target.close()
            source.close()


def _run(program: str, url: URL, arguments: Sequence[str | Path]) -> None:
    path = shutil.which(program)
    if path is None:
        raise CatalogError(
            f"'{program}' is needed, a program of PostgreSQL, and is not installed here. "
            "Install it (apt-get install postgresql-client), in the version of the server or a newer one."
        )
    environment = dict(os.environ)
    if url.password is not None:  # others on this machine can read arguments
        environment["PGPASSWORD"] = str(url.password)
    bare = url.set(drivername="postgresql", password=None).difference_update_query(["password"])
    if "password" in url.query:
        environment["PGPASSWORD"] = str(url.query["password"])
    command = [path, f"--dbname={bare.render_as_string(hide_password=False)}", "--no-password", *map(str, arguments)]
    done = subprocess.run(  # noqa: S603 - found on the PATH; no shell
        command, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        said = done.stderr.strip().partition("\n")[0]
        raise CatalogError(f"'{program}' failed for the catalog at '{shown(url)}': {said or done.returncode}")
