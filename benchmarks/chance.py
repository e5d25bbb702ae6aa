"""What a random ranking scores: the expectation of each metric of `benchmarks.metrics`, in closed form.

Each function has the name of its metric and takes, in the place of an outcome, what is known before any ranking:

    relevant  int (Q,), at least 1: allowed gallery pictures that have the query's style (R).
    allowed   int (Q,), at least `relevant`: gallery pictures that may answer (A).

All A! orders are equally likely, so the number of relevant pictures among the k best is hypergeometric. Results are
float64 (Q,) in [0, 1]. Every formula is checked against the mean over all orders of small galleries.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def hit_rate(relevant: np.ndarray, allowed: np.ndarray, k: int) -> np.ndarray:
    """1 - C(A - R, k) / C(A, k)."""

    def one(r: int, a: int) -> float:
        drawn = np.arange(min(k, a))
        return float(1 - np.prod(np.maximum(a - r - drawn, 0) / (a - drawn)))

    return _for_each(one, relevant, allowed)


def precision(relevant: np.ndarray, allowed: np.ndarray, k: int) -> np.ndarray:
    """R / A, times min(k, A) / k: ranks beyond the gallery are wrong."""
    share: np.ndarray = relevant / allowed * np.minimum(k, allowed) / k
    return share


def mean_precision(relevant: np.ndarray, allowed: np.ndarray, k: int) -> np.ndarray:
    """Mean of the expected precision@1 to precision@k."""
    return sum((precision(relevant, allowed, i) for i in range(1, k + 1)), np.zeros(len(relevant))) / k


def average_precision(relevant: np.ndarray, allowed: np.ndarray, k: int) -> np.ndarray:
    """Sum over i <= min(k, A) of R / A * (1 + (i - 1) (R - 1) / (A - 1)) / i, divided by min(k, R).

    Rank i is relevant with probability R / A, and each rank above it then with (R - 1) / (A - 1).
    """
    return _for_each(lambda r, a: _precision_at_hits(r, a, k) / min(k, r), relevant, allowed)


def map_at_r(relevant: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """`average_precision` at k = R."""
    return _for_each(lambda r, a: _precision_at_hits(r, a, r) / r, relevant, allowed)


def recall(relevant: np.ndarray, allowed: np.ndarray, k: int) -> np.ndarray:
    """min(k, A) / A."""
    share: np.ndarray = np.minimum(k, allowed) / allowed
    return share


def reciprocal_rank(relevant: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Sum over f of 1 / f * C(A - f, R - 1) / C(A, R), the chance that the best relevant picture has rank f."""

    def one(r: int, a: int) -> float:
        rank = np.arange(1, a - r + 2)
        later = np.cumprod(np.concatenate([[1.0], (a - r - rank[:-1] + 1) / (a - rank[:-1] + 1)]))  # than rank - 1
        return float((later * r / (a - rank + 1) / rank).sum())

    return _for_each(one, relevant, allowed)


def ndcg(relevant: np.ndarray, allowed: np.ndarray, k: int) -> np.ndarray:
    """R / A, times the discounts of the first min(k, A) ranks, divided by those of the first min(k, R)."""
    discounts = np.cumsum(1 / np.log2(np.arange(2, k + 2)))
    expected, ideal = discounts[np.minimum(k, allowed) - 1], discounts[np.minimum(k, relevant) - 1]
    gain: np.ndarray = relevant / allowed * expected / ideal
    return gain


def _precision_at_hits(r: int, a: int, k: int) -> float:
    i = np.arange(1, min(k, a) + 1)
    return float((r / a * (1 + (i - 1) * (r - 1) / max(a - 1, 1)) / i).sum())


def _for_each(one: Callable[[int, int], float], relevant: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """`one` of each (R, A), computed once for equal pairs, of which a benchmark has few."""
    pairs, at = np.unique(np.stack([relevant, allowed], 1), axis=0, return_inverse=True)
    return np.array([one(int(r), int(a)) for r, a in pairs], np.float64)[at.reshape(-1)]
