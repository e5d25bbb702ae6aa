"""A decoder that crashes, hangs or bloats costs its file and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import failing_decode
from indexing import SETTINGS, Bench, children_of, open_bench
from pictures import encode
from PIL import Image

from indexer.decode import Prepared, decode_file
from indexer.workers import DecodeWorkers
from stylesearch.images import Preprocess
from stylesearch.records import FileStat, Limits


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path) as one:
        yield one


def stat_of(path: Path) -> FileStat:
    status = path.stat()
    return FileStat(str(path), status.st_size, status.st_mtime_ns)


def test_failing_decoders_cost_their_file(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.run.decode_file", failing_decode)
    # 100 bytes per pixel of the cap are more than a worker may have beyond its base.
    monkeypatch.setattr("indexer.workers.BASE_MEMORY", 2**28)
    bench.draw(*(f"{number}.png" for number in range(20)))
    bench.draw(
        "crash.png",
        "hang.png",
        "bloat.png",
        "bug.png",
        "torch-is-absent.png",
        "inherited.png",
        "crash-too.png",
        "killed by somebody else.png",
        first=20,
    )
    settings = replace(SETTINGS, workers=2, limits=Limits(max_pixels=20_000_000))
    report = bench.index(settings=settings, file_seconds=2)
    reasons = {name: refusal.reason for name, refusal in bench.refusals().items()}
    assert reasons == {
        "crash.png": "crashed",
        "crash-too.png": "crashed",
        "hang.png": "timeout",
        "bloat.png": "crashed",
        "bug.png": "crashed",
    }
    assert (report.new, report.refused) == (23, 5)
    assert "MemoryError" in bench.refusals()["bloat.png"].message
    lost = [bench.refusals()[name] for name in ("crash.png", "hang.png", "bug.png")]
    assert all(refusal.sha256 and refusal.decoder == "bitmaps" for refusal in lost)


def test_picture_that_needs_more_memory_than_a_worker_may_have(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr("indexer.workers.BASE_MEMORY", 2**20)
    monkeypatch.setattr("indexer.workers.MEMORY_PER_PIXEL", 0)
    (bench.pictures / "large.png").write_bytes(encode(Image.new("RGB", (4000, 4000)), "PNG"))
    assert bench.index().refused == 1
    assert bench.refusals()["large.png"].reason == "too-large"


def test_idle_worker_that_is_killed_is_replaced(bench: Bench) -> None:
    bench.draw("a.png", "b.png")
    stats = [stat_of(bench.pictures / name) for name in ("a.png", "b.png")]
    with DecodeWorkers(decode_file, Preprocess(4), Limits(), bench.thumbnails, count=1, seconds=60) as workers:
        first = workers.submit(stats[0])
        assert isinstance(workers.result(first), Prepared)
        for pid in children_of(os.getpid(), "spawn_main"):
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while first.pool.active:
            assert time.monotonic() < deadline, "the pool has not seen that its worker died"
            time.sleep(0.01)
        assert isinstance(workers.result(workers.submit(stats[1])), Prepared)


def test_workers_end_when_their_parent_is_killed(bench: Bench) -> None:
    bench.draw(*(f"{number}.png" for number in range(40)))
    program = [sys.executable, str(Path(__file__).with_name("indexing.py")), str(bench.folder), str(bench.pictures)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        while int("0" + process.stdout.readline().strip().replace("ready", "")) == 0:
            pass
        workers = children_of(process.pid, "spawn_main")
        assert workers
        process.kill()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline, "a worker has outlived its parent"
        time.sleep(0.05)


def test_main_script_needs_no_guard(bench: Bench) -> None:
    bench.draw("a.png")
    script = bench.folder / "script.py"
    script.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from pathlib import Path\n"
        "from indexing import open_bench\n"
        f"with open_bench(Path({str(bench.folder)!r})) as bench:\n"
        "    print(bench.index().new)\n"
    )
    result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert (result.stdout.strip(), result.returncode) == ("1", 0), result.stderr
