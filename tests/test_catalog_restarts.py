"""PostgreSQL is restarted, or killed, in the middle of a run of the indexer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from catalog_records import SPACE, indexed
from fakes import FakeEncoder
from indexing import SETTINGS
from pictures import draw, encode

from benchmarks import postgres
from indexer.report import Report
from indexer.run import index
from stylesearch.catalog import Catalog, bulk, engine
from stylesearch.catalog.checking import faults
from stylesearch.errors import CatalogError
from stylesearch.records import Batch

PICTURES = 24


@pytest.fixture
def server() -> Iterator[postgres.Server]:
    if postgres.find_programs() is None:
        pytest.skip("PostgreSQL's server (initdb, postgres) is not installed. Install it: apt-get install postgresql")
    with postgres.running_server() as running:
        yield running


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(PICTURES):
        (folder / f"{number}.png").write_bytes(encode(draw(number), "PNG"))
    return folder


class Interrupted(FakeEncoder):
    """Something happens before its third batch."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.resumed = threading.Event(), threading.Event()

    def _embed(self, pixels: np.ndarray) -> np.ndarray:
        if len(self.batches) == 2:
            self.reached.set()
            assert self.resumed.wait(60)
        return super()._embed(pixels)


def run(catalog: Catalog, encoder: FakeEncoder, pictures: Path) -> Report:
    return index(
        catalog,
        encoder,
        [pictures],
        thumbnails=pictures.parent / "thumbnails",
        settings=SETTINGS,
        batch_size=4,
    )


def check_intact(catalog: Catalog, encoder: FakeEncoder, count: int) -> None:
    assert list(faults(catalog)) == []
    counts = catalog.counts()
    assert (counts.assets, counts.locations, counts.refused) == (count, count, 0)
    assert len(catalog.live_ids(catalog.ensure_space(encoder.space()))) == count


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_run_waits_for_a_server_that_is_restarted(server: postgres.Server, pictures: Path, how: str) -> None:
    encoder = Interrupted()
    with Catalog.open(server.url) as catalog, ThreadPoolExecutor(1) as thread:
        running = thread.submit(run, catalog, encoder, pictures)
        assert encoder.reached.wait(60)
        getattr(server, how)()
        encoder.resumed.set()
        server.start()
        report = running.result(120)
        assert (report.encoded, report.new, report.refused) == (PICTURES, PICTURES, 0)
        check_intact(catalog, encoder, PICTURES)


def test_a_run_ends_with_a_clear_error_where_the_server_stays_away(
    server: postgres.Server, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "RESTART_SECONDS", 0.5)
    encoder = Interrupted()
    with Catalog.open(server.url) as catalog, ThreadPoolExecutor(1) as thread:
        running = thread.submit(run, catalog, encoder, pictures)
        assert encoder.reached.wait(60)
        server.stop()
        encoder.resumed.set()
        with pytest.raises(CatalogError, match=r"The catalog at .* failed.*(Check that the server runs|was stopped)"):
            running.result(120)
        server.start()
        written = catalog.counts().assets
        assert written % 4 == 0 and written < PICTURES, "whole batches only"
        check_intact(catalog, encoder, written)
        assert run(catalog, FakeEncoder(), pictures).encoded == PICTURES - written
        check_intact(catalog, encoder, PICTURES)


def test_a_server_that_goes_while_rows_are_copied(server: postgres.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a transaction, whatever the statement."""
    copy, times = bulk.insert_rows, iter([True])

    def restart_first(*given: Any) -> None:
        if next(times, False):
            server.kill()
            server.start()
        copy(*given)

    for module in ("writing", "describing"):
        monkeypatch.setattr(f"stylesearch.catalog.{module}.insert_rows", restart_first)
    with Catalog.open(server.url) as catalog:
        space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan("/a")
        catalog.write(space_id, scan_id, Batch([indexed(f"/a/{number}", f"c{number}") for number in range(20)]))
        assert catalog.counts().assets == 20
        assert list(faults(catalog)) == []
