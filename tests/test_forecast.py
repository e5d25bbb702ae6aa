"""What a run would do is told before it is done, and nothing is written for it."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeEncoder
from indexing import SETTINGS, Bench, open_bench

from indexer.forecast import Forecast, forecast
from indexer.planner import Wanted
from stylesearch.errors import UsageError


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path) as one:
        yield one


def expect(bench: Bench, *roots: Path, wanted: Wanted | None = None, **options: Any) -> Forecast:
    return forecast(
        bench.catalog, bench.encoder, roots or [bench.pictures], settings=SETTINGS, wanted=wanted, **options
    )


def state(folder: Path) -> dict[str, tuple[int, str]]:
    """Time and digest of each file; the shared memory of SQLite's readers is none."""
    return {
        str(path): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".db-shm"
    }


def test_a_run_does_what_was_told(bench: Bench) -> None:
    bench.draw(*(f"{number}.png" for number in range(12)))
    bench.index()
    bench.draw("new1.png", "new2.png", first=50)
    bench.draw("3.png", first=60)
    (bench.pictures / "5.png").rename(bench.pictures / "moved.png")
    (bench.pictures / "bad.png").write_bytes(b"bad")
    (bench.pictures / "folder.png").mkdir()
    (bench.pictures / "notes.txt").write_text("no picture")
    before = state(bench.folder)
    told = expect(bench)
    assert state(bench.folder) == before
    report = bench.index()
    assert (told.new, told.changed, told.unchanged) == (report.new + report.moved + 1, report.changed, 10)
    assert (told.refused, told.others, told.to_read, told.sampled) == (1, report.others, 5, 5)
    assert (told.refused_share, told.moved_share) == (0.2, 0.25)
    assert told.bytes == report.bytes
    assert 0 < told.seconds[0] <= told.seconds[1] and told.disk_bytes > 0
    after = expect(bench)
    assert (after.to_read, after.unchanged, after.sampled, after.disk_bytes) == (0, 14, 0, 0)
    assert expect(bench, wanted=Wanted(rehash=True)).changed == 14
    assert expect(bench, wanted=Wanted(retry_failed=True)).retried == 1
    bench.encoder = FakeEncoder()
    bench.encoder.fingerprint = "07e4"
    assert expect(bench).again == 14 and len(bench.catalog.spaces()) == 1


def test_the_disk_that_a_run_takes(bench: Bench) -> None:
    bench.draw(*(f"{number}.png" for number in range(40)))
    told = expect(bench)
    empty = size(bench)
    bench.index()
    grown = size(bench) - empty
    assert 0.5 < told.disk_bytes / grown < 2


def size(bench: Bench) -> int:
    """Bytes of catalog and thumbnails, once the log of the database is in the database."""
    bench.catalog.close()
    return sum(path.stat().st_size for path in (*bench.thumbnails.rglob("*.webp"), *bench.folder.glob("catalog.db*")))


def test_what_is_away(bench: Bench) -> None:
    bench.draw("disk/a.png", "b.png")
    bench.index()
    shutil.rmtree(bench.pictures / "disk")
    told = expect(bench, bench.pictures / "disk", bench.pictures / "b.png")
    assert told.away == (str(bench.pictures / "disk"),) and told.unchanged == 1
    assert bench.catalog.counts().missing == 0
    with pytest.raises(UsageError, match="There is nothing at"):
        expect(bench, bench.pictures / "never")


def test_stopped_half_way(bench: Bench) -> None:
    bench.draw("a.png")
    stop = threading.Event()
    stop.set()
    assert expect(bench, stop=stop).interrupted
