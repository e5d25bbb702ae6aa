"""What PostgreSQL does for the questions that a catalog is asked all the time: it goes through no table as a whole."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from catalog_records import SPACE, indexed, refused, sha, vector
from sqlalchemy import event
from sqlalchemy.engine import Engine

from benchmarks import postgres
from stylesearch.catalog import Catalog
from stylesearch.query import Filters
from stylesearch.records import Batch

COUNT = 40_000
SMALL = {"counters", "runs", "spaces", "scans", "alembic_version", "history", "boards", "board_items", "replacements"}

# Every tenth picture is gone; they lie in a thousand folders. The questions below are about few of them: where one is
# about a tenth of a table, to read all of it is the shorter way.
FILL = f"""
INSERT INTO scans (root, started_at, finished_at) VALUES ('/a', now(), now());
INSERT INTO assets (sha256, size, format, width, height, added_at, parts)
    SELECT encode(sha256(n::text::bytea), 'hex'), n, CASE n % 50 WHEN 0 THEN 'TIFF' ELSE 'JPEG' END, 4, 3, now(), ''
    FROM generate_series(1, {COUNT}) n;
INSERT INTO locations (uri, asset_id, size, mtime_ns, scan_id, present, missing_since)
    SELECT '/a/' || n % 1000 || '/scan-' || n || '.jpg', n, n, n, 1, n % 10 > 0, CASE n % 10 WHEN 0 THEN now() END
    FROM generate_series(1, {COUNT}) n;
INSERT INTO vectors (asset_id, space_id, sequence, live, data)
    SELECT n, 1, n, n % 10 > 0,
        decode('{vector("any").astype("<f2").tobytes().hex()}', 'hex')
    FROM generate_series(1, {COUNT}) n;
INSERT INTO appearances (asset_id, version, palette, perceptual_hash)
    SELECT n, 1, '', n FROM generate_series(1, {COUNT}) n;
INSERT INTO masks (asset_id, masker, confidence, usable, data)
    SELECT n, 'm', 0.5, n % 50 > 0, '' FROM generate_series(1, {COUNT}) n;
INSERT INTO metadata (asset_id, creators, year, generated, generation, notes)
    SELECT n, '[]', 1900 + n % 100, n % 100 = 1, '{{}}', '[]' FROM generate_series(1, {COUNT}) n;
INSERT INTO terms (kind, name, folded) SELECT 'tag', 'Tag ' || n, 'tag ' || n FROM generate_series(1, 20000) n;
INSERT INTO asset_terms (asset_id, term_id, source)
    SELECT n, 1 + (n + k * 7) % 20000, 'file' FROM generate_series(1, {COUNT}) n, generate_series(1, 3) k;
INSERT INTO refusals (uri, size, mtime_ns, reason, message, attempts, scan_id, last_tried_at)
    SELECT '/a/' || n % 1000 || '/bad-' || n, 1, 1, 'damaged', 'x', 1, 1, now() FROM generate_series(1, 20000) n;
UPDATE counters SET value = {COUNT} WHERE name = 'sequence';
"""  # noqa: S608 - numbers

Statement = tuple[str, Any]


@pytest.fixture(scope="module")
def filled(postgres_socket: str) -> Iterator[tuple[Catalog, psycopg.Connection[Any]]]:
    """A catalog, and a connection of its own to its database."""
    name = f"plans_{uuid.uuid4().hex}"
    with postgres.new_database(postgres_socket, name) as url, Catalog.open(url) as catalog:
        catalog.ensure_space(SPACE)
        with psycopg.connect(host=postgres_socket, user="app", dbname=name, autocommit=True) as connection:
            connection.execute(FILL.encode())
            connection.execute("VACUUM ANALYZE")
            yield catalog, connection


@contextmanager
def heard() -> Iterator[list[Statement]]:
    """Every statement, with its parameters, that is sent meanwhile; of those for many rows the first of these."""
    statements: list[Statement] = []

    def note(connection: object, cursor: object, text: str, given: Any, context: object, many: bool) -> None:
        statements.append((text, given[0] if isinstance(given, list | tuple) else given))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def uri(number: int) -> str:
    return f"/a/{number % 1000}/scan-{number}.jpg"


def look(catalog: Catalog) -> None:
    """What a search and a page ask."""
    catalog.state()
    catalog.counts()
    catalog.assets(range(100, 130))
    catalog.details(range(100, 120))
    catalog.list_assets(after_id=20_000, limit=50)
    catalog.sample(limit=50)
    catalog.vectors(1, range(500, 530))
    catalog.history(20_000)
    next(catalog.changes(1, after=COUNT - 100))
    catalog.asset_ids(Filters(tags="tag 7"))
    catalog.asset_ids(Filters(paths="/a/77/*.jpg"))
    catalog.predecessors([1, 2, 3])
    catalog.assets_at([uri(7), uri(8)])
    catalog.refusals(limit=50, after="/a/5")
    catalog.mask("m", 50)
    catalog.without_subject("m", range(500, 530))
    catalog.last_run()


def plan_files(catalog: Catalog) -> None:
    """What a run of the indexer asks for each stretch of files."""
    uris = [uri(number) for number in range(1, 33)]
    catalog.known(uris, 1)
    catalog.assets_by_hash([sha(str(number)) for number in range(1, 33)], 1)
    catalog.parts(uris)
    catalog.masks_by_hash("m", [sha("50"), sha("100")])
    catalog.has_any("/a/12")
    next(catalog.locations(limit=1_000))
    next(catalog.fixity("/a/12", limit=1_000))


def write(catalog: Catalog) -> None:
    """What a run of the indexer writes."""
    space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan("/a/12")
    new = [indexed(f"/a/12/new-{number}", f"new {number}") for number in range(20)]
    known = [indexed(uri(number), str(number)) for number in range(12, 2012, 1000)]
    catalog.write(space_id, scan_id, Batch([*new, *known], [refused(uri(3012))], [uri(4012), uri(5012)]))
    next(catalog.unseen(scan_id))
    catalog.finish_scan(scan_id)
    catalog.forget("/a/13")
    catalog.add_tags({5: ["Tag 7", "another"]}, "user")


@pytest.mark.parametrize("ask", [look, plan_files, write])
def test_no_table_is_read_as_a_whole(
    filled: tuple[Catalog, psycopg.Connection[Any]], ask: Callable[[Catalog], None]
) -> None:
    catalog, connection = filled
    with heard() as statements:
        ask(catalog)
    asked = 0
    for text, given in statements:
        if text.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")) and "pg_catalog" not in text:
            plan = [line for (line,) in connection.execute(f"EXPLAIN {text}".encode(), given)]
            read = {found for line in plan for found in re.findall(r"Seq Scan on (\w+)", line)}
            assert read <= SMALL, "\n".join([text, *plan])
            asked += 1
    assert asked > 6
