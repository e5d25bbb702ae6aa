"""What vector indexes cost and find at a size: building, file, opening, memory, time of a query, recall.

    python -m benchmarks.vectors --counts 1000000
    python -m benchmarks.vectors --counts 1000000 --index faiss:ivf-pq faiss:int8 qdrant --no-library
    python -m benchmarks.vectors --counts 10000 30000 100000 300000 1000000 3000000 --no-library --no-qdrant \
        --plot docs/images/vectors.svg --json vectors.json

Vectors are drawn by `benchmarks.clustered`, queries with them and then left out. All sides answer the same queries in
turn; `Library.search` is given their vectors, and searches with the first index named. Recall counts answers as near
as the tenth of exact search, so that a tie is no loss. Filters keep assets at random; engines that filter by themselves
are also asked for one word that so many assets have ("by payload").

Opening and memory are those of fresh processes after 500 searches (Linux). Three kinds of memory must be told apart:
what a process allocates ("own MB"); the structure of codes and links that a search walks through, mapped from a file
("structure MB"); and, of the vectors in float32, mapped too, the pages around candidates ("vectors MB"), which the
system drops where memory is short. "x codes" is the first two against one byte a number. An index that was just built
holds everything in memory of its own until it is opened again.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from rich.console import Console

from benchmarks.clustered import clustered_vectors
from benchmarks.machine import commit, machine, versions
from benchmarks.report.plots import require_matplotlib
from benchmarks.speed.memory import MB, in_fresh_process
from benchmarks.speed.result import Part, Result, Row
from benchmarks.speed.search import fill_library, interleaved
from stylesearch.library import Library
from stylesearch.query import Query
from stylesearch.records import Changes, Facts
from stylesearch.vectors import Allowed, VectorIndex, index_files, index_place, new_index, open_index
from stylesearch.vectors.base import Condition
from stylesearch.vectors.exact import ExactIndex
from stylesearch.vectors.faiss_index import FaissIndex
from stylesearch.vectors.qdrant_search import BUILD, LINKS, OVERSAMPLING, WALK
from stylesearch.vectors.table import VectorTable

Search = Callable[[np.ndarray], object]

# Share of the vectors that is kept, int64 ids that are (None: all), and the tenth cosine of exact search, (Q,).
Case: TypeAlias = tuple[float, np.ndarray | None, np.ndarray]

K = 10
QUERIES = 200
KEPT = (1.0, 0.5, 0.1, 0.01, 0.001)
BATCH = 50_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="*", default=[100_000], help="None: nothing is measured.")
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--index", nargs="+", default=["faiss"], help="Engines, as of stylesearch init.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-library", action="store_true", help="Leave Library.search out.")
    parser.add_argument("--no-qdrant", action="store_true", help="Leave raw qdrant-edge out.")
    parser.add_argument("--json", type=Path, help="Write the result there.")
    parser.add_argument("--plot", type=Path, help="Draw what grows with the number of vectors.")
    parser.add_argument("--also", type=Path, nargs="+", default=[], help="Draw these results of --json with it.")
    given = parser.parse_args()
    parts: list[Part] = []
    console = Console(width=None if sys.stdout.isatty() else 180)
    for count in given.counts:
        part = measure(count, given.dim, given.index, given.seed, not given.no_library, not given.no_qdrant)
        parts.append(part)
        Result(machine(), versions(), commit(), (part,)).print(console)
        if given.json:  # after each size: the last one may ask too much of the machine
            given.json.write_text(Result(machine(), versions(), commit(), tuple(parts)).to_json(), encoding="utf-8")
    if given.plot:
        plot([part for file in given.also for part in _read(file)] + parts, given.plot)


def measure(count: int, dim: int, kinds: Sequence[str], seed: int, library: bool, qdrant: bool) -> Part:
    """One size.

    Args:
        count, dim: of the vectors.
        kinds: engines, as `IndexChoice.parse` takes them.
        seed: for what is drawn.
        library, qdrant: whether to measure `Library.search` and raw qdrant-edge too.
    """
    vectors, queries = _drawn(count, dim, seed)
    reference = ExactIndex(dim)
    reference._table = VectorTable(np.arange(count), vectors, count, 1, "")  # a copy would take as much again
    rng = np.random.default_rng(seed)
    keeping = [(kept, None if kept == 1 else np.flatnonzero(rng.random(count) < kept)) for kept in KEPT]
    cases = [
        (kept, allowed, reference.search(queries, K, allowed).cosines[:, -1])
        for kept, allowed in keeping
        if allowed is None or len(allowed) >= K
    ]
    rows, sides, layouts = [], dict[str, Search](), []
    with tempfile.TemporaryDirectory() as name, ExitStack() as opened:
        folder = Path(name)
        for number, kind in enumerate(kinds):
            index, built = _built(folder / f"index{number}", kind, vectors, cases)
            opened.callback(index.close)
            rows += built
            rows += _filtered(kind, index, queries, cases)
            sides[f"index {kind}"] = partial(_search, index)
            start = time.perf_counter()
            index.search(queries, K)
            per_query = 1e3 * (time.perf_counter() - start) / QUERIES
            rows.append(Row(f"index {kind}, {QUERIES} together", {"ms": per_query}))
            layouts.append(f"{kind}: {index.layout}")
            if isinstance(index, FaissIndex) and index._cover is not None:
                sides |= _raw_faiss(kind, index)
        if library:
            searched = fill_library(folder / "library", vectors, kinds[0])
            opened.callback(searched.close)
            sides["Library.search"] = lambda query: searched.search(Query(query[0], k=K))
        if qdrant and find_spec("qdrant_edge"):
            raw, seconds = _raw_qdrant(folder, vectors)
            rows.append(Row("raw qdrant-edge", {"build s": seconds}))
            sides["raw qdrant-edge"] = raw
        if library:
            _read_once(folder / "library")
        for side, each in interleaved(sides, queries).items():
            rows.append(Row(f"{side}, one at a time", _percentiles(each)))
        if library:
            searched.close()
            rows.append(_opened_library(folder / "library", queries))
    return Part("vectors", f"{count:,} x {dim}, k = {K}; {'; '.join(layouts)}", tuple(rows))


def _drawn(count: int, dim: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors as the catalog keeps them, float16, and queries; both float32 and of unit length."""
    drawn = clustered_vectors(np.random.default_rng(seed), count + QUERIES, dim)
    vectors, queries = drawn[:count], drawn[count:].copy()
    for start in range(0, count, BATCH):  # in place: three millions take 4.6 GB
        block = vectors[start : start + BATCH]
        block[:] = block.astype(np.float16)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    return vectors, queries


def _search(index: VectorIndex, query: np.ndarray) -> object:
    return index.search(query, K)


def _built(folder: Path, kind: str, vectors: np.ndarray, cases: Sequence[Case]) -> tuple[VectorIndex, list[Row]]:
    """An index, which was saved in the folder."""
    path = folder / "space.vectors"
    index = new_index(kind, vectors.shape[1], None, path)
    words = _words(len(vectors), cases) if index.takes_facts else None
    start = time.perf_counter()
    for first in range(0, len(vectors), BATCH):
        block = vectors[first : first + BATCH]
        ids = np.arange(first, first + len(block))
        facts = {} if words is None else {i: Facts("PNG", tags=words[i]) for i in ids.tolist()}
        index.apply(Changes(ids, block, np.ones(len(block), bool), first + len(block), facts=facts))
    index.optimize()
    built = time.perf_counter()
    index.save(index_place(kind, path))
    saved = time.perf_counter() - built
    values = {"build s": built - start, "save s": saved}
    if kind.startswith("qdrant+"):
        return index, [Row(f"index {kind}", values)]
    size = sum(512 * file.stat().st_blocks for file in index_files(index_place(kind, path)) if file.is_file())
    if kind.partition(":")[0] == "qdrant":  # which one process can have open
        index.close()
    seconds, memory = in_fresh_process(_open, kind, path, vectors.shape[1])
    if kind.partition(":")[0] == "qdrant":
        index = open_index(kind, path, vectors.shape[1])
    needed = (memory["own MB"] + memory["structure MB"]) / vectors.size
    opened = {"open s": seconds} | {name: size / MB for name, size in memory.items()} | {"x codes": needed}
    return index, [Row(f"index {kind}", values | {"file MB": size / MB}), Row(f"{kind} opened", opened)]


def _words(count: int, cases: Sequence[Case]) -> list[tuple[str, ...]]:
    """For each vector the cases that keep it."""
    found: list[list[str]] = [[] for _ in range(count)]
    for kept, allowed, _ in cases:
        for row in () if allowed is None else allowed.tolist():
            found[row].append(str(kept))
    return [tuple(words) for words in found]


def _open(kind: str, path: Path, dim: int) -> tuple[float, dict[str, int]]:
    """Seconds to open; what its memory grew by in 500 searches, in bytes, by the kind of memory."""
    queries = clustered_vectors(np.random.default_rng(9), 500, dim)
    new_index(kind, dim).search(queries[:1], K)  # imports
    before, start = _memory(path.parent), time.perf_counter()
    index = open_index(kind, path, dim)
    seconds = time.perf_counter() - start
    for query in queries:
        index.search(query[None], K)
    memory = {name: size - before[name] for name, size in _memory(path.parent).items()}
    index.close()
    return seconds, memory


def _memory(folder: Path) -> dict[str, int]:
    """Bytes of this process: its own, and of mapped files in this folder."""
    found, kind = {"own MB": 0, "structure MB": 0, "vectors MB": 0}, ""
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        if line[0] in "0123456789abcdef":  # the head of a mapping, its file last
            name = line[line.find("/") :] if "/" in line else ""
            vectors = name.endswith((".vectors", ".mmap")) or "vector_storage" in name
            kind = "" if not name.startswith(str(folder)) else "vectors MB" if vectors else "structure MB"
        elif line.startswith("Anonymous:"):
            found["own MB"] += 1024 * int(line.split()[1])
        elif line.startswith("Pss:") and kind:
            found[kind] += 1024 * int(line.split()[1])
    return found


def _filtered(kind: str, index: VectorIndex, queries: np.ndarray, cases: Sequence[Case]) -> list[Row]:
    rows = []
    for kept, allowed, worst in cases:
        ways: dict[str, Allowed] = {"": allowed}
        if index.takes_facts and allowed is not None:
            ways[", by payload"] = (Condition("tags", equals=(str(kept),)),)
        for way, among in ways.items():
            near, seconds = [], []
            for query, least in zip(queries, worst, strict=True):
                start = time.perf_counter()
                found = index.search(query[None], K, among)
                seconds.append(time.perf_counter() - start)
                near.append(found.cosines[0] >= least)
            values = _percentiles(np.array(seconds)) | {"recall@10": float(np.mean(near))}
            rows.append(Row(f"{kind}, {kept:.1%} kept{way}", values))
    return rows


def _raw_faiss(kind: str, index: Any) -> dict[str, Search]:
    """The engine's own call, with the parameters and the candidates that the index asks for."""
    import faiss

    structure = index._cover.structure
    fetch = structure.recipe.fetch(K)
    parameters = structure.recipe.parameters(faiss, structure.index, fetch, 1.0, None)
    return {f"raw FAISS of {kind}": lambda query: structure.index.search(query, fetch, params=parameters)}


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


def _read_once(folder: Path) -> None:
    """Brings files into the system's cache, where those of a library that is in use are."""
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                while file.read(1 << 24):
                    pass


def _opened_library(folder: Path, queries: np.ndarray) -> Row:
    start = time.perf_counter()
    with Library.open(folder) as library:
        library.search(Query(queries[0], k=K))
        first = time.perf_counter() - start
    return Row("opening the library to the first hit", {"open s": first})


def _percentiles(seconds: np.ndarray) -> dict[str, float]:
    return {f"p{share} ms": 1e3 * float(np.percentile(seconds, share)) for share in (50, 95, 99)}


def _read(file: Path) -> list[Part]:
    found = json.loads(file.read_text(encoding="utf-8"))["parts"]
    return [Part(part["name"], part["setting"], tuple(Row(**row) for row in part["rows"])) for part in found]


def plot(parts: Sequence[Part], path: Path) -> None:
    """Draws what grows over the number of vectors, a panel for each figure; the suffix of `path` says the format.

    Args:
        parts: as `measure` gives them; of two of one size the later.

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
        "x codes": "memory, times a byte a number",
    }
    by_count = {int(part.setting.partition(" x ")[0].replace(",", "")): part for part in parts}
    counts = sorted(by_count)
    figure = Figure(figsize=(10, 5.5), layout="constrained")
    for axes, (column, label) in zip(figure.subplots(2, 3).flat, panels.items(), strict=True):
        values = [next(row.values[column] for row in by_count[count].rows if column in row.values) for count in counts]
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
