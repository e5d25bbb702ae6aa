"""Several processes write to one catalog at once: nothing that was acknowledged may be missing, and none may fail.

    python -m benchmarks.writers --processes 8 --seconds 30
    python -m benchmarks.writers --processes 8 --seconds 30 --postgres

Each process writes batches of its own files, moves some of them, and loses some. Prints the batches a second of all
together, and how long one took, waiting for its turn included; then looks for what each was told is written, and has
the catalog checked. Exits with 1 where something is missing or wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.queues import Queue
from pathlib import Path

import numpy as np

from benchmarks.machine import machine
from benchmarks.postgres import running_server
from stylesearch.catalog import Catalog, sqlite_url
from stylesearch.catalog.checking import faults
from stylesearch.errors import StyleSearchError
from stylesearch.records import Appearance, Batch, Colour, FileStat, IndexedFile, Metadata, Space

DIM = 64
SPACE = Space("drawn:writers", "5125", DIM, "float32", "p1")
_BATCH = 32
_PATIENCE = 120.0  # seconds beyond their time that writers may take to end


@dataclass(frozen=True)
class Written:
    """What one process was told is written.

    Attributes:
        present: uris.
        gone: uris.
        seconds: that each transaction took.
        problem: why the process ended early; None: it did not.
    """

    present: list[str]
    gone: list[str]
    seconds: list[float]
    problem: str | None = None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument(
        "--postgres", action="store_true", help="On a PostgreSQL server of its own; without: on SQLite."
    )
    arguments = parser.parse_args()
    with ExitStack() as stack:
        if arguments.postgres:
            url = stack.enter_context(running_server()).url
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="stylesearch-writers-"))
            url = sqlite_url(Path(folder) / "catalog.db").render_as_string()
        print(machine())
        return compete(url, arguments.processes, arguments.seconds)


def compete(url: str, processes: int, seconds: float) -> int:
    """Lets processes write to the catalog at this URL, and prints what came of it; the exit code."""
    Catalog.open(url).close()
    spawn = multiprocessing.get_context("spawn")
    results: Queue[Written] = spawn.Queue()
    writers = [spawn.Process(target=_write, args=(url, number, seconds, results)) for number in range(processes)]
    for writer in writers:
        writer.start()
    written = [results.get(timeout=seconds + _PATIENCE) for _ in writers]
    for writer in writers:
        writer.join(_PATIENCE)
    times = np.concatenate([one.seconds for one in written])
    p50, p95, worst = np.quantile(times, (0.5, 0.95, 1.0)) * 1000
    print(f"{processes} processes: {len(times) / seconds:,.0f} transactions/s of up to {_BATCH} files")
    print(f"one took p50 {p50:,.0f} ms, p95 {p95:,.0f} ms, at most {worst:,.0f} ms")
    problems = [one.problem for one in written if one.problem] + _missing(url, written)
    for problem in problems:
        print(f"FAILED: {problem}")
    if not problems:
        print(f"OK: {sum(len(one.present) for one in written):,} files, all where they should be")
    return 1 if problems else 0


def _write(url: str, number: int, seconds: float, results: Queue[Written]) -> None:
    rng = np.random.default_rng(number)
    present: list[str] = []
    gone: list[str] = []
    times: list[float] = []
    problem = None
    deadline = time.monotonic() + seconds
    root = f"/writer-{number}"
    try:
        with Catalog.open(url) as catalog:
            space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan(root)
            turn = 0
            while time.monotonic() < deadline:
                turn += 1
                # Every third batch has contents that the others write, too.
                names = [f"{turn}-{place}" if turn % 3 == 0 else f"{number}-{turn}-{place}" for place in range(_BATCH)]
                files = [_drawn(f"{root}/{turn}/{name}.png", name, rng) for name in names]
                started = time.perf_counter()
                catalog.write(space_id, scan_id, Batch(files))
                times.append(time.perf_counter() - started)
                present += [file.stat.uri for file in files]
                if turn % 5 == 0:
                    catalog.forget(f"{root}/{turn}")
                    gone += present[-_BATCH:]
                    del present[-_BATCH:]
    except StyleSearchError as exc:
        problem = f"writer {number}: {exc}"
    results.put(Written(present, gone, times, problem))


def _missing(url: str, written: list[Written]) -> list[str]:
    problems = []
    with Catalog.open(url) as catalog:
        for number, one in enumerate(written):
            if there := len(one.present) - len(catalog.assets_at(one.present)):
                problems.append(f"{there} files that writer {number} has written are not there")
            if back := len(catalog.assets_at(one.gone)):
                problems.append(f"{back} files that writer {number} lost are there")
        expected = sum(len(one.present) for one in written)
        if not problems and catalog.counts().locations != expected:
            problems.append(f"{catalog.counts().locations} locations instead of {expected}")
        problems += [fault.message for fault in faults(catalog)]
    return problems


def _drawn(uri: str, content: str, rng: np.random.Generator) -> IndexedFile:
    vector = rng.standard_normal(DIM, np.float32)
    appearance = Appearance((Colour(0.5, 0.0, 0.0, 1.0),), int(rng.integers(0, 2**63)))
    described = Metadata(keywords=(f"keyword {rng.integers(0, 200)}",))
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    vector /= np.linalg.norm(vector)
    return IndexedFile(FileStat(uri, 1_000, 1), sha256, "PNG", 640, 480, vector, described, appearance, ())


if __name__ == "__main__":
    sys.exit(main())
