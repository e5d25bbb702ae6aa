"""Memory: of the indexer, whose peak must not grow with the files, and of a library that is searched.

Every figure comes from a fresh process. The sum over a process and its descendants counts shared pages once (Linux:
proportional set size, "Pss" of /proc/PID/smaps_rollup).
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import numpy as np

from benchmarks.speed.result import Part, Row
from stylesearch.library import Library
from stylesearch.query import Query
from stylesearch.settings import Settings

if TYPE_CHECKING:
    from benchmarks.speed import Config

MB = 1e6

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def measure(config: Config, tell: Callable[[str], None]) -> Part:
    """The indexer's peak over a quarter of the pictures and over all; a library before and after its first search."""
    setting = f"{config.encoder}; {config.vectors:,} vectors of {config.dim} numbers"
    if not Path("/proc/self/smaps_rollup").exists():
        return Part("memory", setting, (), ("memory, which is read from /proc, and so on Linux only.",))
    rows = _indexing(config, tell)
    with tempfile.TemporaryDirectory() as folder:
        tell(f"filling a library with {config.vectors:,} vectors")
        library, size = Path(folder, "library"), 4 * config.vectors * config.dim
        in_fresh_process(_fill, library, config.vectors, config.dim, config.seed)
        tell("searching")
        before, after, peak = in_fresh_process(_search, library, config.dim, config.k)
    values = {"MB": (after - before) / MB, "peak MB": (peak - before) / MB, "MB / vectors": (after - before) / size}
    rows.append(Row("library that has answered, beyond its program", values))
    rows.append(Row("its vectors in float32", {"MB": size / MB}))
    return Part("memory", setting, tuple(rows))


def in_fresh_process(function: Callable[Given, Answer], *args: Given.args, **kwargs: Given.kwargs) -> Answer:
    """What the function, which must be importable, returns in a process that has done nothing else."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(function, *args, **kwargs).result()


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """The largest sum, in bytes, of the proportional set sizes of this process and its descendants (Linux)."""
    peak = [memory_now()]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            peak[0] = max(peak[0], memory_now())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def memory_now() -> int:
    """The sum of `peak_memory` at this moment."""
    return memory_of(os.getpid())


def memory_of(pid: int) -> int:
    """The proportional set sizes of a process and its descendants, in bytes (Linux)."""
    return sum(map(_memory_of, _family(pid)))


def _indexing(config: Config, tell: Callable[[str], None]) -> list[Row]:
    from benchmarks.speed.indexing import pictures

    rows = []
    with tempfile.TemporaryDirectory() as folder, pictures(config, Path(folder), tell) as (_, files):
        for count in sorted({max(1, len(files) // 4), len(files)}):
            tell(f"indexing {count:,} pictures")
            some = [file.uri for file in files[:count]]
            peak = in_fresh_process(_index, config.encoder, some, Path(folder, f"library-{count}"))
            rows.append(Row(f"indexing {count:,} pictures, all processes", {"peak MB": peak / MB}))
    return rows


def _index(encoder: str, uris: list[str], folder: Path) -> int:
    from indexer.run import index
    from stylesearch.uris import path_of_uri

    paths = [path_of_uri(uri) for uri in uris]
    with peak_memory() as peak, Library.create(folder, encoder=encoder) as library:
        settings = Settings.from_environment()
        index(library.catalog, library.encoder, paths, thumbnails=library.thumbnails, settings=settings)
    return peak[0]


def _fill(folder: Path, count: int, dim: int, seed: int) -> None:
    from benchmarks.speed.search import fill_library, unit_vectors

    fill_library(folder, unit_vectors(np.random.default_rng(seed), count, dim)).close()


def _search(folder: Path, dim: int, k: int) -> tuple[int, int, int]:
    """Bytes before the library is opened, after a search, and at the peak between."""
    query = np.eye(1, dim, dtype=np.float32)[0]
    before = memory_now()
    with peak_memory() as peak, Library.open(folder) as library:
        library.search(Query(query, k=k))
        after = memory_now()
    return before, after, max(after, peak[0])


def _family(top: int) -> set[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
    family = {top}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def _memory_of(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
