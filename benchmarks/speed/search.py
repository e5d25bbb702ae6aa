"""What the index costs on top of its engine: time of one query among many vectors, all sides in one run.

The sides take turns within each round, so that whatever else the machine does falls on all of them alike. The vectors
are drawn uniformly from the sphere: the time of exact search does not depend on how they lie.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.speed.result import Part, Row
from stylesearch.library import Library
from stylesearch.query import Query
from stylesearch.records import Batch, Changes, FileStat, IndexedFile, Space
from stylesearch.settings import LibrarySettings
from stylesearch.vectors import new_index
from stylesearch.vectors.base import VectorIndex

if TYPE_CHECKING:
    from benchmarks.speed import Config

Search = Callable[[np.ndarray], object]

RAW = "faiss.IndexFlatIP"
WARM_UP = 5
BATCH = 1_000


def measure(config: Config, tell: Callable[[str], None]) -> Part:
    """Percentiles of single queries, and the ratio of medians to the raw engine."""
    rng = np.random.default_rng(config.seed)
    count, dim, k = config.vectors, config.dim, config.k
    vectors = unit_vectors(rng, count, dim)
    queries = unit_vectors(rng, config.rounds + WARM_UP, dim)
    tell(f"filling a library with {count:,} vectors")
    with tempfile.TemporaryDirectory() as folder, fill_library(Path(folder) / "library", vectors) as library:
        sides: dict[str, Search] = {}
        absent = []
        if find_spec("faiss"):
            sides[RAW] = _raw_faiss(vectors, k)
            sides["FaissIndex"] = _searcher("faiss", vectors, k)
        else:
            absent.append("FAISS, which is not installed. Install it with: pip install 'stylesearch[faiss]'")
        sides["ExactIndex"] = _searcher("exact", vectors, k)
        sides["Library.search"] = lambda query: library.search(Query(query[0], k=k))
        tell("searching")
        seconds = interleaved(sides, queries)
        save, first = _file_times(library, queries[0])
    rows = [Row(name, _percentiles(values, seconds.get(RAW))) for name, values in seconds.items()]
    rows += [Row("saving the index", {"s": save}), Row("opening the library to the first hit", {"s": first})]
    setting = f"{count:,} vectors of {dim} numbers, k = {k}, one query at a time, {config.rounds} rounds{_threads()}"
    return Part("search", setting, tuple(rows), tuple(absent))


def interleaved(sides: dict[str, Search], queries: np.ndarray) -> dict[str, np.ndarray]:
    """Seconds (rounds,) of each side; the first `WARM_UP` queries are not counted.

    Each round has an order of its own: a side that always came after another of the same engine would find in the
    processor's cache what that one has just read.
    """
    taken: dict[str, list[float]] = {name: [] for name in sides}
    rng = np.random.default_rng(0)
    for query in queries:
        for name in rng.permutation(list(sides)).tolist():
            start = time.perf_counter()
            sides[name](query[None])
            taken[name].append(time.perf_counter() - start)
    return {name: np.array(values[WARM_UP:]) for name, values in taken.items()}


def fill_library(folder: Path, vectors: np.ndarray, index: str = "auto") -> Library:
    """A library on SQLite whose catalog holds one asset and one file for each vector.

    Args:
        folder: is made.
        vectors: float32 (N, D), rows of unit length.
        index: engine, as `IndexChoice.parse` takes it.
    """
    folder.mkdir()
    space = Space("benchmark:drawn", "0" * 64, vectors.shape[1], "float32", "none")  # of no encoder: none is needed
    LibrarySettings(space=space, index=index).write(folder)
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


def unit_vectors(rng: np.random.Generator, count: int, dim: int) -> np.ndarray:
    """float32 (count, dim), uniform on the sphere."""
    vectors = rng.standard_normal((count, dim), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _raw_faiss(vectors: np.ndarray, k: int) -> Search:
    import faiss

    raw = faiss.IndexFlatIP(vectors.shape[1])
    raw.add(vectors)
    return lambda query: raw.search(query, k)


def _searcher(kind: str, vectors: np.ndarray, k: int) -> Search:
    index: VectorIndex = new_index(kind, vectors.shape[1])
    index.apply(Changes(np.arange(1, len(vectors) + 1), vectors, np.ones(len(vectors), bool), len(vectors)))
    return lambda query: index.search(query, k)


def _percentiles(seconds: np.ndarray, raw: np.ndarray | None) -> dict[str, float]:
    p50, p95, p99 = (1e3 * float(np.percentile(seconds, share)) for share in (50, 95, 99))
    values = {"p50 ms": p50, "p95 ms": p95, "p99 ms": p99}
    return values if raw is None else values | {"p50 / raw": p50 / (1e3 * float(np.median(raw)))}


def _file_times(library: Library, query: np.ndarray) -> tuple[float, float]:
    """Seconds to save the index, and from nothing to the first answer."""
    start = time.perf_counter()
    library.refresh()
    saved = time.perf_counter()
    with Library.open(library.folder) as again:
        again.search(Query(query, k=1))
    return saved - start, time.perf_counter() - saved


def _threads() -> str:
    if not find_spec("faiss"):
        return ""
    import faiss

    return f", FAISS with {faiss.omp_get_max_threads()} threads"
