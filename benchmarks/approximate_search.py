"""Ways to search that give up exactness for speed or memory, each built over one array of vectors.

A way is a function `(float32 (N, D) unit rows) -> context manager of Built`; leaving the context frees what it holds.
`WAYS` lists those without a parameter by name; `way` also knows "first:128" and "pca:128".

Engines (candidates come from their structure; vectors in float32 unless it says otherwise):
    exact                 all cosines, NumPy: the reference
    faiss:flat            all cosines, FAISS
    faiss:hnsw            HNSW graph, 32 links a node (Malkov & Yashunin 2018, arXiv 1603.09320)
    faiss:hnsw-int8       the same with 16 links over vectors of one byte a number
    faiss:ivf-pq          inverted lists, product quantiser of 4 bits scanned with SIMD (Andre, Kermarrec, Le Scouarnec
                          2017, arXiv 1704.07355), the best of them rescored with the vectors themselves
    qdrant:hnsw           HNSW graph, 16 links a node, of qdrant-edge
    qdrant:int8, qdrant:binary   the same over quantised vectors, candidates rescored with the vectors themselves
Quantisers (every vector is compared, so that the loss is that of the numbers alone):
    float16               half precision
    int8                  one byte a number: the range of each dimension over the gallery in 255 equal steps
    binary                one bit a number: above or below the gallery's mean of its dimension; Hamming distance
    binary-rescored       the first 100 by Hamming distance, ranked by their cosines
Dimensions (all cosines of shorter vectors, brought back to unit length):
    first:n               the first n numbers. Right for encoders trained for it (Kusupati et al. 2022, arXiv
                          2205.13147); without meaning for one whose vector is several parts side by side
    pca:n                 coordinates on the n main axes of the gallery itself, labels unseen. The axes are not centred:
                          cosines are about the origin, and so n = D loses nothing
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stylesearch.errors import MissingDependencyError, UsageError
from stylesearch.records import Changes
from stylesearch.vectors import new_index

HNSW_SEARCH = 64  # candidates kept while a graph is walked (efSearch)
HNSW_BUILD = 100  # candidates kept while a node is linked (efConstruction)
GRAPH = {"efConstruction": HNSW_BUILD, "efSearch": HNSW_SEARCH}
OVERSAMPLING = 10  # candidates rescored for each answer wanted, after binary codes


class Built(NamedTuple):
    """A way to search, ready.

    Attributes:
        search: (float32 (D,) unit query, k) -> int64 (k,) rows, best first, -1 where there are no more.
        bytes: what it keeps of all vectors together, its structure included.
    """

    search: Callable[[np.ndarray, int], np.ndarray]
    bytes: int


# Vectors that a code of 4 bits is learned from: 39 for each of its 16 values, as FAISS's k-means asks.
PQ_GALLERY = 39 * 16

Way = Callable[[np.ndarray], AbstractContextManager[Built]]


def way(name: str) -> Way:
    """The way of that name.

    Raises:
        UsageError: there is none.
        MissingDependencyError: its engine is not installed.
    """
    family, _, number = name.partition(":")
    if family in ("first", "pca") and number.isdecimal() and int(number) > 0:
        return partial(_shorter, dim=int(number), by=family)
    if name not in WAYS:
        raise UsageError(f"There is no way to search '{name}'. There are: {', '.join(WAYS)}, first:N, pca:N.")
    if name != "exact":
        _require("qdrant_edge" if family == "qdrant" else "faiss")
    return WAYS[name]


def installed_ways() -> list[str]:
    """The names in `WAYS` whose engine is installed."""
    names = []
    for name in WAYS:
        try:
            way(name)
        except MissingDependencyError:
            continue
        names.append(name)
    return names


def _require(module: str) -> None:
    if find_spec(module) is None:
        package, extra = {"faiss": ("faiss-cpu", "faiss"), "qdrant_edge": ("qdrant-edge-py", "qdrant")}[module]
        raise MissingDependencyError(package, extra, "to measure what its search loses")


@contextmanager
def _own_engine(vectors: np.ndarray, kind: str) -> Iterator[Built]:
    count, dim = vectors.shape
    index = new_index(kind, dim)
    index.apply(Changes(np.arange(count), vectors, np.ones(count, bool), 1))
    yield Built(lambda query, k: index.search(query[None], k).ids[0], vectors.nbytes)


@contextmanager
def _faiss(vectors: np.ndarray, recipe: Callable[[int, int], str], parameters: Mapping[str, float]) -> Iterator[Built]:
    """An index of `faiss.index_factory`; `recipe` says which for N vectors of D numbers."""
    import faiss

    index = faiss.index_factory(vectors.shape[1], recipe(*vectors.shape), faiss.METRIC_INNER_PRODUCT)
    tuner = faiss.ParameterSpace()
    for name, value in parameters.items():
        tuner.set_index_parameter(index, name, value)
    index.train(vectors)
    index.add(vectors)
    yield Built(lambda query, k: index.search(query[None], k)[1][0], faiss.serialize_index(index).nbytes)


def _inverted_lists(count: int, dim: int) -> str:
    if count < PQ_GALLERY:
        raise UsageError(f"'faiss:ivf-pq' needs {PQ_GALLERY} vectors to learn its codes from; there are {count}.")
    # 4 sqrt(N) lists, the rule of thumb of FAISS's guide, as far as there are the 39 vectors a list that its k-means
    # asks for. Eight numbers or more share a code of 4 bits.
    lists = max(1, min(round(4 * count**0.5), count // 39))
    codes = max(parts for parts in range(1, max(2, dim // 8 + 1)) if dim % parts == 0)
    return f"IVF{lists},PQ{codes}x4fs,RFlat"


@contextmanager
def _binary(vectors: np.ndarray, rescored: bool) -> Iterator[Built]:
    import faiss

    mean = vectors.mean(axis=0)

    def codes(rows: np.ndarray) -> np.ndarray:
        return np.packbits(rows > mean, axis=1)

    index = faiss.IndexBinaryFlat(8 * -(-vectors.shape[1] // 8))
    index.add(codes(vectors))

    def search(query: np.ndarray, k: int) -> np.ndarray:
        wanted = min(OVERSAMPLING * k, len(vectors)) if rescored else k
        rows: np.ndarray = index.search(codes(query[None]), wanted)[1][0]
        return rows[np.argsort(-(vectors[rows] @ query), kind="stable")[:k]] if rescored else rows

    yield Built(search, index.ntotal * index.code_size + (vectors.nbytes if rescored else 0))


@contextmanager
def _shorter(vectors: np.ndarray, dim: int, by: str) -> Iterator[Built]:
    full = vectors.shape[1]
    if dim > full:
        raise UsageError(f"'{by}:{dim}' asks for more numbers than a vector has ({full}).")
    axes = main_axes(vectors, dim) if by == "pca" else np.eye(full, dim, dtype=np.float32)

    def shorten(rows: np.ndarray) -> np.ndarray:
        short: np.ndarray = rows @ axes
        # A vector may be nothing but zeros there. It then equals nothing, itself included, but must not be NaN.
        short /= np.maximum(np.linalg.norm(short, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return short

    gallery = np.ascontiguousarray(shorten(vectors))

    def search(query: np.ndarray, k: int) -> np.ndarray:
        scores = gallery @ shorten(query[None])[0]
        best = np.argpartition(-scores, min(k, len(scores)) - 1)[:k]
        return np.asarray(best[np.lexsort((best, -scores[best]))])

    yield Built(search, gallery.nbytes + (axes.nbytes if by == "pca" else 0))


def main_axes(vectors: np.ndarray, dim: int) -> np.ndarray:
    """The `dim` directions that hold most of the vectors' squared length.

    Args:
        vectors: float32 (N, D).

    Returns:
        float32 (D, dim), orthonormal columns, the strongest first.
    """
    moments = np.zeros((vectors.shape[1], vectors.shape[1]))
    for start in range(0, len(vectors), 16_384):  # in blocks, so that no float64 copy of all is made
        block = vectors[start : start + 16_384].astype(np.float64)
        moments += block.T @ block
    _, directions = np.linalg.eigh(moments)  # ascending
    return np.ascontiguousarray(directions[:, ::-1][:, :dim], dtype=np.float32)


@contextmanager
def _qdrant(vectors: np.ndarray, quantiser: str | None, oversampling: float = 1.0) -> Iterator[Built]:
    import qdrant_edge as qdrant

    with tempfile.TemporaryDirectory() as folder:
        # Thresholds of 1 KB: a graph even for a small gallery, which would be scanned otherwise.
        config = qdrant.EdgeConfig(
            vectors=qdrant.EdgeVectorParams(vectors.shape[1], qdrant.Distance.Dot),
            hnsw_config=qdrant.HnswIndexConfig(16, HNSW_BUILD, 1),
            quantization_config=_quantiser(qdrant, quantiser),
            optimizers=qdrant.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=1),
            wal_enabled=False,
        )
        shard = qdrant.EdgeShard.create(folder, config)
        try:
            for start in range(0, len(vectors), 1000):
                points = [qdrant.Point(start + i, vector) for i, vector in enumerate(vectors[start : start + 1000])]
                shard.update(qdrant.UpdateOperation.upsert_points(points))
            shard.optimize()
            shard.flush()
            rescoring = qdrant.QuantizationSearchParams(rescore=True, oversampling=oversampling) if quantiser else None
            parameters = qdrant.SearchParams(hnsw_ef=HNSW_SEARCH, quantization=rescoring)

            def search(query: np.ndarray, k: int) -> np.ndarray:
                request = qdrant.QueryRequest(limit=k, query=qdrant.Query.Nearest(query.tolist()), params=parameters)
                return _padded([int(point.id) for point in shard.query(request)], k)

            yield Built(search, _used_bytes(Path(folder)))
        finally:
            shard.close()


def _quantiser(qdrant: Any, name: str | None) -> Any:
    if name == "int8":
        return qdrant.ScalarQuantizationConfig(qdrant.ScalarType.Int8, always_ram=True)
    return qdrant.BinaryQuantizationConfig(always_ram=True) if name == "binary" else None


def _padded(rows: list[int], k: int) -> np.ndarray:
    return np.array(rows + [-1] * (k - len(rows)), np.int64)


def _used_bytes(folder: Path) -> int:
    # Blocks, not lengths: the engine's files have holes.
    return sum(512 * path.stat().st_blocks for path in folder.rglob("*") if path.is_file())


WAYS: dict[str, Way] = {
    "exact": partial(_own_engine, kind="exact"),
    "faiss:flat": partial(_own_engine, kind="faiss:flat"),
    "faiss:hnsw": partial(_faiss, recipe=lambda count, dim: "HNSW32", parameters=GRAPH),
    "faiss:hnsw-int8": partial(_faiss, recipe=lambda count, dim: "HNSW16,SQ8", parameters=GRAPH),
    "faiss:ivf-pq": partial(_faiss, recipe=_inverted_lists, parameters={"nprobe": 64, "k_factor_rf": 8}),
    "qdrant:hnsw": partial(_qdrant, quantiser=None),
    "qdrant:int8": partial(_qdrant, quantiser="int8", oversampling=2.0),
    "qdrant:binary": partial(_qdrant, quantiser="binary", oversampling=4.0),
    "float16": partial(_faiss, recipe=lambda count, dim: "SQfp16", parameters={}),
    "int8": partial(_faiss, recipe=lambda count, dim: "SQ8", parameters={}),
    "binary": partial(_binary, rescored=False),
    "binary-rescored": partial(_binary, rescored=True),
}
