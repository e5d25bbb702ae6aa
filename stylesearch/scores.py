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

import numpy as np

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
