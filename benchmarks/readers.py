"""Processes that search while another one writes: errors, torn reads, and how long a search takes.

    python -m benchmarks.readers --minutes 5
    python -m benchmarks.readers --minutes 5 --index qdrant+http://localhost:6333/readers

The writer adds files as the indexer does, deletes some, and saves the index. A reader asks for a file that the writer
has reported: it must be the first answer, unless it was deleted meanwhile. Every cosine must be that of the query and
the answer's own vector, answers must be in order, and none may come twice. Exits with 1 where anything is wrong.

An approximate index may walk past a file now and then. That is told apart: such a file is missed again, and found at
once where only its folder is searched, which is done exactly. More than two in a hundred are wrong.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import drawn_library
from benchmarks.drawn_library import insert, number_of, vector_of
from stylesearch.errors import StyleSearchError
from stylesearch.library import Library
from stylesearch.query import Query

GROUP = 50  # files that are added in one transaction
K = 10
START_SECONDS = 60

# The catalog keeps float16: a number of a unit vector is off by 2^-12 at most, a cosine hardly by more.
_TOLERANCE = 1e-3
_MOST_MISSED = 0.02  # of searches: a recall of 0.98


@dataclass
class Read:
    """What one reader has to tell: seconds of each search, what was wrong, and how often an index missed a file."""

    seconds: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    missed: int = 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--vectors", type=int, default=20_000, help="There from the start.")
    parser.add_argument("--rate", type=float, default=200, help="Files a second that the writer adds, at most.")
    parser.add_argument("--index", default="faiss", help="As of stylesearch init.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds = 60 * given.minutes
        written, reads = run(Path(folder) / "library", given.index, given.readers, seconds, given.vectors, given.rate)
    print(f"written meanwhile: {written:,} files ({written / seconds:,.0f} a second)")
    for number, read in enumerate(reads):
        p50, p95, p99 = 1e3 * np.percentile(read.seconds or [np.nan], [50, 95, 99])
        rate = len(read.seconds) / seconds
        print(f"reader {number}: {rate:7.1f} searches a second, p50 {p50:.2f} p95 {p95:.2f} p99 {p99:.2f} ms", end="")
        print(f"; {len(read.faults)} wrong: {read.faults[0]}" if read.faults else "")
    faults, missed = sum(len(read.faults) for read in reads), sum(read.missed for read in reads)
    searches = sum(len(read.seconds) for read in reads)
    print(f"an approximate index missed the file that was asked for in {missed:,} of {searches:,} searches")
    if missed > _MOST_MISSED * searches:
        print("FAILED: that is too often")
        return 1
    print(f"FAILED: {faults} searches were wrong" if faults else "OK: every search was right")
    return 1 if faults else 0


def run(folder: Path, index: str, readers: int, seconds: float, vectors: int, rate: float) -> tuple[int, list[Read]]:
    """How many files were written, and what each reader tells.

    Args:
        folder: of the library, which is made.
        index: engine, as `IndexChoice.parse` takes it.
        readers: processes that search.
        seconds: how long.
        vectors: from the start.
        rate: files a second that are added, at most.
    """
    drawn_library.create(folder, index)
    with Library.open(folder) as library:
        for first in range(0, vectors, GROUP):
            insert(library, first // GROUP, range(first, first + GROUP))
        library.refresh()
        context = multiprocessing.get_context("spawn")
        groups, deleted = context.Value("q", vectors // GROUP), context.Array("b", 1 << 20)
        ready, stop = context.Semaphore(0), context.Event()
        with context.Pool(readers, _share, (groups, deleted, ready, stop)) as pool:
            reading = [pool.apply_async(_read, (folder, seed)) for seed in range(readers)]
            for _ in range(readers):
                if not ready.acquire(timeout=START_SECONDS):
                    raise TimeoutError(f"a reader has not begun within {START_SECONDS} s")
            _write(library, groups, deleted, time.monotonic() + seconds, rate)
            stop.set()
            reads = [answer.get(timeout=START_SECONDS) for answer in reading]
        written = groups.value * GROUP - vectors
        if index.startswith("qdrant+"):
            library.searching().drop_index()
    return written, reads


def _write(library: Library, groups: Any, deleted: Any, end: float, rate: float) -> None:
    rng = np.random.default_rng(1)
    while time.monotonic() < end:
        began, group = time.monotonic(), groups.value
        insert(library, group, range(group * GROUP, (group + 1) * GROUP))
        groups.value = group + 1  # from now on it must be found
        if group % 4 == 0:
            gone = int(rng.integers(group))
            deleted[gone] = 1  # from now on it need not be found
            library.forget(f"/drawn/{gone}")
            deleted[gone] = 2  # from now on it must not be
        if group % 20 == 0:
            library.refresh()
        time.sleep(max(0.0, min(end, began + GROUP / rate) - time.monotonic()))


_shared: Any = None


def _share(*given: Any) -> None:
    global _shared
    _shared = given


def _read(folder: Path, seed: int) -> Read:
    groups, deleted, ready, stop = _shared
    rng, read = np.random.default_rng([7, seed]), Read()
    with Library.open(folder) as library:
        library.search(Query(vector_of(0), k=K))
        ready.release()
        while not stop.is_set():
            # Half of the questions are for the latest, which the index of this process cannot know yet.
            group = groups.value - 1 if rng.random() < 0.5 else int(rng.integers(groups.value))
            number, before = group * GROUP + int(rng.integers(GROUP)), bytes(deleted[: group + 1])
            query = vector_of(number)
            start = time.perf_counter()
            try:
                hits = library.search(Query(query, k=K))
            except StyleSearchError as exc:
                read.faults.append(str(exc))
                continue
            read.seconds.append(time.perf_counter() - start)
            found = [(number_of(hit.path), hit.cosine) for hit in hits]
            fault = _fault(query, found, number, before, deleted)
            if fault == _lost(number) and _is_missed(library, query, number):
                read.missed += 1
            elif fault:
                read.faults.append(fault)
    return read


def _is_missed(library: Library, query: np.ndarray, number: int) -> bool:
    """Whether a file that was not found is there, and an approximate index walks past it."""
    everywhere = library.search(Query(query, k=1))
    in_folder = library.search(Query(query, k=1, folders=[f"/drawn/{number // GROUP}"]))
    first, own = ([number_of(hit.path) for hit in hits] for hits in (everywhere, in_folder))
    return first != [number] and own == [number]


def _fault(query: np.ndarray, found: list[tuple[int, float]], number: int, before: bytes, deleted: Any) -> str:
    """What is wrong with the answers to the question for a file; `before`: what had been deleted when it was asked."""
    numbers, cosines = [one for one, _ in found], [cosine for _, cosine in found]
    if len(set(numbers)) != len(numbers) or cosines != sorted(cosines, reverse=True):
        return f"answers {found} are out of order, or come twice"
    for one, cosine in found:
        if abs(float(vector_of(one) @ query) - cosine) > _TOLERANCE:
            return f"file {one} has a cosine of {cosine:.4f} to file {number}, which is another's"
        if one // GROUP < len(before) and before[one // GROUP] == 2:
            return f"file {one} was deleted and is found"
    if deleted[number // GROUP] == 0 and (not numbers or numbers[0] != number):
        return _lost(number)
    return ""


def _lost(number: int) -> str:
    return f"file {number} is there and not found"


if __name__ == "__main__":
    sys.exit(main())
