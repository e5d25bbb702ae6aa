"""Totals are kept by the transactions that change them, and are always what counting would give."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from catalog_records import OTHER_SPACE, SPACE, indexed, refused
from sqlalchemy import delete, event, update
from sqlalchemy.engine import Engine

from stylesearch.catalog import Catalog, totals
from stylesearch.catalog.checking import faults
from stylesearch.catalog.tables import CounterRow
from stylesearch.records import Batch


def differing(catalog: Catalog) -> list[str]:
    with catalog.reading() as connection:
        return totals.differing(connection)


def do_something(catalog: Catalog, choose: random.Random, scan_id: int) -> None:
    """One write of any kind, to a few of 30 files with 12 contents in two folders."""
    space_id = catalog.ensure_space(choose.choice([SPACE, OTHER_SPACE]))
    files = [f"/a/{number % 2}/{number}" for number in choose.sample(range(30), 8)]
    ids = catalog.asset_ids().tolist()
    what = choose.randrange(8)
    if what < 3:
        contents = [f"picture {choose.randrange(12)}" for _ in files]
        good = [indexed(*pair, encoded=choose.random() < 0.8) for pair in zip(files[:4], contents, strict=False)]
        bad = [refused(uri) for uri in files[4:6]]
        catalog.write(space_id, scan_id, Batch(good, bad, files[6:]))
    elif what == 3:
        catalog.finish_scan(scan_id, ["/a/0"] if choose.random() < 0.5 else [])
    elif what == 4:
        catalog.miss_scan(catalog.begin_scan(choose.choice(["/a/0", "/a/1"])))
    elif what == 5:
        catalog.forget(choose.choice(files))
    elif what == 6 and ids:
        catalog.add_tags({choose.choice(ids): [f"tag {choose.randrange(2)}"]}, "user")
        catalog.remove_tags(choose.sample(ids, 1), [f"tag {choose.randrange(2)}"])
    else:
        list(catalog.prune(datetime.now(UTC)))


@pytest.mark.parametrize("seed", range(4))
def test_totals_are_what_counting_gives_whatever_was_written(catalog: Catalog, seed: int) -> None:
    choose = random.Random(seed)
    seen = set()
    for _ in range(60):
        do_something(catalog, choose, catalog.begin_scan(choose.choice(["/a", "/a/0"])))
        assert differing(catalog) == []
        seen.add(catalog.counts())
    assert len(seen) > 20
    columns = zip(*((c.assets, c.gone, c.missing, c.refused, c.undescribed, c.tagged) for c in seen), strict=True)
    assert all(max(column) > 0 for column in columns), "nothing was left out"


def test_where_many_pictures_change_all_are_counted_once(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totals, "_MANY", 3)
    space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan("/a")
    catalog.write(space_id, scan_id, Batch([indexed(f"/a/{n}", f"c{n}") for n in range(9)], [refused("/a/bad")]))
    catalog.forget("/a")
    assert (differing(catalog), catalog.counts().gone) == ([], 9)


def test_asking_for_totals_reads_no_table_but_theirs(catalog: Catalog) -> None:
    catalog.write(catalog.ensure_space(SPACE), catalog.begin_scan("/a"), Batch([indexed("/a/1", "red")]))
    statements: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert catalog.counts().assets == 1
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    asked = [statement for statement in statements if statement.startswith("SELECT") and "pg_catalog" not in statement]
    assert len(asked) == 1 and "FROM counters" in asked[0]


def test_a_catalog_without_totals_counts_and_the_next_write_keeps_them(catalog: Catalog, catalog_url: str) -> None:
    catalog.write(catalog.ensure_space(SPACE), catalog.begin_scan("/a"), Batch([indexed("/a/1", "red")]))
    with catalog.writing() as connection:
        connection.execute(delete(CounterRow).where(CounterRow.name.not_in(["sequence", "state"])))
    with Catalog.open(catalog_url) as other:
        assert other.counts() == catalog.counts()
        other.write(1, 1, Batch([indexed("/a/2", "blue")]))
        assert (other.counts().assets, differing(other)) == (2, [])


def test_doctor_finds_and_mends_a_total_that_is_wrong(catalog: Catalog) -> None:
    catalog.write(catalog.ensure_space(SPACE), catalog.begin_scan("/a"), Batch([indexed("/a/1", "red")]))
    assert list(faults(catalog)) == []
    with catalog.writing() as connection:
        connection.execute(update(CounterRow).where(CounterRow.name.startswith("tagged")).values(value=5))
    (fault,) = faults(catalog)
    assert (fault.problem, fault.count) == ("totals", 1) and "tagged" in fault.message
    assert fault.cure is not None
    fault.cure()
    assert list(faults(catalog)) == []
