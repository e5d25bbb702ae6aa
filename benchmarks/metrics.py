"""Retrieval metrics: arrays in, one number for each query out. Their mean over queries is the caller's.

Everything here reads the outcome of Q queries as `benchmarks.ranking` gives it:

    found     bool (Q, K): whether the i-th best allowed gallery picture has the query's style; where a gallery ends
              earlier, False.
    relevant  int (Q,), at least 1: how many allowed gallery pictures have it.
    first     int (Q,), from 1: rank of the best of these.

Results are float64 (Q,) in [0, 1]. precision@i is the share of the i best that are relevant; missing pictures count as
wrong, so it is always divided by i. A `k` below 1 or above K is a UsageError.

Two names mean several things in this field. "Recall@k" of CSD and MegaStyle is `hit_rate`, not `recall`. Their "mAP@k"
is `mean_precision`, which weights wrong answers as heavily as right ones; it is neither `average_precision` nor
`map_at_r`.
"""

from __future__ import annotations

import numpy as np

from stylesearch.errors import UsageError

_BLOCK = 1 << 22  # precisions that are held at once, 32 MB: a style may have thousands of pictures


def hit_rate(found: np.ndarray, k: int) -> np.ndarray:
    """1 where any of the k best is relevant, else 0.

    "Recall@k" of metric learning (Song et al. 2016, arXiv 1511.06452), of CSD (arXiv 2404.01292; `get_recall_bin` of
    its code) and of MegaStyle (arXiv 2604.08364).
    """
    return np.asarray(_top(found, k).any(1), np.float64)


def precision(found: np.ndarray, k: int) -> np.ndarray:
    """precision@k (Manning, Raghavan and Schütze 2008, Introduction to Information Retrieval, section 8.4)."""
    share: np.ndarray = _top(found, k).sum(1) / k
    return share


def mean_precision(found: np.ndarray, k: int) -> np.ndarray:
    """Mean of precision@1, precision@2, ... precision@k.

    "mAP@k" of CSD (arXiv 2404.01292; `get_map_bin` of its code) and of MegaStyle (arXiv 2604.08364). For k = 1 it
    equals `hit_rate`, as the tables of both show.
    """
    mean: np.ndarray = _precisions(_top(found, k)).mean(1)
    return mean


def average_precision(found: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """Sum of precision@i over the relevant ranks i <= k, divided by min(k, relevant).

    AP@k of the Google Landmarks retrieval task (Weyand et al. 2020, arXiv 2004.01804): 1 if and only if nothing wrong
    stands above anything right among the k best.
    """
    top = _top(found, k)
    average: np.ndarray = (top * _precisions(top)).sum(1) / np.minimum(k, relevant)
    return average


def map_at_r(found: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """`average_precision` at k = R, the query's own number of relevant pictures.

    Musgrave, Belongie and Lim 2020, arXiv 2003.08505, section 3.2. A `found` of fewer columns than the largest R is a
    UsageError.
    """
    top = _top(found, int(relevant.max(initial=1)))
    rank = np.arange(1, top.shape[1] + 1)
    average = np.empty(len(top))
    step = max(1, _BLOCK // top.shape[1])
    for start in range(0, len(top), step):
        here = slice(start, start + step)
        right = top[here] & (rank <= relevant[here, None])
        average[here] = (right * _precisions(right)).sum(1) / relevant[here]
    return average


def recall(found: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """Share of the relevant pictures that are among the k best; at most k / relevant.

    Manning, Raghavan and Schütze 2008, section 8.3. Not the "Recall@k" of CSD and MegaStyle, which is `hit_rate`.
    """
    share: np.ndarray = _top(found, k).sum(1) / relevant
    return share


def reciprocal_rank(first: np.ndarray) -> np.ndarray:
    """1 / rank of the best relevant picture, however deep it lies; its mean is MRR (Voorhees 1999, TREC-8)."""
    return 1 / first.astype(np.float64)


def ndcg(found: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """Sum of 1 / log2(i + 1) over the relevant ranks i <= k, divided by that of the best possible ranking.

    Järvelin and Kekäläinen 2002, ACM TOIS 20(4), with gains of 0 and 1 and the discount of Manning, Raghavan and
    Schütze 2008, section 8.4.
    """
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discount)[np.minimum(k, relevant) - 1]
    gain: np.ndarray = _top(found, k) @ discount / ideal
    return gain


def _top(found: np.ndarray, k: int) -> np.ndarray:
    if not 1 <= k <= found.shape[1]:
        raise UsageError(f"k is {k}; this ranking allows 1 to {found.shape[1]}. Rank with a depth of {k} for more.")
    return found[:, :k]


def _precisions(top: np.ndarray) -> np.ndarray:
    """float64 (Q, K): precision@1 to precision@K."""
    shares: np.ndarray = np.cumsum(top, 1) / np.arange(1, top.shape[1] + 1)
    return shares
