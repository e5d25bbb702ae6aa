"""Exact search in NumPy: the reference that every other engine must agree with, and the engine without FAISS."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from stylesearch.vectors.flat import FlatIndex, cut
from stylesearch.vectors.table import BLOCK_ROWS, VectorTable

# Scores that are held at once: 16 MB, and as much again while they are partitioned.
BLOCK_SCORES = 1 << 22

# Below this share of allowed rows it is faster to copy them out than to score all: a row copied costs as much as about
# four rows scored (measured at 384 dimensions, one query).
NARROW = 0.25


class ExactIndex(FlatIndex):
    """Matrix products over all vectors, in blocks of queries so that memory stays bounded."""

    kind = "exact"

    def _candidates(
        self, table: VectorTable, queries: np.ndarray, wanted: int, mask: np.ndarray | None, population: int
    ) -> Iterator[np.ndarray]:
        rows = None if mask is None else np.flatnonzero(mask)
        narrow = population < NARROW * len(table)
        step = max(1, BLOCK_SCORES // (population if narrow else len(table)))
        for start in range(0, len(queries), step):
            block = queries[start : start + step]
            scores = _scores_of(table, block, rows) if rows is not None and narrow else block @ table.vectors.T
            if rows is not None and not narrow:
                scores = scores[:, rows]
            worst = np.partition(scores, population - wanted, axis=1)[:, population - wanted]
            for near in scores >= cut(worst, table.dim)[:, None]:
                found = np.flatnonzero(near)
                yield found if rows is None else rows[found]


def _scores_of(table: VectorTable, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
    scores = np.empty((len(queries), len(rows)), np.float32)
    for start in range(0, len(rows), BLOCK_ROWS):  # in blocks: a fancy index makes a copy
        block = slice(start, start + BLOCK_ROWS)
        scores[:, block] = queries @ table.vectors[rows[block]].T
    return scores
