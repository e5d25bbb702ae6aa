"""Brings the tables of a catalog to the version of this program, when it is opened."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, Connection, Engine, inspect, text

from stylesearch.catalog.engine import connect, shown
from stylesearch.errors import CatalogError

_MIGRATIONS = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 0x5374796C65  # any constant; it only has to differ from those of other programs in the database


def revisions() -> list[str]:
    """The revisions that this version knows, oldest first."""
    return sorted(path.name[:4] for path in _MIGRATIONS.glob("versions/[0-9]*.py"))


def upgrade(engine: Engine, url: URL) -> None:
    """Creates the tables, or brings them to the newest revision; processes that do so at the same moment wait.

    Raises:
        CatalogError: a newer version of StyleSearch has changed the tables.
    """
    with engine.connect() as connection:
        if _revision(connection, url) == revisions()[-1]:
            return
    # SQLite rebuilds a table to change it, which foreign keys forbid, and they can only be turned off between
    # transactions.
    migrating = connect(url, foreign_keys=False)
    try:
        with migrating.execution_options(writes=True).begin() as connection:  # locks SQLite
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            if _revision(connection, url) != revisions()[-1]:
                _run_alembic(connection)
    finally:
        migrating.dispose()


def _revision(connection: Connection, url: URL) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if revision is not None and revision not in revisions():
        raise CatalogError(
            f"The catalog at '{shown(url)}' has revision '{revision}', which is newer than this version of StyleSearch "
            f"(it knows up to '{revisions()[-1]}'). Upgrade with: pip install -U stylesearch"
        )
    return revision


def _run_alembic(connection: Connection) -> None:
    # Imported here: it takes longer than opening a catalog, and is needed once in a catalog's life.
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, "head")
