"""Which picture is which, whatever happens to its files: copies, changes, damage, disks that are away."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from indexing import Bench, open_bench

from indexer.sources import Rules
from stylesearch.errors import UsageError
from stylesearch.pruning import prune


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path) as one:
        yield one


def rot(path: Path) -> None:
    """Changes a byte in the middle; size and time stay."""
    status, data = path.stat(), bytearray(path.read_bytes())
    data[-3] ^= 1  # in the checksum of a PNG file's last chunk, which no decoder looks at
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_the_same_bytes_at_ten_paths_are_one_asset(bench: Bench) -> None:
    bench.draw("0.png")
    for number in range(1, 10):
        shutil.copy(bench.pictures / "0.png", bench.pictures / f"{number}.png")
    for _ in range(2):
        bench.index()
        assert len(bench.located()) == 10 and set(bench.located().values()) == {1}
    assert bench.encoder.encoded == 1


def test_a_changed_file_keeps_its_predecessor_until_prune(bench: Bench) -> None:
    bench.draw("a.png")
    bench.index()
    bench.draw("a.png", first=1)
    assert bench.index().changed == 1
    assert bench.located() == {"a.png": 2} and bench.catalog.predecessors([2]) == {2: [1]}
    assert prune(bench.catalog, bench.thumbnails).unused.assets == 0, "younger than thirty days"
    asked = prune(bench.catalog, bench.thumbnails, keep_days=0, dry_run=True)
    assert (asked.unused.assets, asked.thumbnails) == (1, 1) and len(list(bench.thumbnails.rglob("*.webp"))) == 2
    assert prune(bench.catalog, bench.thumbnails, keep_days=0) == asked
    assert len(list(bench.thumbnails.rglob("*.webp"))) == 1
    assert bench.catalog.predecessors([2]) == {} and bench.catalog.assets([1]) == {}
    assert bench.index().unchanged == 1


def test_a_touched_file_has_not_changed(bench: Bench) -> None:
    bench.draw("a.png")
    bench.index()
    os.utime(bench.pictures / "a.png", ns=(1, 1))
    report = bench.index()
    assert (report.unchanged, report.changed, report.encoded) == (1, 0, 0)
    assert bench.index().bytes == 0, "the new time is known now"


def test_rehash_finds_what_size_and_time_hide(bench: Bench) -> None:
    bench.draw("a.png", "b.png")
    bench.index()
    rot(bench.pictures / "a.png")
    trusting = bench.index()
    assert (trusting.unchanged, trusting.bytes) == (2, 0)
    report = bench.index(rehash=True)
    assert (report.changed, report.unchanged, report.encoded) == (1, 1, 1)
    assert "1 files have other content than before" in report.warnings[0]
    assert bench.catalog.predecessors([3]) == {3: [1]}
    assert bench.index(rehash=True).unchanged == 2


def test_a_disk_that_is_away_is_missing_and_comes_back(bench: Bench) -> None:
    bench.draw("disk/a.png", "disk/b.png", "here.png")
    (bench.pictures / "disk" / "bad.png").write_bytes(b"")
    bench.index()
    before = bench.located()
    disk, unplugged = bench.pictures / "disk", bench.folder / "unplugged"
    disk.rename(unplugged)
    for _ in range(2):
        report = bench.index(disk, bench.pictures / "here.png")
        assert (report.missing, report.gone, report.unchanged) == (2, 0, 1) and len(report.warnings) == 1
    assert bench.located() == before and bench.catalog.counts().missing == 2
    assert prune(bench.catalog, bench.thumbnails, keep_days=0).unused.assets == 0
    unplugged.rename(disk)
    report = bench.index(disk)
    assert (report.missing, report.unchanged, report.still_refused, report.encoded) == (0, 2, 1, 0)
    assert bench.located() == before and bench.catalog.counts().missing == 0
    with pytest.raises(UsageError, match="There is nothing at"):
        bench.index(bench.folder / "never seen")


def test_rules_that_find_nothing_are_no_disk_that_is_away(bench: Bench) -> None:
    bench.draw("a.png")
    bench.index()
    report = bench.index(rules=Rules(include=("*.tif",)))
    assert (report.missing, report.gone, report.warnings) == (0, 0, ()) and set(bench.located()) == {"a.png"}


def test_the_last_run_is_remembered(bench: Bench) -> None:
    bench.draw("a.png", "b.jpg")
    before = datetime.now(UTC)
    report = bench.index()
    run = bench.catalog.last_run()
    assert run and before <= run.started <= run.finished
    assert run.report == report.to_json() and run.report["new"] == 2
    stages = run.report["stages"]
    assert {name: stage["count"] for name, stage in stages.items()} == {
        "scan": 2, "plan": 2, "hash": 2, "decode": 2, "encode": 2, "write": 2,
    }  # fmt: skip
    assert stages["hash"]["bytes"] == stages["decode"]["bytes"] == stages["encode"]["bytes"] == report.bytes
    assert all(stage["seconds"] > 0 and stage["rate"] > 0 for stage in stages.values())
    assert run.report["limit"] in stages
