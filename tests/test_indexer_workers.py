"""A decoder that crashes, hangs or bloats costs its file and nothing else."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from fakes import Arriving, failing_decode, slow_decode
from indexing import SETTINGS, Bench, children_of, open_bench
from pictures import encode
from PIL import Image

from indexer.decode import Prepared, decode_file
from indexer.workers import DecodeWorkers
from stylesearch.errors import StyleSearchError
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
        assert isinstance(workers.submit(stats[0]).result(), Prepared)
        for pid in children_of(os.getpid(), "spawn_main"):
            os.kill(pid, signal.SIGKILL)
        assert isinstance(workers.submit(stats[1]).result(), Prepared)


def kill_one_worker() -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for pid in children_of(os.getpid(), "spawn_main"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return
        time.sleep(0.01)
    pytest.fail("no worker to kill within two minutes")


def test_workers_that_are_killed_all_the_time_lose_no_file(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.workers._STARTS", 1000)
    monkeypatch.setattr("indexer.workers.TRIES", 1000)
    names = [f"{number}.png" for number in range(150)]
    bench.draw(*names)
    rng, results = random.Random(1), []
    with DecodeWorkers(slow_decode, Preprocess(64), Limits(), bench.thumbnails, count=2, seconds=60) as workers:
        for first in range(0, len(names), 10):
            # Ten at a time: whoever has decoded them is there to be killed, however late this thread comes to it.
            under_way = [workers.submit(stat_of(bench.pictures / name)) for name in names[first : first + 10]]
            time.sleep(0.1 * rng.random())  # while they start, read, decode, answer or wait
            kill_one_worker()
            results += [pending.result() for pending in under_way]
    assert [result.stat.uri for result in results] == [str(bench.pictures / name) for name in names]
    assert all(isinstance(result, Prepared) for result in results)


@pytest.mark.parametrize(
    ("decode", "message"),
    [
        (Arriving(import_module, "decoders_of_nobody"), "cannot be started .*No module named 'decoders_of_nobody'"),
        (Arriving(os._exit, 9), "died at once with exit code 9"),
    ],
)
def test_workers_that_cannot_start_are_told_within_seconds(bench: Bench, decode: Arriving, message: str) -> None:
    bench.draw("a.png", "b.png", "c.png")
    stats = [stat_of(bench.pictures / name) for name in ("a.png", "b.png", "c.png")]
    with DecodeWorkers(decode, Preprocess(4), Limits(), bench.thumbnails, count=2, seconds=60) as workers:
        for pending in [workers.submit(stat) for stat in stats]:
            assert pending.wait(60)
            with pytest.raises(StyleSearchError, match=message):
                pending.result()


def test_sleep_does_not_count_as_hanging(bench: Bench) -> None:
    bench.draw(*(f"{number}.png" for number in range(40)))
    program = [sys.executable, str(Path(__file__).with_name("indexing.py")), str(bench.folder), str(bench.pictures)]
    with subprocess.Popen([*program, "1.0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        while int("0" + process.stdout.readline().strip().replace("ready", "")) == 0:
            pass
        group = [*children_of(process.pid, "spawn_main"), process.pid]
        for pid in group:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(3)
        for pid in reversed(group):  # the one that waits wakes first
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.1)
        process.communicate(timeout=120)
    assert process.returncode == 0 and not bench.refusals()


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


def test_interrupt_reaches_no_worker(bench: Bench) -> None:
    bench.draw("inherited.png")
    script = bench.folder / "script.py"
    script.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import indexer.run\n"
        "from fakes import failing_decode\n"
        "from indexing import open_bench, Path\n"
        "indexer.run.decode_file = failing_decode\n"  # looks whether the very first worker holds interrupts back
        f"with open_bench(Path({str(bench.folder)!r})) as bench:\n"
        "    print(bench.index().new)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    result = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=100, check=False, env=environment
    )
    assert (result.stdout.strip(), result.returncode) == ("1", 0), result.stderr


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
