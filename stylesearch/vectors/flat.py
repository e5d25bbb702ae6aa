"""What the exact engines share: the table, the file, and answers that do not depend on the engine."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np

from stylesearch.errors import UsageError
from stylesearch.records import Changes
from stylesearch.vectors.base import Above, Allowed, Neighbours, VectorIndex, ids_of, ranked_above
from stylesearch.vectors.files import read_table, write_table
from stylesearch.vectors.table import BLOCK_ROWS, UNIT_TOLERANCE, VectorTable, unit_rows


class FlatIndex(VectorIndex):
    """An index that compares a query with every vector.

    An engine only proposes candidates, in float32; their cosines are then summed in float64 and ranked here. As the
    candidates hold everything that rounding could have pushed below the cut, all engines give the same ids and the same
    cosines, bit for bit, whatever else is in the batch and however ties fall.
    """

    def __init__(self, dim: int) -> None:
        self._table = VectorTable.empty(dim)
        self._changing = threading.Lock()

    @property
    def dim(self) -> int:
        return self._table.dim

    @property
    def sequence(self) -> int:
        return self._table.sequence

    @property
    def history(self) -> str:
        return self._table.history

    def __len__(self) -> int:
        return len(self._table)

    def apply(self, changes: Changes) -> None:
        with self._changing:
            if changes.sequence > self._table.sequence:
                self._table = self._table.after(self._table.news(changes))

    def search(self, queries: np.ndarray, k: int, allowed: Allowed = None) -> Neighbours:
        if k < 1:
            raise UsageError(f"k is {k}; it must be at least 1.")
        table = self._table  # this one to the end, whatever another thread applies meanwhile
        queries = unit_rows(queries, table.dim, "The query")
        ids_allowed = ids_of(allowed)
        mask = None if ids_allowed is None else table.mask(ids_allowed)
        population = len(table) if mask is None else int(np.count_nonzero(mask))
        wanted = min(k, population)
        ids = np.full((len(queries), k), -1, np.int64)
        cosines = np.full((len(queries), k), -np.inf, np.float32)
        if wanted and len(queries):
            for i, rows in enumerate(self._candidates(table, queries, wanted, mask, population)):
                scores = table.cosines(queries[i], rows)
                best = np.lexsort((rows, -scores))[:wanted]  # rows ascend as ids do
                ids[i, :wanted] = table.ids[rows[best]]
                cosines[i, :wanted] = scores[best]
        return Neighbours(ids, cosines)

    def above(self, query: np.ndarray, least: float, allowed: Allowed = None) -> Above:
        table = self._table
        query = unit_rows(query[None], table.dim, "The query")[0]
        lowest = float(cut(np.full(1, least, np.float32), table.dim)[0])
        near = [
            start + np.flatnonzero(table.vectors[start : start + BLOCK_ROWS] @ query >= lowest)
            for start in range(0, len(table), BLOCK_ROWS)
        ]
        rows = np.concatenate([np.empty(0, np.int64), *near])
        if (ids := ids_of(allowed)) is not None:
            rows = rows[table.mask(ids)[rows]]
        return ranked_above(table.ids[rows], table.cosines(query, rows), least)

    @abstractmethod
    def _candidates(
        self, table: VectorTable, queries: np.ndarray, wanted: int, mask: np.ndarray | None, population: int
    ) -> Iterator[np.ndarray]:
        """For each query in turn, the rows that may be among its `wanted` best.

        Args:
            table: what to search.
            queries: float32 (Q, D), rows of unit length, C-contiguous, Q >= 1.
            wanted: from 1 to `population`.
            mask: bool (N,), the rows to choose from; None: all.
            population: number of rows to choose from.

        Yields:
            int64 (R,), R >= wanted: every row whose float32 score is at least `cut` of the wanted-th best, and no row
            twice.
        """

    def save(self, path: Path) -> None:
        write_table(path, self._table)

    @classmethod
    def load(cls, path: Path) -> Self:
        table, _, _ = read_table(path)
        index = cls(table.dim)
        index._table = table
        return index


def cut(scores: np.ndarray, dim: int) -> np.ndarray:
    """Lowest float32 score that may belong to as good a row as one that scored `scores`, float32 (Q,).

    A float32 dot product of length D, summed in any order, is off by at most D * u * |x| |y| with u = 2^-24 (Higham,
    Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1). Two such errors, and two u for cosines that
    become equal in float32, part the two rows at most. Cosines end at -1 and 1, and scores beyond tie with those there.
    """
    margin = (dim + 2) * float(np.finfo(np.float32).eps) * (1 + UNIT_TOLERANCE) ** 2  # eps is 2 u
    lowest = np.minimum(scores, np.float32(1)) - np.float32(margin)
    return np.where(lowest > -1, lowest, np.float32(-np.inf))
