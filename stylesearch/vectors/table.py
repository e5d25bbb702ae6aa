"""The vectors of an index at one moment, as two arrays that nobody changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stylesearch.errors import SpaceMismatchError, VectorIndexError
from stylesearch.records import Changes

# The catalog keeps float16, which moves a length by at most 2^-11; anything further off was never normalised.
UNIT_TOLERANCE = 0.01

# Rows that are copied or scored at once: 24 MB of float32 at 384 dimensions.
BLOCK_ROWS = 16_384

# Where ids are so dense, and so many are asked for, a table of all of them costs less than bisection.
_LOOKUP = 16

# Room for later rows, as a share of the rows there are: appending N rows one by one copies O(N) rows in all.
SPARE_ROOM = 0.5


class VectorTable:
    """Asset ids and their vectors, sorted by id.

    A table is a value: `after` returns another one, so a search that holds a table is not disturbed by changes. Being
    sorted, equal tables come out of equal catalogs whatever the order of changes, an id is found by bisection, and the
    order of rows is the order of ids.

    Attributes:
        ids: int64 (N,), ascending, each once.
        vectors: float32 (N, D), C-contiguous; row i belongs to ids[i].
        sequence: sequence number of the last change that is contained.
        history: the catalog's token for that change.
    """

    __slots__ = ("_id_room", "_vector_room", "history", "ids", "sequence", "vectors")

    def __init__(self, id_room: np.ndarray, vector_room: np.ndarray, count: int, sequence: int, history: str) -> None:
        self._id_room = id_room  # rows from `count` on are free for the next table that appends
        self._vector_room = vector_room
        self.ids = id_room[:count]
        self.vectors = vector_room[:count]
        self.sequence = sequence
        self.history = history

    @classmethod
    def empty(cls, dim: int) -> VectorTable:
        """A table without rows, at sequence number 0."""
        return cls(np.empty(0, np.int64), np.empty((0, dim), np.float32), 0, 0, "")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._vector_room.shape[1])

    def after(self, changes: Changes) -> VectorTable:
        """The table that `changes` turn this one into; where an id is given several times, the last one counts.

        New ids above all present ones cost their own copy only. Any other change copies the table once, so such changes
        come best in few large stretches. Only the newest table may be followed by another.
        """
        dead, new_ids, new_vectors = last_words(changes, self.dim)
        keep = ~self.mask(np.concatenate([dead, new_ids]))
        if keep.all() and (not len(self) or not len(new_ids) or new_ids[0] > self.ids[-1]):
            return self._appended(new_ids, new_vectors, changes)
        return self._merged(keep, new_ids, new_vectors, changes)

    def news(self, changes: Changes) -> Changes:
        """The changes without those that say what the table holds already.

        An asset comes again where its tags have changed, and that must not cost a structure its entry.
        """
        if not self.mask(changes.asset_ids).any():
            return changes
        dead, ids, vectors = last_words(changes, self.dim)
        rows = self.rows(ids)
        same = rows >= 0
        same[same] = (self.vectors[rows[same]] == vectors[same]).all(axis=1)
        ids, vectors = np.append(dead, ids[~same]), np.concatenate([np.zeros((len(dead), self.dim)), vectors[~same]])
        live = np.arange(len(ids)) >= len(dead)
        return replace(changes, asset_ids=ids, vectors=vectors.astype(np.float32), live=live)

    def _appended(self, ids: np.ndarray, vectors: np.ndarray, changes: Changes) -> VectorTable:
        old, count = len(self), len(self) + len(ids)
        id_room, vector_room = self._id_room, self._vector_room
        if count > len(id_room):
            id_room, vector_room = _room(count, self.dim)
            id_room[:old], vector_room[:old] = self.ids, self.vectors
        if count > old:  # the room of a table that is mapped from its file cannot be written to
            id_room[old:count], vector_room[old:count] = ids, vectors
        return VectorTable(id_room, vector_room, count, changes.sequence, changes.history)

    def _merged(self, keep: np.ndarray, ids: np.ndarray, vectors: np.ndarray, changes: Changes) -> VectorTable:
        kept = np.flatnonzero(keep)
        count = len(kept) + len(ids)
        id_room, vector_room = _room(count, self.dim)
        merged_ids = id_room[:count]
        merged_ids[:] = np.concatenate([self.ids[kept], ids])
        merged_ids.sort()
        target = np.searchsorted(merged_ids, self.ids[kept])
        for start in range(0, len(kept), BLOCK_ROWS):  # in blocks: a fancy index makes a copy
            block = slice(start, start + BLOCK_ROWS)
            vector_room[target[block]] = self.vectors[kept[block]]
        vector_room[np.searchsorted(merged_ids, ids)] = vectors
        return VectorTable(id_room, vector_room, count, changes.sequence, changes.history)

    def rows(self, ids: np.ndarray) -> np.ndarray:
        """int64 (M,): the row of each of `ids`, int64 (M,) in any order; -1 where there is none."""
        if not len(self):
            return np.full(len(ids), -1, np.int64)
        rows = np.minimum(np.searchsorted(self.ids, ids), len(self) - 1)
        return np.where(self.ids[rows] == ids, rows, -1)

    def mask(self, ids: np.ndarray) -> np.ndarray:
        """bool (N,): True for the rows whose id is among `ids`, int64 (M,) in any order."""
        if 0 < len(self) < _LOOKUP * len(ids) and self.ids[-1] < _LOOKUP * len(self):  # many, of few that there can be
            known = np.zeros(int(self.ids[-1]) + 1, dtype=bool)
            known[ids[(ids >= 0) & (ids < len(known))]] = True
            return np.asarray(known[self.ids])
        mask = np.zeros(len(self), dtype=bool)
        rows = self.rows(ids)
        mask[rows[rows >= 0]] = True
        return mask

    def cosines(self, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """float32 (R,) cosines in [-1, 1] between `query`, float32 (D,), and the vectors of `rows`, int64 (R,).

        Summed in float64 row by row, so the value depends on the two vectors alone: not on the engine that proposed the
        row, nor on the other rows and queries, as with float32 matrix products.
        """
        result = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), BLOCK_ROWS):  # in blocks: a fancy index makes a copy
            block = slice(start, start + BLOCK_ROWS)
            result[block] = cosines_of(query, self.vectors[rows[block]])
        return result


def cosines_of(query: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """float32 (N,) cosines in [-1, 1] between `query`, float32 (D,), and `vectors`, float32 (N, D).

    As `VectorTable.cosines`.
    """
    result: np.ndarray = (vectors * query.astype(np.float64)).sum(axis=1).astype(np.float32)
    np.clip(result, -1, 1, out=result)
    return result


def last_words(changes: Changes, dim: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is left of `changes` where an id is given several times: the last one counts.

    Returns:
        int64 ids to remove; int64 (N,) ids to add or replace; float32 (N, dim) their vectors. Ids ascend, each once.

    Raises:
        SpaceMismatchError, VectorIndexError: see `unit_rows`.
    """
    ids, from_end = np.unique(changes.asset_ids[::-1], return_index=True)
    last = len(changes.asset_ids) - 1 - from_end
    live, ids = changes.live[last], ids.astype(np.int64)
    return ids[~live], ids[live], unit_rows(changes.vectors[last[live]], dim, "A vector of the catalog")


def unit_rows(vectors: np.ndarray, dim: int, what: str) -> np.ndarray:
    """`vectors` as C-contiguous float32 (N, dim), after a check that they can be compared.

    Raises SpaceMismatchError for another length and VectorIndexError for rows that are not of unit length; `what`
    begins the message.
    """
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise SpaceMismatchError(
            f"{what} comes in the shape {vectors.shape}; this index holds vectors of {dim} numbers. "
            "The two come from different encoders."
        )
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    wrong = ~(np.abs(lengths - 1) <= UNIT_TOLERANCE)  # so written, NaN is wrong too
    if wrong.any():
        raise VectorIndexError(f"{what} has the length {lengths[wrong][0]:.4g}; it must be 1, give or take 1 %.")
    return vectors


def _room(count: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    capacity = count + int(count * SPARE_ROOM)
    return np.empty(capacity, np.int64), np.empty((capacity, dim), np.float32)
