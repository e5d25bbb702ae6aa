"""What the index costs on top of its engine: time of one query among many vectors, all sides in one run.

    python -m benchmarks.search_speed                      # 100,000 vectors of 384 numbers
    python -m benchmarks.search_speed --count 1000000

The sides take turns within each round, so that whatever else the machine does falls on all of them alike. The vectors
are drawn uniformly from the sphere: the time of exact search does not depend on how they lie.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from stylesearch.library import Library
from stylesearch.query import Query
from stylesearch.records import Batch, Changes, FileStat, IndexedFile, Space
from stylesearch.settings import LibrarySettings
from stylesearch.vectors import open_index
from stylesearch.vectors.base import VectorIndex

Search = Callable[[np.ndarray], object]

RAW = "faiss.IndexFlatIP"
WARM_UP = 5
BATCH = 1_000


def main(count: int = 100_000, dim: int = 384, k: int = 20, rounds: int = 100, seed: int = 0) -> None:
    """Prints a table of search times, and the time to save and to load the index."""
    rng = np.random.default_rng(seed)
    vectors = _unit(rng, count, dim)
    raw = faiss.IndexFlatIP(dim)
    raw.add(vectors)
    changes = Changes(np.arange(1, count + 1), vectors, np.ones(count, bool), count)
    with tempfile.TemporaryDirectory() as folder, _filled(Path(folder) / "library", vectors) as library:
        own = open_index("faiss", Path(folder) / "index", dim)
        own.apply(changes)
        exact = open_index("exact", Path(folder) / "index", dim)
        exact.apply(changes)
        sides: dict[str, Search] = {
            RAW: lambda query: raw.search(query, k),
            "FaissIndex": lambda query: own.search(query, k),
            "ExactIndex": lambda query: exact.search(query, k),
            "Library.search": lambda query: library.search(Query(query[0], k=k)),
        }
        seconds = interleaved(sides, _unit(rng, rounds + WARM_UP, dim))
        save, load = _file_times(own, Path(folder) / "index")
    console = Console(soft_wrap=True, highlight=False)
    console.print(
        f"{count:,} vectors of {dim}, k = {k}, one query at a time, {rounds} rounds; FAISS {faiss.__version__} with "
        f"{faiss.omp_get_max_threads()} threads, NumPy {np.__version__}, {os.cpu_count()} x {platform.machine()}"
    )
    console.print(as_table(seconds))
    console.print(f"save {save:.2f} s, load {load:.2f} s")


def _filled(folder: Path, vectors: np.ndarray) -> Library:
    """A library on SQLite and FAISS whose catalog holds one asset and one file for each vector."""
    folder.mkdir()
    space = Space("benchmark:drawn", "0" * 64, vectors.shape[1], "float32", "none")  # of no encoder: none is needed
    LibrarySettings(space=space, index="faiss").write(folder)
    library = Library.open(folder)
    space_id = library.catalog.ensure_space(library.space)
    scan_id = library.catalog.begin_scan("/drawn")
    for start in range(0, len(vectors), BATCH):
        rows = range(start, min(start + BATCH, len(vectors)))
        files = [
            IndexedFile(FileStat(f"/drawn/{row}.png", 1, 1), f"{row:064x}", "PNG", 256, 256, vectors[row])
            for row in rows
        ]
        library.catalog.write(space_id, scan_id, Batch(indexed=files))
    library.refresh()
    return library


def interleaved(sides: dict[str, Search], queries: np.ndarray) -> dict[str, np.ndarray]:
    """Seconds (rounds,) of each side; the first `WARM_UP` queries are not counted."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for turn, query in enumerate(queries):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:  # nobody is always first
            start = time.perf_counter()
            sides[name](query[None])
            taken[name].append(time.perf_counter() - start)
    return {name: np.array(values[WARM_UP:]) for name, values in taken.items()}


def as_table(seconds: dict[str, np.ndarray]) -> Table:
    """Percentiles in milliseconds, and the ratio of medians to the raw engine."""
    table = Table("", "p50 ms", "p95 ms", "p50 / raw")
    median = np.median(seconds[RAW])
    for name, values in seconds.items():
        p50, p95 = np.percentile(values, [50, 95])
        table.add_row(name, f"{1e3 * p50:.2f}", f"{1e3 * p95:.2f}", f"{p50 / median:.3f}")
    return table


def _file_times(index: VectorIndex, path: Path) -> tuple[float, float]:
    start = time.perf_counter()
    index.save(path)
    saved = time.perf_counter()
    open_index("faiss", path, index.dim)
    return saved - start, time.perf_counter() - saved


def _unit(rng: np.random.Generator, count: int, dim: int) -> np.ndarray:
    vectors = rng.standard_normal((count, dim), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


if __name__ == "__main__":
    typer.run(main)
