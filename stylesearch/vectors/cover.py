"""Which rows of a table a structure stands for, and which it does not know."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stylesearch.vectors.structures import Structure
from stylesearch.vectors.table import BLOCK_ROWS, VectorTable


@dataclass(frozen=True)
class Cover:
    """A structure laid over a table: entries whose vector is gone are tombstones, rows without an entry are fresh.

    Attributes:
        structure: built over an earlier table.
        table: the present one.
        rows: int64 (R,): row of each of the structure's entries; -1: a tombstone.
        fresh: int64 (F,): the other rows, ascending.
    """

    structure: Structure
    table: VectorTable
    rows: np.ndarray
    fresh: np.ndarray

    @classmethod
    def over(cls, structure: Structure, alive: np.ndarray, table: VectorTable) -> Cover:
        """Entries for which `alive`, bool (R,), is False are tombstones, as are those of ids that the table lacks."""
        rows = np.empty(len(structure.entry_ids), np.int64)
        for start in range(0, len(rows), BLOCK_ROWS):  # in blocks: the process keeps what is given back
            block = slice(start, start + BLOCK_ROWS)
            rows[block] = np.where(alive[block], table.rows(structure.entry_ids[block]), -1)
        known = np.zeros(len(table), bool)
        known[rows[rows >= 0]] = True
        return cls(structure, table, rows, np.flatnonzero(~known))

    def after(self, table: VectorTable, touched: np.ndarray) -> Cover:
        """The cover of a table that changes to the ids `touched`, int64 (C,), have turned this one's into."""
        old = len(self.table)
        if not self.table.mask(touched).any() and np.array_equal(table.ids[:old], self.table.ids):
            return Cover(self.structure, table, self.rows, np.append(self.fresh, np.arange(old, len(table))))
        return Cover.over(self.structure, self.alive & ~np.isin(self.structure.entry_ids, touched), table)

    @cached_property
    def alive(self) -> np.ndarray:
        """bool (R,): entries that are no tombstones."""
        return np.asarray(self.rows >= 0)

    @cached_property
    def tombstones(self) -> int:
        """Number of entries whose vector is gone."""
        return len(self.rows) - int(np.count_nonzero(self.alive))

    @cached_property
    def _whole(self) -> bool:
        return bool(self.alive.all())

    @cached_property
    def _distinct(self) -> bool:
        return len(self.structure) == len(self.rows)

    def nodes(self, mask: np.ndarray | None) -> np.ndarray | None:
        """bool (M,): the nodes that stand for a row of `mask`, bool (N,); None: all of them do."""
        if mask is None and self._whole:
            return None
        entries = self.alive if mask is None else mask[self.rows] & self.alive
        return entries if self._distinct else np.logical_or.reduceat(entries, self.structure.starts[:-1])

    def rows_of(self, nodes: np.ndarray, mask: np.ndarray | None, most: int) -> np.ndarray:
        """int64 rows within `mask` that the nodes, int64 (F,) padded with -1, stand for: the first `most` of each."""
        nodes = nodes[nodes >= 0]
        if self._distinct:
            rows = self.rows[nodes]
        else:
            starts = self.structure.starts
            sizes = starts[nodes + 1] - starts[nodes]
            if mask is None and self._whole:
                sizes = np.minimum(sizes, most)  # they tie, and the smallest ids come first
            before = np.cumsum(sizes) - sizes
            rows = self.rows[np.repeat(starts[nodes] - before, sizes) + np.arange(sizes.sum())]
        rows = np.asarray(rows[rows >= 0])
        return rows if mask is None else np.asarray(rows[mask[rows]])
