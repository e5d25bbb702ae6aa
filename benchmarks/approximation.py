"""What approximate search, quantised vectors and shorter vectors lose against exact search, as users see it.

An engine's recall says how many of the exact neighbours it finds; whether the missing ones mattered, precision says.
Both are measured here on the same queries, beside memory and time. See `benchmarks.approximate_search` for the ways.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.approximate_search import PQ_GALLERY, Built, installed_ways, way
from benchmarks.metrics import mean_precision, precision
from benchmarks.similarity import unit_rows
from stylesearch.errors import UsageError

DEPTH = 10

# Two cosines closer than this are a tie: engines sum in float32, in other orders.
TIE = 1e-6


@dataclass(frozen=True)
class Loss:
    """One way to search, and what it loses against exact search. Means over the same queries.

    Attributes:
        what: name of the way; see `benchmarks.approximate_search`.
        recall_10: share of the first ten, the query left out, that are as near as the tenth of exact search or nearer.
            By similarity, not by identity, so that a tie is no loss (Aumueller, Bernhardsson, Faithfull 2018,
            ANN-Benchmarks, arXiv 1807.05614, section 2.1).
        precision_1, mean_precision_10: as in `benchmarks.metrics`, leave-one-out, in [0, 1].
        precision_1_change, mean_precision_10_change: minus those of exact search on the same queries.
        bytes_per_vector: what it keeps of a picture, its structure included.
        build_seconds: from vectors in memory to the first query.
        query_ms: median of one query at a time.
    """

    what: str
    recall_10: float
    precision_1: float
    mean_precision_10: float
    precision_1_change: float
    mean_precision_10_change: float
    bytes_per_vector: float
    build_seconds: float
    query_ms: float


def default_ways(count: int, dim: int) -> list[str]:
    """Installed ways that bear `count` vectors, and `dim` numbers cut to a half, a quarter, an eighth, a sixteenth."""
    lengths = [dim // part for part in (2, 4, 8, 16) if dim // part]
    engines = [name for name in installed_ways() if name != "faiss:ivf-pq" or count >= PQ_GALLERY]
    return engines + [f"{by}:{length}" for by in ("first", "pca") for length in lengths]


def losses(
    vectors: np.ndarray,
    styles: np.ndarray,
    *,
    ways: Sequence[str] | None = None,
    queries: int = 500,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> list[Loss]:
    """Measures each way on the same gallery with the same queries.

    Every query is a picture of the gallery that shares its style with another one; it does not answer itself.

    Args:
        vectors: float32 (N, D), rows of unit length.
        styles: (N,) of str.
        ways: names; None: `default_ways`. Exact search comes first in any case.
        queries: at most so many, drawn at random.
        seed: for the draw.
        progress: called with the name of each way before it is built.

    Returns:
        a row for "exact", then one for each way in order.

    Raises:
        UsageError: no two pictures share a style, or there is no such way.
        EncoderError: a vector is not of unit length, or not finite.
        MissingDependencyError: a way was named whose engine is not installed.
    """
    vectors = unit_rows(vectors, "gallery")
    asked = _draw_queries(styles, queries, seed)
    names = [name for name in (default_ways(*vectors.shape) if ways is None else ways) if name != "exact"]
    found = [(name, way(name)) for name in names]  # a wrong name is told before minutes are spent on the others
    rows: list[Loss] = []
    exact: np.ndarray | None = None
    for name, build in [("exact", way("exact")), *found]:
        if progress is not None:
            progress(name)
        start = time.perf_counter()
        with build(vectors) as built:
            seconds = time.perf_counter() - start
            neighbours, taken = _ask(built, vectors, asked)
        exact = neighbours if exact is None else exact
        recall = _recall(vectors, asked, exact, neighbours)
        right = (styles[neighbours] == styles[asked, None]) & (neighbours >= 0)
        p1, mean10 = float(precision(right, 1).mean()), float(mean_precision(right, DEPTH).mean())
        first = rows[0] if rows else None
        rows.append(
            Loss(
                name,
                recall,
                p1,
                mean10,
                p1 - first.precision_1 if first else 0.0,
                mean10 - first.mean_precision_10 if first else 0.0,
                built.bytes / len(vectors),
                seconds,
                1e3 * float(np.median(taken)),
            )
        )
    return rows


def _draw_queries(styles: np.ndarray, count: int, seed: int) -> np.ndarray:
    _, style, sizes = np.unique(styles, return_inverse=True, return_counts=True)
    answerable = np.flatnonzero(sizes[style] > 1)
    if not len(answerable):
        raise UsageError("No two pictures share a style, so no query has an answer.")
    chosen = np.random.default_rng(seed).permutation(answerable)[:count]
    return np.sort(chosen)


def _ask(built: Built, vectors: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows int64 (Q, DEPTH), -1 where there are no more, and seconds (Q,)."""
    neighbours = np.full((len(asked), DEPTH), -1, np.int64)
    taken = np.empty(len(asked))
    wanted = min(DEPTH + 1, len(vectors))
    built.search(vectors[asked[0]], wanted)  # the first one wakes threads and pages
    for i, row in enumerate(asked):
        start = time.perf_counter()
        found = built.search(vectors[row], wanted)
        taken[i] = time.perf_counter() - start
        others = found[(found != row) & (found >= 0)][:DEPTH]
        neighbours[i, : len(others)] = others
    return neighbours, taken


def _recall(vectors: np.ndarray, asked: np.ndarray, exact: np.ndarray, found: np.ndarray) -> float:
    shares = []
    for query, best, rows in zip(vectors[asked], exact, found, strict=True):
        best, rows = best[best >= 0], rows[rows >= 0]
        last = (vectors[best] @ query).min()
        shares.append(np.count_nonzero(vectors[rows] @ query >= last - TIE) / len(best))
    return float(np.mean(shares))
