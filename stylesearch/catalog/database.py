"""`Database`: connections to the database of a catalog, its state, and transactions that read or write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Self

from sqlalchemy import URL, Connection, Engine, select

from stylesearch.catalog import numbering, totals
from stylesearch.catalog.engine import connect, mapped_errors, openable, parse_url
from stylesearch.catalog.tables import CounterRow
from stylesearch.catalog.upgrade import upgrade

_STATE = select(CounterRow.value).where(CounterRow.name == "state")
_STATE_OF_SQLITE = "SELECT value FROM counters WHERE name = 'state'"


class Database:
    """Safe to use from several threads and processes at once; processes each open their own, also after a fork."""

    def __init__(self, engine: Engine, url: URL) -> None:
        self._engine = engine
        self._writer = engine.execution_options(writes=True)
        self._single = engine.execution_options(single=True)
        self._url = url
        self._has_totals = False  # known to be there

    @classmethod
    def open(cls, url: str | URL) -> Self:
        """Opens a catalog; creates it, or brings its tables to this version, where that is needed.

        One that this user may not write is opened for reading: every method that writes raises CatalogError.

        Args:
            url: "sqlite:///PATH" (in a folder that exists) or "postgresql://USER:PASSWORD@HOST:PORT/DATABASE".

        Raises:
            CatalogError: the URL is of no kind that is known here, the database refused or cannot be reached, or the
                catalog was written by a newer version.
            MissingDependencyError: PostgreSQL, and psycopg is not installed.
        """
        parsed = parse_url(url)
        engine = connect(openable(parsed))
        try:
            with mapped_errors(parsed):
                upgrade(engine, parsed)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, parsed)

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database; for the modules of this package."""
        with mapped_errors(self._url), self._engine.connect() as connection:
            yield connection

    def state(self) -> int:
        """A number that is another one after every write, by whatever process: what was read at the same number still
        holds."""
        with mapped_errors(self._url):
            if self._url.drivername != "sqlite":
                with self._single.connect() as connection:
                    return connection.scalars(_STATE).one()
            # Asked before every search: SQLAlchemy would take ten times as long as SQLite.
            with closing(self._engine.raw_connection()) as raw:
                return int(raw.cursor().execute(_STATE_OF_SQLITE).fetchone()[0])

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes, while no other one does; for the modules of this package."""
        with mapped_errors(self._url), self._writer.begin() as connection:
            numbering.lock(connection)
            if not self._has_totals:
                totals.ensure(connection)
            yield connection
        self._has_totals = True
