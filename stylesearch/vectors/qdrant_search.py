"""Search by Qdrant's engine, wherever it runs: it proposes candidates, their cosines are summed again here."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np

from stylesearch.errors import UsageError, VectorIndexError
from stylesearch.records import Changes
from stylesearch.vectors.base import Allowed, Neighbours, VectorIndex
from stylesearch.vectors.flat import cut
from stylesearch.vectors.qdrant_payload import payload_of
from stylesearch.vectors.table import cosines_of, last_words, unit_rows

Payload: TypeAlias = dict[str, Any]

STYLE = "style"  # name of the vector of a point

# The point that says what the index holds. Asset ids are int64, so none is ever so large.
HEADER = 2**63

# Of a payload: what StyleSearch notes down about the index itself.
KEY = "stylesearch"

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

    takes_facts = True
    _batch: ClassVar[int]  # points that are written together

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

    def apply(self, changes: Changes) -> None:
        with self._lock, self._engine_errors():
            dead, ids, vectors = last_words(changes, self._dim)
            if changes.sequence <= self._follow_others():
                return
            payloads = [payload_of(changes.facts[i]) if i in changes.facts else None for i in ids.tolist()]
            self._begin(len(ids), described=any(payloads))
            if len(dead):
                self._remove(dead)
            for start in range(0, len(ids), self._batch):
                rows = slice(start, start + self._batch)
                self._put(ids[rows], vectors[rows], payloads[rows])
            self._complete(changes.sequence, changes.history)

    def _follow_others(self) -> int:
        """The sequence number up to which the engine has been filled."""
        return self._sequence

    def _begin(self, count: int, *, described: bool) -> None:
        """Called before the first change of a stretch that brings `count` vectors, and payloads where `described`."""

    def _put(self, ids: np.ndarray, vectors: np.ndarray, payloads: Sequence[Payload | None]) -> None:
        """Adds points, and brings those up to date that are there. A vector that stays is left where it is, since a
        graph would lose it until it is built again."""
        held = self._held(ids) if self._count else {}
        same = np.array([i in held and np.array_equal(held[i], v) for i, v in zip(ids.tolist(), vectors, strict=True)])
        if not same.all():
            given = [payload for payload, stays in zip(payloads, same, strict=True) if not stays]
            self._write(ids[~same], vectors[~same], given, held.keys())
        self._describe(ids[same].tolist(), [payload for payload, stays in zip(payloads, same, strict=True) if stays])

    def search(self, queries: np.ndarray, k: int, allowed: Allowed = None) -> Neighbours:
        if k < 1:
            raise UsageError(f"k is {k}; it must be at least 1.")
        queries = unit_rows(queries, self._dim, "The query")
        ids = np.full((len(queries), k), -1, np.int64)
        cosines = np.full((len(queries), k), -np.inf, np.float32)
        most = self._count
        if isinstance(allowed, np.ndarray):
            allowed = np.unique(allowed[allowed >= 0])  # the engine's ids are unsigned
            most = min(most, len(allowed))
        with self._lock, self._engine_errors():
            wanted = min(k, most)
            for i, query in enumerate(queries if wanted else ()):
                points = self._candidates(query, wanted, allowed)
                scores = cosines_of(query, self._checked(points.vectors))
                best = np.lexsort((points.ids, -scores))[:wanted]
                ids[i, : len(best)], cosines[i, : len(best)] = points.ids[best], scores[best]
        return Neighbours(ids, cosines)

    def _checked(self, vectors: np.ndarray) -> np.ndarray:
        """The engine compares nothing with checksums while it runs."""
        try:
            return unit_rows(vectors, self._dim, "A vector")
        except VectorIndexError as exc:
            raise VectorIndexError(
                f"The vector index of kind '{self.kind}' is damaged ({exc}). Rebuild it with: stylesearch rebuild"
            ) from exc

    def _candidates(self, query: np.ndarray, wanted: int, allowed: Allowed) -> Points:
        """All points that may be among the `wanted` best, or, where a graph is walked, those that it led to."""
        exact = self._compares_all()
        limit = wanted + max(SPARE, wanted if not exact else wanted // 8)
        among, kept = allowed, None
        if isinstance(allowed, np.ndarray):
            # The engine looks every id up. Where they are many, it is cheaper to ask for more and drop the others.
            share = min(1.0, len(allowed) / self._count)
            if len(allowed) * share > POINT_COST * limit:
                among, kept, limit = None, allowed, int(limit / share) + SPARE
            else:
                exact = True  # over the few that are allowed
        while True:
            points = self._query(query, limit, among, exact)
            answered, lowest = len(points.ids), points.scores[-1] if len(points.ids) else -np.inf
            if kept is not None:
                inside = np.isin(points.ids, kept)
                points = Points(*(column[inside] for column in points))
            enough = len(points.ids) >= wanted
            if enough and exact:
                enough = bool(lowest < cut(points.scores[wanted - 1], self._dim))
            if enough or answered < limit:
                return points
            limit *= 4  # more of the tie, or of what is allowed, may lie beyond

    @abstractmethod
    def _remove(self, ids: np.ndarray) -> None:
        """Takes points, int64 (N,), out of the index; some may not be there."""

    @abstractmethod
    def _held(self, ids: np.ndarray) -> dict[int, np.ndarray]:
        """The vectors of those of these ids that are there."""

    @abstractmethod
    def _write(
        self, ids: np.ndarray, vectors: np.ndarray, payloads: Sequence[Payload | None], present: AbstractSet[int]
    ) -> None:
        """Adds points, and replaces those that are `present`."""

    @abstractmethod
    def _describe(self, ids: Sequence[int], payloads: Sequence[Payload | None]) -> None:
        """Exchanges the payload of points that are there; None: it stays."""

    @abstractmethod
    def _complete(self, sequence: int, history: str) -> None:
        """Notes down that a stretch has been applied."""

    @abstractmethod
    def _query(self, query: np.ndarray, limit: int, among: Allowed, exact: bool) -> Points:
        """The `limit` nearest points.

        Args:
            query: float32 (D,).
            limit: at least 1.
            among: int64 (M,) ids to choose from, or conditions; None: all.
            exact: compare all of them; otherwise walk the graph, where there is one.
        """

    @abstractmethod
    def _engine_errors(self) -> AbstractContextManager[None]:
        """What the engine raises, as VectorIndexError."""


def walk(engine: Any, limit: int, among: Allowed) -> dict[str, Any]:
    """`SearchParams` of a walk through the graph; `engine`: the module that has them, of either client.

    Under a filter the walk looks at neighbours of neighbours, too (ACORN, arXiv 2403.04871): among a million vectors,
    half of which were kept, recall@10 was 0.995 with it; without it 0.97 to 0.98, and 0.987 with a walk six times as
    long, which took as much time (measured).
    """
    rescoring = engine.QuantizationSearchParams(rescore=True, oversampling=OVERSAMPLING)
    acorn = engine.AcornSearchParams(enable=among is not None, max_selectivity=1.0)
    return {"hnsw_ef": max(WALK, limit), "quantization": rescoring, "acorn": acorn}


def graph_from_kilobytes(dim: int) -> int:
    """`indexing_threshold` and `full_scan_threshold` of Qdrant for `GRAPH_FROM` vectors."""
    return max(1, GRAPH_FROM * dim * 4 // 1024)
