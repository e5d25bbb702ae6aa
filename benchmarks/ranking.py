"""Exact rankings of a gallery for many queries at once, and what labels say about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DEPTH = 100
"""Neighbours that a ranking keeps by default: the largest k that this field reports (CSD, arXiv 2404.01292, table 1)."""


@dataclass(frozen=True)
class Labels:
    """What is shown, and how.

    Attributes:
        styles: (N,) of str.
        contents: (N,) of str, or None where the content is unknown, which equals no other content; None: all unknown.
    """

    styles: np.ndarray
    contents: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.styles)


@dataclass(frozen=True)
class Protocol:
    """Which gallery pictures may answer a query. The query itself never may.

    Attributes:
        name: for reports.
        leave_content_out: pictures of the query's own content may not answer, where contents are known.
    """

    name: str
    leave_content_out: bool


LEAVE_ONE_OUT = Protocol("leave_one_out", leave_content_out=False)
OWN_CONTENT_LEFT_OUT = Protocol("own_content_left_out", leave_content_out=True)


@dataclass(frozen=True)
class Ranking:
    """Answers to Q queries under one protocol; rows of `benchmarks.metrics`.

    Attributes:
        protocol: who may answer.
        queries: int64 (Q,) rows of the query side that have at least one relevant answer, ascending.
        unanswerable: int64 rows of the query side that have none, ascending; they are in no metric.
        neighbours: int32 (Q, depth) gallery rows, best first; -1 where there are no more.
        cosines: float32 (Q, depth) in [-1, 1], also where CSLS made the order; -inf where there are no more.
        found: bool (Q, K), whether the i-th best answer has the query's style; K = max(depth, the largest `relevant`),
            filled for each query down to its own max(depth, relevant), False beyond and where there are no more.
        relevant: int64 (Q,), at least 1: allowed gallery pictures of the query's style.
        allowed: int64 (Q,): gallery pictures that may answer.
        first: int64 (Q,), from 1: rank of the best relevant answer, however deep it lies.
        leaks: bool (rows of the query side,), whether the nearest allowed picture shows the query's content in another
            style; False where the content is unknown. None under a protocol that leaves own content out.
    """

    protocol: Protocol
    queries: np.ndarray
    unanswerable: np.ndarray
    neighbours: np.ndarray
    cosines: np.ndarray
    found: np.ndarray
    relevant: np.ndarray
    allowed: np.ndarray
    first: np.ndarray
    leaks: np.ndarray | None


def rank(
    queries: np.ndarray,
    query_labels: Labels,
    gallery: np.ndarray,
    gallery_labels: Labels,
    *,
    own_rows: np.ndarray | None = None,
    protocols: Sequence[Protocol] = (LEAVE_ONE_OUT, OWN_CONTENT_LEFT_OUT),
    depth: int = DEPTH,
    gallery_terms: np.ndarray | None = None,
) -> list[Ranking]:
    """One ranking for each protocol, from one pass over the similarities.

    Args:
        queries: float32 (N, D), rows of unit length.
        query_labels: N labels.
        gallery: float32 (G, D), rows of unit length; may be `queries` itself.
        gallery_labels: G labels.
        own_rows: int (N,), the gallery row that is the query itself, -1 where it is not in the gallery; None: nowhere.
            For one set against itself: `np.arange(N)`.
        protocols: who may answer.
        depth: neighbours to keep, at least 1.
        gallery_terms: float (G,), r of `stylesearch.scores` for each gallery row: the order is that of CSLS,
            2 cos - r; None: the order is that of the cosine.
    """
    raise NotImplementedError


def nearest_cosines(
    queries: np.ndarray, gallery: np.ndarray, count: int, *, own_rows: np.ndarray | None = None
) -> np.ndarray:
    """float32 (N, count): cosines of the `count` nearest gallery rows, best first, -inf where there are no more.

    What CSLS takes its terms from. Arguments as for `rank`.
    """
    raise NotImplementedError
