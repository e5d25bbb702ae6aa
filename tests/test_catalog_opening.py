"""Opening a catalog: URLs, migrations, and errors that a person can act on."""

from __future__ import annotations

import multiprocessing
import sqlite3
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from catalog_records import SPACE
from indexing import ordinary_user
from sqlalchemy import create_engine, inspect, text

from stylesearch.catalog import Catalog, absolute_url, engine, sqlite_url
from stylesearch.catalog.tables import URI_START, Base
from stylesearch.catalog.upgrade import revisions
from stylesearch.errors import CatalogError, MissingDependencyError


def with_driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://")


# Uris are unique on both engines; on PostgreSQL, which does not keep long ones in order, in another way.
UNIQUE_URIS = {f"{kind}_{table}_uri" for kind in ("uq", "ix") for table in ("locations", "refusals")}


def test_migrations_build_what_the_models_say(catalog: Catalog, catalog_url: str) -> None:
    direct = create_engine(with_driver(catalog_url))
    apart = UNIQUE_URIS if direct.dialect.name == "postgresql" else set()
    with direct.connect() as connection:
        opts = {
            "compare_type": True,
            "compare_server_default": True,
            "include_object": lambda item, name, kind, reflected, other: name not in apart,
        }
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, Base.metadata) == []
        if apart:
            query = text("SELECT indexname, indexdef FROM pg_indexes WHERE indexdef LIKE '%uri%'")
            built = {name: definition.partition(" USING ")[2] for name, definition in connection.execute(query)}
            assert set(built) == UNIQUE_URIS
            assert set(built.values()) == {"hash (uri)", f'btree ("left"(uri, {URI_START}))'}
    direct.dispose()


def test_migrations_build_the_same_keys_and_indexes_as_the_models(
    catalog: Catalog, catalog_url: str, tmp_path: Path
) -> None:
    """What `compare_metadata` does not look at: primary keys, their order, and SQLite's AUTOINCREMENT."""
    migrated, direct = create_engine(with_driver(catalog_url)), create_engine(f"sqlite:///{tmp_path}/direct.sqlite")
    Base.metadata.create_all(direct)
    for name in Base.metadata.tables:
        primary_keys = [inspect(one).get_pk_constraint(name) for one in (migrated, direct)]
        assert primary_keys[0]["constrained_columns"] == primary_keys[1]["constrained_columns"]
    if migrated.dialect.name == "sqlite":
        query = text("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%' ORDER BY name")
        with migrated.connect() as one, direct.connect() as other:
            names = one.execute(query).scalars().all()
            assert names == other.execute(query).scalars().all() == ["assets", "boards", "saved_searches"]
    migrated.dispose()
    direct.dispose()


def test_opening_again_finds_everything_as_it_was(catalog_url: str) -> None:
    for _ in range(2):
        with Catalog.open(catalog_url) as catalog:
            assert catalog.ensure_space(SPACE) == 1


def test_a_newer_catalog_is_left_alone(catalog: Catalog, catalog_url: str) -> None:
    direct = create_engine(with_driver(catalog_url))
    with direct.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    direct.dispose()
    with pytest.raises(CatalogError, match=f"'9999'.*newer.*'{revisions()[-1]}'.*pip install -U stylesearch"):
        Catalog.open(catalog_url)


def _open(url: str) -> None:
    Catalog.open(url).close()


def test_many_processes_open_a_fresh_catalog_at_once(catalog_url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_open, args=(catalog_url,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 3


def test_sqlite_is_set_up_to_be_shared(tmp_path: Path) -> None:
    with Catalog.open(f"sqlite:///{tmp_path}/c.sqlite") as catalog, catalog.reading() as connection:
        pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        values = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
    assert values == ["wal", 1, 1, 30_000]


@pytest.mark.parametrize(
    "url",
    [
        "catalog.sqlite",
        "mysql://app:secret@host/db",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql://app:secret@host:port/db",
        "",
    ],
)
def test_urls_that_are_refused_say_what_is_allowed(url: str) -> None:
    with pytest.raises(CatalogError, match=r"sqlite:///PATH.*postgresql://") as caught:
        Catalog.open(url)
    assert "secret" not in str(caught.value)


def test_psycopg_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingDependencyError, match=r"stylesearch\[postgres\]"):
        Catalog.open("postgresql://app@localhost/db")


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="Check that the server runs") as caught:
        Catalog.open(f"postgresql://app:secret@/db?host={tmp_path}&password=secret")
    assert "secret" not in str(caught.value)


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="Its folder must exist"):
        Catalog.open(f"sqlite:///{tmp_path}/none/c.sqlite")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "c.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(CatalogError, match="something else, or damaged"):
        Catalog.open(f"sqlite:///{tmp_path}/c.sqlite")


def test_a_locked_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/c.sqlite"
    Catalog.open(url).close()
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0)
    other = sqlite3.connect(tmp_path / "c.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with Catalog.open(url) as catalog:
        assert catalog.counts().assets == 0  # readers do not wait
        with pytest.raises(CatalogError, match="Another process"):
            catalog.begin_scan("/a")
    other.close()


def test_a_full_disk(tmp_path: Path) -> None:
    with Catalog.open(f"sqlite:///{tmp_path}/c.sqlite") as catalog:
        with catalog.reading() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(CatalogError, match="The disk is full"):
            catalog.begin_scan("/a" * 10_000)


def test_a_read_only_catalog(tmp_path: Path) -> None:
    with Catalog.open(f"sqlite:///{tmp_path}/c.sqlite") as catalog:
        with catalog.reading() as connection:
            connection.exec_driver_sql("PRAGMA query_only = ON")  # file modes do not stop root, who may run the tests
        with pytest.raises(CatalogError, match="writable"):
            catalog.begin_scan("/a")


@pytest.mark.parametrize("name", ["li?b.db", "l%41b#x.db", "ä b+c.db"])
def test_any_path_can_be_that_of_a_catalog(tmp_path: Path, name: str) -> None:
    with Catalog.open(sqlite_url(tmp_path / name)) as catalog:
        catalog.begin_scan("/a")
    with Catalog.open(absolute_url(sqlite_url(tmp_path / name).render_as_string())) as catalog:
        assert catalog.begin_scan("/a") == 2
    assert (tmp_path / name).exists()


def test_a_relative_url_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute_url("sqlite:///c.db") == f"sqlite:///{tmp_path}/c.db"
    assert absolute_url("postgresql://a:b%40c@host/db") == "postgresql://a:b%40c@host/db"


def test_a_password_with_an_at_sign_is_never_shown() -> None:
    with pytest.raises(CatalogError, match="Write it there as %40") as caught:
        Catalog.open("postgresql://app:sec@ret@host/db")
    assert "sec" not in str(caught.value) and "ret" not in str(caught.value)


def test_a_user_who_may_not_write_can_read() -> None:
    with ordinary_user() as folder:
        url = sqlite_url(folder / "li?b #1.db")
        with Catalog.open(url) as catalog:
            catalog.ensure_space(SPACE)
            catalog.begin_scan("/a")
        (folder / "li?b #1.db").chmod(0o400)
        folder.chmod(0o500)
        with Catalog.open(url) as catalog:
            assert (catalog.ensure_space(SPACE), catalog.counts().assets) == (1, 0)
            with pytest.raises(CatalogError, match="writable"):
                catalog.begin_scan("/a")
