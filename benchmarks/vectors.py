"""What vector indexes cost and find at a size: building, file, opening, memory, time of a query, recall.

    python -m benchmarks.vectors --counts 1000000
    python -m benchmarks.vectors --counts 1000000 --index faiss:ivf-pq --no-library
    python -m benchmarks.vectors --counts 10000 30000 100000 300000 1000000 3000000 --no-library --no-qdrant \
        --plot docs/images/vectors.svg --json vectors.json

Vectors are drawn by `benchmarks.clustered`, queries with them and then left out. All sides answer the same queries in
turn. Recall counts answers as near as the tenth of exact search, so that a tie is no loss. Filters keep assets at
random.
Opening and memory are those of fresh processes; memory counts the pages of mapped files that
searches came near, which the system drops where memory is short (Linux).
A million vectors in a library take about a quarter of an hour to write to its catalog.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.clustered import clustered_vectors
from benchmarks.machine import commit, machine, versions
from benchmarks.report.plots import require_matplotlib
from benchmarks.speed.memory import MB, in_fresh_process, memory_now
from benchmarks.speed.result import Part, Result, Row
from benchmarks.speed.search import fill_library, interleaved
from stylesearch.library import Library
from stylesearch.query import Query
from stylesearch.records import Changes
from stylesearch.vectors import new_index, open_index
from stylesearch.vectors.base import VectorIndex
from stylesearch.vectors.exact import ExactIndex
from stylesearch.vectors.faiss_index import FaissIndex
from stylesearch.vectors.qdrant_search import BUILD, LINKS, OVERSAMPLING, WALK

Search = Callable[[np.ndarray], object]

K = 10
QUERIES = 200
KEPT = (1.0, 0.5, 0.1, 0.01, 0.001)
BATCH = 50_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[100_000])
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--index", default="faiss", help="As of stylesearch init.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-library", action="store_true", help="Leave Library.search out.")
    parser.add_argument("--no-qdrant", action="store_true", help="Leave raw qdrant-edge out.")
    parser.add_argument("--json", type=Path, help="Write the result there.")
    parser.add_argument("--plot", type=Path, help="Draw what grows with the number of vectors.")
    given = parser.parse_args()
    parts = []
    console = Console(width=None if sys.stdout.isatty() else 180)
    for count in given.counts:
        part = measure(count, given.dim, given.index, given.seed, not given.no_library, not given.no_qdrant)
        parts.append(part)
        Result(machine(), versions(), commit(), (part,)).print(console)
    if given.json:
        given.json.write_text(Result(machine(), versions(), commit(), tuple(parts)).to_json(), encoding="utf-8")
    if given.plot:
        plot(given.counts, parts, given.plot)


def measure(count: int, dim: int, kind: str, seed: int, library: bool, qdrant: bool) -> Part:
    """One size.

    Args:
        count, dim: of the vectors.
        kind: engine, as `IndexChoice.parse` takes it.
        seed: for what is drawn.
        library, qdrant: whether to measure `Library.search` and raw qdrant-edge too.
    """
    rng = np.random.default_rng(seed)
    drawn = clustered_vectors(rng, count + QUERIES, dim)
    # Of what the catalog keeps: float16.
    vectors, queries = drawn[:count].astype(np.float16).astype(np.float32), np.ascontiguousarray(drawn[count:])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with tempfile.TemporaryDirectory() as folder:
        index, rows = _built(Path(folder), kind, vectors)
        sides: dict[str, Search] = {f"index {kind}": lambda query: index.search(query, K)}
        rows += _filtered(index, vectors, queries, rng)
        if isinstance(index, FaissIndex) and index._cover is not None:
            sides |= _raw_faiss(index)
        if library:
            opened = fill_library(Path(folder) / "library", vectors)
            sides["Library.search"] = lambda query: opened.search(Query(query[0], k=K))
        raw_qdrant = _raw_qdrant(Path(folder), vectors) if qdrant and find_spec("qdrant_edge") else None
        if raw_qdrant:
            rows.append(Row("raw qdrant-edge", {"build s": raw_qdrant[1]}))
            sides["raw qdrant-edge"] = raw_qdrant[0]
        for name, seconds in interleaved(sides, queries).items():
            rows.append(Row(f"{name}, one at a time", _percentiles(seconds)))
        start = time.perf_counter()
        index.search(queries, K)
        per_query = 1e3 * (time.perf_counter() - start) / QUERIES
        rows.append(Row(f"index {kind}, {QUERIES} together", {"ms": per_query}))
        layout = index.layout
        index.close()
        if library:
            opened.close()
            rows.append(_opened_library(Path(folder) / "library", queries))
    return Part("vectors", f"{count:,} x {dim}, k = {K}, {kind}: {layout}", tuple(rows))


def _built(folder: Path, kind: str, vectors: np.ndarray) -> tuple[VectorIndex, list[Row]]:
    index, path = new_index(kind, vectors.shape[1], None, folder / "space.vectors"), folder / "space.vectors"
    start = time.perf_counter()
    for first in range(0, len(vectors), BATCH):
        block = vectors[first : first + BATCH]
        index.apply(Changes(np.arange(first, first + len(block)), block, np.ones(len(block), bool), first + len(block)))
    index.optimize()
    built = time.perf_counter()
    index.save(path)
    saved = time.perf_counter() - built
    files = [file for file in folder.rglob("*") if file.is_file()]
    size = sum(512 * file.stat().st_blocks for file in files)
    rows = [Row(f"index {kind}", {"build s": built - start, "save s": saved, "file MB": size / MB})]
    if kind.partition(":")[0] in ("auto", "exact", "faiss"):
        seconds, memory, own = in_fresh_process(_open, kind, path, vectors.shape[1])
        rows.append(Row("opened", {"open s": seconds, "MB": memory / MB, "of it no file MB": own / MB}))
        rows.append(Row("codes of one byte a number", {"MB": vectors.size / MB}))
    return index, rows


def _open(kind: str, path: Path, dim: int) -> tuple[float, int, int]:
    """Seconds to open; bytes that it took after 500 searches; those of them that are not pages of its files."""
    queries = clustered_vectors(np.random.default_rng(9), 500, dim)
    new_index(kind, dim).search(queries[:1], K)  # imports
    before, own, start = memory_now(), _own_memory(), time.perf_counter()
    index = open_index(kind, path, dim)
    seconds = time.perf_counter() - start
    for query in queries:
        index.search(query[None], K)
    memory, own = memory_now() - before, _own_memory() - own
    index.close()
    return seconds, memory, own


def _own_memory() -> int:
    """Bytes that the system cannot drop and read again from a file."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss_Anon:"))


def _filtered(index: VectorIndex, vectors: np.ndarray, queries: np.ndarray, rng: np.random.Generator) -> list[Row]:
    count = len(vectors)
    reference = ExactIndex(vectors.shape[1])
    reference.apply(Changes(np.arange(count), vectors, np.ones(count, bool), 1))
    rows = []
    for kept in KEPT:
        allowed = None if kept == 1 else np.flatnonzero(rng.random(count) < kept)
        if allowed is not None and len(allowed) < K:
            continue
        truth, found = reference.search(queries, K, allowed), index.search(queries, K, allowed)
        seconds = []
        for query in queries:
            start = time.perf_counter()
            index.search(query[None], K, allowed)
            seconds.append(time.perf_counter() - start)
        near = float(np.mean(found.cosines >= truth.cosines[:, -1:]))
        rows.append(Row(f"{kept:.1%} kept", _percentiles(np.array(seconds)) | {"recall@10": near}))
    return rows


def _raw_faiss(index: Any) -> dict[str, Search]:
    """The engine's own call, with the parameters and the candidates that the index asks for."""
    import faiss

    structure = index._cover.structure
    fetch = structure.recipe.fetch(K)
    parameters = structure.recipe.parameters(faiss, structure.index, fetch, 1.0, None)
    return {"raw FAISS": lambda query: structure.index.search(query, fetch, params=parameters)}


def _raw_qdrant(folder: Path, vectors: np.ndarray) -> tuple[Search, float]:
    import qdrant_edge as qdrant

    start = time.perf_counter()
    (folder / "raw-qdrant").mkdir()
    config = qdrant.EdgeConfig(
        vectors=qdrant.EdgeVectorParams(vectors.shape[1], qdrant.Distance.Dot),
        hnsw_config=qdrant.HnswIndexConfig(LINKS, BUILD, 1),
        quantization_config=qdrant.ScalarQuantizationConfig(qdrant.ScalarType.Int8, always_ram=True),
        optimizers=qdrant.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=1),
    )
    shard = qdrant.EdgeShard.create(str(folder / "raw-qdrant"), config)
    for first in range(0, len(vectors), 1_000):
        points = [qdrant.Point(first + row, vector) for row, vector in enumerate(vectors[first : first + 1_000])]
        shard.update(qdrant.UpdateOperation.upsert_points(points))
    shard.optimize()
    rescoring = qdrant.QuantizationSearchParams(rescore=True, oversampling=OVERSAMPLING)
    parameters = qdrant.SearchParams(hnsw_ef=WALK, quantization=rescoring)

    def search(query: np.ndarray) -> object:
        return shard.query(qdrant.QueryRequest(limit=K, query=qdrant.Query.Nearest(query[0]), params=parameters))

    return search, time.perf_counter() - start


def _opened_library(folder: Path, queries: np.ndarray) -> Row:
    start = time.perf_counter()
    with Library.open(folder) as library:
        library.search(Query(queries[0], k=K))
        first = time.perf_counter() - start
    return Row("opening the library to the first hit", {"open s": first})


def _percentiles(seconds: np.ndarray) -> dict[str, float]:
    return {f"p{share} ms": 1e3 * float(np.percentile(seconds, share)) for share in (50, 95, 99)}


def plot(counts: list[int], parts: list[Part], path: Path) -> None:
    """Draws what grows over the number of vectors, a panel for each figure; the suffix of `path` says the format.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    panels = {
        "p50 ms": "one query, ms (median)",
        "recall@10": "recall@10",
        "build s": "building, s",
        "open s": "opening, s",
        "file MB": "files, MB",
        "MB": "memory after searches, MB",
    }
    figure = Figure(figsize=(10, 5.5), layout="constrained")
    for axes, (column, label) in zip(figure.subplots(2, 3).flat, panels.items(), strict=True):
        values = [next(row.values[column] for row in part.rows if column in row.values) for part in parts]
        axes.plot(counts, values, marker="o", color="#2b6cb0")
        axes.set(xscale="log", title=label)
        axes.grid(alpha=0.3)
        if column == "recall@10":
            axes.set_ylim(0.9, 1.005)
        else:
            axes.set_yscale("log")
    figure.supxlabel("vectors")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


if __name__ == "__main__":
    main()
