"""What a cosine means where it was measured: CSLS, cross-domain similarity local scaling.

A picture in a crowded corner of a space is near to everything there, so a raw cosine ranks it too high (a hub), and one
threshold fits no two corners. CSLS takes off how near the pictures' own neighbours are (Conneau et al. 2018, Word
translation without parallel data, arXiv 1710.04087, section 2.3):

    csls(q, g) = 2 cos(q, g) - r(q) - r(g),    r(x) = mean cosine of x to its k nearest neighbours

CSD+ (arXiv 2605.09030) uses it on style vectors, with k = 15. Here both neighbourhoods lie in the gallery, where
Conneau et al. take those of the gallery among the queries: a search has one query at a time. A picture is no neighbour
of itself. r(q) is the same for all answers to a query: it moves scores between queries, and no answer within one.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import numpy as np

from stylesearch.records import Changes
from stylesearch.vectors.base import VectorIndex

NEIGHBOURS = 15
"""k of CSD+ (arXiv 2605.09030)."""


def local_scaling(nearest: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """r of CSLS: float64 (N,) in [-1, 1].

    Args:
        nearest: float (N, K), K >= k: cosines of N pictures to their nearest neighbours in the gallery, themselves left
            out, best first; -inf where there are no more.
        k: how many neighbours count; where there are fewer, these; where there are none, r is 0.
    """
    nearest = nearest[:, :k].astype(np.float64)
    present = nearest > -np.inf
    return np.asarray(np.where(present, nearest, 0).sum(1) / np.maximum(present.sum(1), 1))


def csls(cosines: np.ndarray, query_terms: np.ndarray, gallery_terms: np.ndarray) -> np.ndarray:
    """2 cos - r(q) - r(g): float64 (Q, R) in [-4, 4], higher is better.

    Args:
        cosines: float (Q, R) of Q queries to R answers each.
        query_terms: float (Q,), `local_scaling` of the queries.
        gallery_terms: float (Q, R) or (R,), `local_scaling` of the answers.
    """
    return np.asarray(2.0 * cosines - query_terms[:, None] - gallery_terms, np.float64)


class _Neighbourhood(NamedTuple):
    """r of a picture of the gallery; the least cosine and the ids of its neighbours, and its vector."""

    term: float
    least: float
    ids: frozenset[int]
    vector: np.ndarray


_MOST = 20_000  # pictures whose neighbourhood is remembered: 30 MB at 384 dimensions


class LocalScaling:
    """r of CSLS for the pictures of an index, worked out when it is asked for, remembered while it holds.

    One search for each picture that is new here. Remembered terms are those that working them out again would give, up
    to what an approximate index overlooks: a picture is forgotten when a vector comes that is nearer to it than the
    last of its neighbours, or when one of these, or itself, goes or changes. One thread at a time.
    """

    def __init__(self, k: int = NEIGHBOURS) -> None:
        self._k = k
        self._known: dict[int, _Neighbourhood] = {}

    def follow(self, changes: Changes) -> None:
        """Forgets what holds no more after these changes of the index."""
        if len(changes.asset_ids) > _MOST:
            self._known.clear()
        if not self._known:
            return
        changed = set(changes.asset_ids.tolist())
        known = list(self._known.items())
        stale = np.array([asset_id in changed or not changed.isdisjoint(near.ids) for asset_id, near in known])
        if changes.live.any():
            vectors = np.stack([near.vector for _, near in known])
            nearest = (vectors @ changes.vectors[changes.live].T).max(axis=1)
            stale |= nearest >= np.array([near.least for _, near in known]) - 1e-6  # float32 may round it down
        for (asset_id, _), wrong in zip(known, stale, strict=True):
            if wrong:
                del self._known[asset_id]

    def terms(self, ids: Sequence[int], vectors: np.ndarray, index: VectorIndex) -> np.ndarray:
        """r of pictures of the index: float64 (N,).

        Args:
            ids: N asset ids.
            vectors: theirs, float32 (N, D), rows of unit length.
        """
        if len(self._known) > _MOST:
            self._known.clear()
        new = [row for row, asset_id in enumerate(ids) if asset_id not in self._known]
        if new:
            found, cosines = self._near(vectors[new], index, [{ids[row]} for row in new])
            for place, row in enumerate(new):
                near = found[place][found[place] >= 0]
                least = float(cosines[place, -1])  # -inf where there are fewer: any vector that comes is a neighbour
                term = float(local_scaling(cosines[place : place + 1], self._k)[0])
                self._known[ids[row]] = _Neighbourhood(term, least, frozenset(near.tolist()), vectors[row])
        return np.array([self._known[asset_id].term for asset_id in ids])

    def around(self, vectors: np.ndarray, index: VectorIndex, left_out: Sequence[AbstractSet[int]]) -> np.ndarray:
        """r of vectors from outside: float64 (N,).

        Args:
            vectors: float32 (N, D), rows of unit length.
            left_out: for each the ids that are no neighbours of it, such as its own.
        """
        return local_scaling(self._near(vectors, index, left_out)[1], self._k)

    def _near(
        self, vectors: np.ndarray, index: VectorIndex, left_out: Sequence[AbstractSet[int]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """int64 (N, k) ids and float32 (N, k) cosines of the nearest that are not left out, -1 and -inf at the end."""
        found = index.search(vectors, self._k + max(map(len, left_out), default=0))
        ids = np.full((len(vectors), self._k), -1, np.int64)
        cosines = np.full((len(vectors), self._k), -np.inf, np.float32)
        for row, without in enumerate(left_out):
            kept = [place for place, asset_id in enumerate(found.ids[row].tolist()) if asset_id not in without]
            kept = kept[: self._k]
            ids[row, : len(kept)], cosines[row, : len(kept)] = found.ids[row, kept], found.cosines[row, kept]
        return ids, cosines
