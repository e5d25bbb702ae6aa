"""Search by Qdrant's engine, wherever it runs: it proposes candidates, their cosines are summed again here."""

from __future__ import annotations

import threading
from abc import abstractmethod
from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np

from stylesearch.errors import UsageError
from stylesearch.vectors.base import Neighbours, VectorIndex
from stylesearch.vectors.flat import cut
from stylesearch.vectors.table import cosines_of, unit_rows

STYLE = "style"  # name of the vector of a point

# The point that says what the index holds. Asset ids are int64, so none is ever so large.
HEADER = 2**63

# Points fetched beyond those wanted, so that ties at the cut are seen at the first attempt.
SPARE = 16

# Vectors from which on a graph is built and walked; below, comparing all of them takes a few milliseconds.
GRAPH_FROM = 20_000

WALK = 128  # hnsw_ef: candidates kept while the graph is walked
LINKS, BUILD = 16, 100  # m and ef_construct, Qdrant's defaults
OVERSAMPLING = 2.0  # candidates by codes of one byte a number that the engine scores again by the vectors themselves

# What a point answered costs, in ids of a filter: a vector to convert against an id to look up (measured).
POINT_COST = 3


class Points(NamedTuple):
    """What the engine answered, best first: int64 (R,) ids, float32 (R,) scores, float32 (R, D) vectors."""

    ids: np.ndarray
    scores: np.ndarray
    vectors: np.ndarray


class QdrantSearch(VectorIndex):
    """What an index in this process and one on a server share. One thread at a time searches or changes it."""

    def __init__(self, dim: int, *, exact: bool = False) -> None:
        self._lock = threading.Lock()
        self._exact = exact
        self._sequence, self._history, self._count, self._dim = 0, "", 0, dim

    @property
    def dim(self) -> int:
        return self._dim

    @property
    def sequence(self) -> int:
        return self._sequence

    @property
    def history(self) -> str:
        return self._history

    def __len__(self) -> int:
        return self._count

    @property
    def layout(self) -> str:
        return "exact" if self._compares_all() else "hnsw of Qdrant, where it has been built"

    def _compares_all(self) -> bool:
        return self._exact or self._count < GRAPH_FROM

    def search(self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None) -> Neighbours:
        if k < 1:
            raise UsageError(f"k is {k}; it must be at least 1.")
        queries = unit_rows(queries, self._dim, "The query")
        ids = np.full((len(queries), k), -1, np.int64)
        cosines = np.full((len(queries), k), -np.inf, np.float32)
        if allowed is not None:
            allowed = np.unique(allowed[allowed >= 0])  # the engine's ids are unsigned
        with self._lock, self._engine_errors():
            wanted = min(k, self._count if allowed is None else min(self._count, len(allowed)))
            for i, query in enumerate(queries if wanted else ()):
                points = self._candidates(query, wanted, allowed)
                scores = cosines_of(query, points.vectors)
                best = np.lexsort((points.ids, -scores))[:wanted]
                ids[i, : len(best)], cosines[i, : len(best)] = points.ids[best], scores[best]
        return Neighbours(ids, cosines)

    def _candidates(self, query: np.ndarray, wanted: int, allowed: np.ndarray | None) -> Points:
        """All points that may be among the `wanted` best, or, where a graph is walked, those that it led to."""
        exact = self._compares_all()
        limit = wanted + max(SPARE, wanted if not exact else wanted // 8)
        among = allowed
        if allowed is not None:
            # The engine looks every id up. Where they are many, it is cheaper to ask for more and drop the others.
            share = min(1.0, len(allowed) / self._count)
            if len(allowed) * share > POINT_COST * limit:
                among, limit = None, int(limit / share) + SPARE
            else:
                exact = True  # over the few that are allowed
        while True:
            points = self._query(query, limit, among, exact)
            answered, lowest = len(points.ids), points.scores[-1] if len(points.ids) else -np.inf
            if allowed is not None and among is None:
                kept = np.isin(points.ids, allowed)
                points = Points(*(column[kept] for column in points))
            enough = len(points.ids) >= wanted
            if enough and exact:
                enough = bool(lowest < cut(points.scores[wanted - 1], self._dim))
            if enough or answered < limit:
                return points
            limit *= 4  # more of the tie, or of what is allowed, may lie beyond

    @abstractmethod
    def _query(self, query: np.ndarray, limit: int, among: np.ndarray | None, exact: bool) -> Points:
        """The `limit` nearest points.

        Args:
            query: float32 (D,).
            limit: at least 1.
            among: int64 (M,) ids to choose from; None: all.
            exact: compare all of them; otherwise walk the graph, where there is one.
        """

    @abstractmethod
    def _engine_errors(self) -> AbstractContextManager[None]:
        """What the engine raises, as VectorIndexError."""


def graph_from_kilobytes(dim: int) -> int:
    """`indexing_threshold` and `full_scan_threshold` of Qdrant for `GRAPH_FROM` vectors."""
    return max(1, GRAPH_FROM * dim * 4 // 1024)
