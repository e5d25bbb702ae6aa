"""Yesterday's catalog opens today: each earlier revision, filled, is brought to the newest one with all it holds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alembic import command
from alembic.config import Config
from catalog_records import DIM, OTHER_SPACE, SPACE, indexed, sha, vector
from sqlalchemy import Connection, create_engine, inspect, text

from stylesearch.catalog import Catalog
from stylesearch.catalog import upgrade as upgrading
from stylesearch.catalog.checking import faults
from stylesearch.catalog.upgrade import revisions
from stylesearch.query import Filters
from stylesearch.records import Batch, Counts

NOW = datetime(2026, 1, 2, tzinfo=UTC)

# What version 0.1 wrote: two pictures, one of them at two places, one gone, and a file that was refused.
ROWS_0001: dict[str, list[dict[str, Any]]] = {
    "INSERT INTO assets (id, sha256, size, format, width, height, added_at)"
    " VALUES (:id, :sha256, 5, 'PNG', 4, 3, :now)": [
        {"id": 1, "sha256": sha("red"), "now": NOW},
        {"id": 7, "sha256": sha("gone"), "now": NOW},
    ],
    "INSERT INTO scans (id, root, started_at, finished_at) VALUES (:id, '/a', :now, :now)": [{"id": 1, "now": NOW}],
    "INSERT INTO locations (id, uri, asset_id, size, mtime_ns, scan_id, present)"
    " VALUES (:id, :uri, :asset_id, 5, 1, 1, :present)": [
        {"id": 1, "uri": "/a/red.png", "asset_id": 1, "present": True},
        {"id": 2, "uri": "/a/copy of red.png", "asset_id": 1, "present": True},
        {"id": 3, "uri": "/a/gone.png", "asset_id": 7, "present": False},
    ],
    "INSERT INTO spaces (id, key, encoder, fingerprint, dim, dtype, preprocessing, region)"
    " VALUES (:id, :key, :encoder, 'f1', :dim, 'float32', 'p1', 'whole')": [
        {"id": 1, "key": SPACE.key, "encoder": SPACE.encoder, "dim": DIM},
    ],
    "INSERT INTO vectors (asset_id, space_id, sequence, live, data) VALUES (:id, 1, :sequence, :live, :data)": [
        {"id": 1, "sequence": 1, "live": True, "data": vector("red").astype("<f2").tobytes()},
        {"id": 7, "sequence": 3, "live": False, "data": vector("gone").astype("<f2").tobytes()},
    ],
    "INSERT INTO refusals (uri, size, mtime_ns, reason, message, sha256, attempts, scan_id, last_tried_at)"
    " VALUES ('/a/bad.png', 9, 1, 'truncated', 'The file ends too early.', :sha256, 2, 1, :now)": [
        {"sha256": sha("bad"), "now": NOW}
    ],
    "INSERT INTO history (sequence, token) VALUES (3, 'token')": [{}],
    "UPDATE counters SET value = 3": [{}],
}


# What later versions wrote beside that: rows in each table that they brought.
MORE_ROWS: dict[str, dict[str, list[dict[str, Any]]]] = {
    "0002": {
        "INSERT INTO metadata (asset_id, title, creators, year, generated, generation, notes)"
        " VALUES (1, 'Red', '[\"Ada\"]', 1972, :no, '{}', '[]')": [{"no": False}],
        "INSERT INTO terms (id, kind, name, folded) VALUES (1, 'tag', 'Warm', 'warm')": [{}],
        "INSERT INTO asset_terms (asset_id, term_id, source) VALUES (1, 1, 'user')": [{}],
        "INSERT INTO appearances (asset_id, version, palette, perceptual_hash) VALUES (1, 1, :palette, 7)": [
            {"palette": np.array([0.5, 0.25, 0.0, 1.0], "<f2").tobytes()}
        ],
    },
    "0003": {
        "INSERT INTO replacements (location_id, asset_id, replaced_at) VALUES (1, 7, :now)": [{"now": NOW}],
        "INSERT INTO runs (started_at, finished_at, report) VALUES (:now, :now, '{\"new\": 2}')": [{"now": NOW}],
        "UPDATE refusals SET decoder = 'raster'": [{}],
    },
    "0005": {
        "INSERT INTO boards (id, name, notes, created_at, changed_at) VALUES (1, 'Reds', '', :now, :now)": [
            {"now": NOW}
        ],
        "INSERT INTO board_items (board_id, asset_id, position, weight, note, added_at)"
        " VALUES (1, 1, 1, 1.0, 'the first', :now)": [{"now": NOW}],
        "INSERT INTO saved_searches (id, name, address, created_at) VALUES (1, 'Warm', '?tags=warm', :now)": [
            {"now": NOW}
        ],
    },
    "0008": {
        "INSERT INTO masks (asset_id, masker, confidence, usable, data) VALUES (1, 'm1', 0.25, :no, :empty)": [
            {"no": False, "empty": b""}
        ],
    },
    "0009": {
        "INSERT INTO lineage (sha256, made_at, backend, models, licence, prompt, seed, width, height, strength)"
        " VALUES (:sha256, :now, 'preview', '[]', 'free', 'a fox', 7, 64, 64, 1.0)": [
            {"sha256": sha("red"), "now": NOW}
        ],
        "INSERT INTO ingredients (result, place, role, sha256, name, weight)"
        " VALUES (:sha256, 0, 'style', :other, 'gone.png', 1.0)": [{"sha256": sha("red"), "other": sha("gone")}],
    },
}


@pytest.fixture(params=revisions())
def revision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def old_catalog_url(catalog_url: str, revision: str) -> str:
    """URL of a catalog of each revision with rows in every table, once on each engine."""
    engine = create_engine(catalog_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        for number in revisions()[: revisions().index(revision) + 1]:
            upgrade_to(connection, number)
            for statement, rows in (ROWS_0001 if number == "0001" else MORE_ROWS.get(number, {})).items():
                connection.execute(text(statement), rows)
        if connection.dialect.name == "postgresql":
            for table in ("assets", "scans", "locations", "spaces", "terms", "boards", "saved_searches"):
                if inspect(connection).has_table(table):
                    highest = f"SELECT max(id) FROM {table}"  # noqa: S608
                    connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), ({highest}))"))
    engine.dispose()
    return catalog_url


def upgrade_to(connection: Connection, revision: str) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(upgrading.__file__).parent / "migrations"))
    command.upgrade(config, revision)


def test_everything_is_still_there(old_catalog_url: str, revision: str) -> None:
    later = revision >= "0002"
    with Catalog.open(old_catalog_url) as catalog:
        described = Counts(assets=1, locations=2, gone=1, refused=1, undescribed=not later, tagged=later)
        assert catalog.counts() == described
        (asset,) = catalog.list_assets()
        assert (asset.id, asset.sha256, set(asset.paths)) == (1, sha("red"), {"/a/red.png", "/a/copy of red.png"})
        assert catalog.spaces() == [SPACE]
        assert catalog.ensure_space(SPACE) == 1
        (changes,) = catalog.changes(1, after=0)
        assert (changes.asset_ids.tolist(), changes.live.tolist()) == ([1, 7], [True, False])
        assert (changes.sequence, changes.history) == (3, "token")
        np.testing.assert_allclose(changes.vectors[0], vector("red"), atol=1e-3)
        assert [refusal.attempts for refusal in catalog.refusals()] == [2]
        assert [refusal.decoder for refusal in catalog.refusals()] == ["raster" if revision >= "0003" else None]
        assert catalog.known(["/a/bad.png"], 1)["/a/bad.png"].asset_id is None
        assert list(faults(catalog)) == []


def test_what_later_versions_brought_is_still_there(old_catalog_url: str, revision: str) -> None:
    with Catalog.open(old_catalog_url) as catalog:
        details = catalog.details([1])[1]
        if revision >= "0002":
            assert (details.metadata.title, details.metadata.creators, details.tags) == (
                "Red",
                ("Ada",),
                {"Warm": ("user",)},
            )
            assert details.appearance is not None and details.appearance.perceptual_hash == 7
            assert catalog.asset_ids(Filters(tags="warm", years=(1970, 1980))).tolist() == [1]
        if revision >= "0003":
            assert catalog.predecessors([1]) == {1: [7]}
            run = catalog.last_run()
            assert run is not None and run.report == {"new": 2}
        if revision >= "0005":
            with catalog.reading() as connection:
                boards = connection.execute(
                    text("SELECT name, asset_id, note FROM boards JOIN board_items ON id = board_id")
                )
                assert [tuple(row) for row in boards] == [("Reds", 1, "the first")]
                assert connection.scalar(text("SELECT address FROM saved_searches")) == "?tags=warm"
        if revision >= "0009":
            assert catalog.made_from(7) == [1]
            assert catalog.lineages([1])[1].seed == 7


@pytest.mark.parametrize("revision", ["0001", "0002"], indirect=True)
def test_what_had_gone_is_kept_a_while_longer(old_catalog_url: str) -> None:
    started = datetime.now(UTC)
    with Catalog.open(old_catalog_url) as catalog:
        assert catalog.unused(started).assets == 0
        unused = catalog.unused(datetime.now(UTC))
        assert (unused.locations, unused.assets, unused.vectors) == (1, 1, 1)
        assert catalog.assets_by_hash([sha("red")], 1)[sha("red")].parts == (), "a PNG file has no further pages"


def test_it_can_be_written_to(old_catalog_url: str) -> None:
    with Catalog.open(old_catalog_url) as catalog:
        space_id, scan_id = catalog.ensure_space(OTHER_SPACE), catalog.begin_scan("/a")
        catalog.write(space_id, scan_id, Batch([indexed("/a/red.png", "red", 2), indexed("/a/new.png", "new")]))
        assert sorted(catalog.assets_by_hash([sha("red"), sha("new")], space_id)) == sorted([sha("red"), sha("new")])
        assert catalog.asset_ids().tolist() == [1, 8], "the id of a picture that is gone is not given again"
    with Catalog.open(old_catalog_url) as catalog:
        assert catalog.counts().assets == 2


def test_what_people_keep_finds_its_place(old_catalog_url: str, revision: str) -> None:
    Catalog.open(old_catalog_url).close()
    engine = create_engine(old_catalog_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        board = "INSERT INTO boards (name, notes, created_at, changed_at) VALUES ('Ink', '', :now, :now) RETURNING id"
        board_id = connection.scalar(text(board), {"now": NOW})
        item = (
            "INSERT INTO board_items (board_id, asset_id, position, weight, note, added_at)"
            " VALUES (:id, 7, 1, 1, '', :now)"
        )
        connection.execute(text(item), {"id": board_id, "now": NOW})
        saved = "INSERT INTO saved_searches (name, address, created_at) VALUES ('Ink', 'like=1', :now) RETURNING id"
        next_id = 2 if revision >= "0005" else 1
        assert (board_id, connection.scalar(text(saved), {"now": NOW})) == (next_id, next_id)
    engine.dispose()


def test_the_revision_is_the_newest(old_catalog_url: str) -> None:
    Catalog.open(old_catalog_url).close()
    engine = create_engine(old_catalog_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == revisions()[-1]
    engine.dispose()
