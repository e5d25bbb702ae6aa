"""The best gallery rows of every query, in exact order, at little more than the price of the matrix product.

The products come in float32, block by block; a cheap bound on the k-th best leaves a little more than k candidates of
each row; and where two of these lie so close that rounding may have swapped them, their cosines are summed again in
float64, one pair at a time. So the order depends on the vectors alone: not on the size of the blocks, the number of
threads or the library that multiplies. Equal vectors tie exactly, and ties go to the lower gallery row.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from stylesearch.errors import EncoderError, UsageError

# Similarities that are held at once: 128 MB. The product is at its full rate from a few hundred queries on.
BLOCK_SCORES = 1 << 25

# Similarities that one thread works through: 4 MB, so that the passes over them find them in its cache.
CHUNK_SCORES = 1 << 20

# Vectors that are summed again at once: as doubles they take half of a second-level cache of 2 MB at 1,152 dimensions.
SUMMED_ROWS = 128

# The catalog keeps float16, which moves a length by at most 2^-11; anything further off was never normalised.
UNIT_TOLERANCE = 0.01

NOT_ALLOWED = np.float32(-np.inf)
LOWEST = np.finfo(np.float32).min  # of what is allowed


class Similarities:
    """All similarities between two sets of vectors, as work for threads.

    Args:
        queries: float32 (N, D), rows of unit length.
        gallery: float32 (G, D), rows of unit length; may be `queries` itself.
        own_rows: int (N,), the gallery row that a query must not meet, -1 for none; None: no query has one.
        gallery_terms: float (G,) in [-1, 1]; the best is then what has the highest 2 cos - term, and else the highest
            cosine.

    Raises EncoderError for rows that are not numbers or not of unit length, and UsageError for arrays that do not fit.
    """

    def __init__(
        self,
        queries: np.ndarray,
        gallery: np.ndarray,
        own_rows: np.ndarray | None = None,
        gallery_terms: np.ndarray | None = None,
    ) -> None:
        self.gallery = unit_rows(gallery, "gallery")
        self.queries = self.gallery if queries is gallery else unit_rows(queries, "queries")
        if self.queries.shape[1] != self.gallery.shape[1]:
            raise UsageError(
                f"Queries have {self.queries.shape[1]} numbers, gallery vectors {self.gallery.shape[1]}; "
                "the two come from different encoders."
            )
        self.own_rows = np.full(len(self.queries), -1) if own_rows is None else np.asarray(own_rows, np.int64)
        if self.own_rows.shape != (len(self.queries),) or (len(gallery) <= self.own_rows).any():
            raise UsageError(f"own_rows must give one row of the gallery, 0 to {len(gallery) - 1}, for each query.")
        self.terms = None if gallery_terms is None else np.asarray(gallery_terms, np.float64)
        if self.terms is not None and self.terms.shape != (len(self.gallery),):
            raise UsageError(f"There are {self.terms.size} terms for {len(self.gallery)} gallery rows.")
        if self.terms is not None and not (np.abs(self.terms) <= 1).all():  # so written, NaN is wrong too
            raise UsageError("A term of the gallery is not in [-1, 1], where mean cosines are.")
        self._factor = 1 if self.terms is None else 2
        # A float32 dot product of length D, summed in any order, is off by at most D u |x| |y| with u = 2^-24 (Higham,
        # Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1). Two such errors part two rows; what is
        # added is for rounding cosines and terms to float32. eps is 2 u.
        steps = self.gallery.shape[1] * (1 + UNIT_TOLERANCE) ** 2 + 4
        self.margin = np.float32(self._factor * steps * np.finfo(np.float32).eps)

    def for_each(self, work: Callable[[Chunk], None]) -> None:
        """Calls `work` on all queries, some at a time, in several threads at once."""
        import torch  # here, so that who reads a finished ranking need not load it

        queries, gallery = torch.from_numpy(self.queries), torch.from_numpy(self.gallery)
        population = len(self.gallery)
        rows = max(1, min(BLOCK_SCORES // max(1, population), len(queries)))
        step = max(1, CHUNK_SCORES // max(1, population))
        room = torch.empty(rows, population)
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            for start in range(0, len(queries), rows):
                block = queries[start : start + rows]
                scores = torch.mm(block if self.terms is None else 2 * block, gallery.T, out=room[: len(block)]).numpy()
                parts = range(0, len(block), step)
                for _ in pool.map(lambda at, s=scores, b=start: work(Chunk(self, b + at, s[at : at + step])), parts):
                    pass  # map hands on what a thread raised

    def sums(self, query: int, rows: np.ndarray) -> np.ndarray:
        """float32 (R,): cosines of a query with gallery `rows`, int64 (R,), each summed for itself in float64."""
        wide = self.queries[query].astype(np.float64)
        cosines = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), SUMMED_ROWS):
            part = slice(start, start + SUMMED_ROWS)
            # einsum runs along each row in turn; a matrix product would sum a row by its place among the others.
            cosines[part] = np.einsum("rd,d->r", self.gallery[rows[part]].astype(np.float64), wide)
        return cosines

    def exact_scores(self, query: int, rows: np.ndarray) -> np.ndarray:
        """float64 (R,): what gallery `rows`, int64 (R,), are ordered by for a query."""
        cosines = self.sums(query, rows).astype(np.float64)
        return cosines if self.terms is None else 2 * cosines - self.terms[rows]


class Chunk:
    """The similarities of some consecutive queries.

    Attributes:
        start: row of the first query.
        scores: float32 (C, G), C-contiguous, right to within rounding; `NOT_ALLOWED` where a row must not answer.
    """

    def __init__(self, similarities: Similarities, start: int, scores: np.ndarray) -> None:
        self.start, self.scores = start, scores
        self._all = similarities
        if similarities.terms is not None:
            scores -= similarities.terms.astype(np.float32)
        own = similarities.own_rows[self.queries]
        scores[np.flatnonzero(own >= 0), own[own >= 0]] = NOT_ALLOWED

    @property
    def queries(self) -> slice:
        """Rows of the query side."""
        return slice(self.start, self.start + len(self.scores))

    def best(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The best allowed rows of each query.

        Args:
            wanted: int (C,), how many; at most as many as are allowed.

        Returns:
            For T answers, query after query and best first: int64 (T,) query, from 0 to C - 1; int64 (T,) place, from
            0; int64 (T,) gallery row; float32 (T,) cosine, right to within the rounding of a float32 product.
        """
        keys = self._candidates(wanted)
        at, rows = np.divmod(keys, self.scores.shape[1])
        scores = self.scores.reshape(-1)[keys].astype(np.float64)
        order = np.lexsort((-scores, at))
        rows, scores = rows[order], scores[order]  # `at` ascends and stays
        begin = np.searchsorted(at, np.arange(len(wanted)))
        asked = np.flatnonzero(wanted)
        lowest = np.full(len(wanted), np.inf)
        lowest[asked] = scores[begin[asked] + wanted[asked] - 1] - self._all.margin
        likely = scores >= lowest[at]
        at, rows, scores = at[likely], rows[likely], scores[likely]
        self._sum_where_unsure(at, rows, scores)
        order = np.lexsort((rows, -scores, at))
        place = np.arange(len(at)) - np.searchsorted(at, np.arange(len(wanted)))[at]
        kept = place < wanted[at]
        order = order[kept]
        rows, scores = rows[order], scores[order]
        cosines = scores if self._all.terms is None else (scores + self._all.terms[rows]) / 2
        return at[kept], place[kept], rows, cosines.astype(np.float32)

    def rank_of_best(self, at: int, rows: np.ndarray) -> int:
        """From 1: the rank of the best of some gallery `rows`, int64 ascending, of which one at least is allowed."""
        scores, query, margin = self.scores[at], self.start + at, self._all.margin
        rows = rows[scores[rows] > NOT_ALLOWED]
        exact = self._all.exact_scores(query, rows)
        best, best_row = exact.max(), rows[exact.argmax()]
        surely = scores > np.float32(best) + margin
        near = np.flatnonzero((scores >= np.float32(best) - margin) & ~surely)
        exact = self._all.exact_scores(query, near)
        better = (exact > best) | ((exact == best) & (near < best_row))
        return int(np.count_nonzero(surely) + np.count_nonzero(better)) + 1

    def _sum_where_unsure(self, at: np.ndarray, rows: np.ndarray, scores: np.ndarray) -> None:
        """Puts exact scores in the place of those that rounding may have swapped; descending for each query `at`."""
        close = (at[1:] == at[:-1]) & (scores[:-1] - scores[1:] <= self._all.margin)
        unsure = np.zeros(len(at), bool)
        unsure[1:] |= close
        unsure[:-1] |= close
        places = np.flatnonzero(unsure)
        ends = np.searchsorted(at[places], np.arange(len(self.scores) + 1))
        for query in np.flatnonzero(np.diff(ends)).tolist():
            here = places[ends[query] : ends[query + 1]]
            scores[here] = self._all.exact_scores(self.start + query, rows[here])

    def _candidates(self, wanted: np.ndarray) -> np.ndarray:
        """int64 (T,), ascending: query * G + row, for all rows that rounding may hide among the `wanted` best."""
        count, population = self.scores.shape
        # The k-th highest of the maxima of disjoint groups is a lower bound of the k-th highest of all; a close one, as
        # with eight times k groups few of the k best share one. Rows of one style often lie side by side: so a group is
        # of rows that lie far apart.
        slices = max(1, population // (8 * max(1, int(wanted.max(initial=1)))))
        groups = population // slices
        maxima = self.scores[:, : slices * groups].reshape(count, slices, groups).max(1)
        lowest = np.full(count, LOWEST)
        for k in np.unique(wanted[wanted > 0]):
            asked = np.flatnonzero(wanted == k)
            kth = np.partition(maxima[asked], groups - k, axis=1)[:, groups - k]
            lowest[asked] = np.maximum(kth - self._all.margin, LOWEST)
        lowest[wanted == 0] = np.inf
        return np.flatnonzero(self.scores >= lowest[:, None])


def nearest_cosines(
    queries: np.ndarray, gallery: np.ndarray, count: int, *, own_rows: np.ndarray | None = None
) -> np.ndarray:
    """float32 (N, count) in [-1, 1]: cosines of the `count` nearest gallery rows, best first.

    -inf where there are no more. Summed in float64, so that equal vectors have equal ones: CSLS takes its terms from
    these (`stylesearch.scores`). Arguments and errors as for `Similarities`.
    """
    similarities = Similarities(queries, gallery, own_rows)
    cosines = np.full((len(queries), count), NOT_ALLOWED)
    allowed = len(gallery) - (similarities.own_rows >= 0)

    def work(chunk: Chunk) -> None:
        wanted = np.minimum(count, allowed[chunk.queries])
        at, _, rows, _ = chunk.best(wanted)
        for i, near in enumerate(np.split(rows, np.searchsorted(at, np.arange(1, len(wanted))))):
            cosines[chunk.start + i, : len(near)] = np.clip(similarities.sums(chunk.start + i, near), -1, 1)

    similarities.for_each(work)
    return cosines


def unit_rows(vectors: np.ndarray, side: str) -> np.ndarray:
    """`vectors` as C-contiguous float32 (N, D), after a check that cosines of them mean something.

    Raises EncoderError for rows that are not numbers or not of unit length; `side` names them in the message.
    """
    vectors = np.ascontiguousarray(vectors, np.float32)
    if vectors.ndim != 2:
        raise UsageError(f"The vectors of the {side} come in the shape {vectors.shape}; they must be (rows, numbers).")
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    for wrong, what in (
        (~np.isfinite(lengths), "hold values that are not numbers"),
        (np.abs(lengths - 1) > UNIT_TOLERANCE, "are not of unit length, give or take 1 %"),
    ):
        if wrong.any():
            rows = np.flatnonzero(wrong)
            listed = ", ".join(map(str, rows[:5])) + (", ..." if len(rows) > 5 else "")
            raise EncoderError(f"{len(rows)} of {len(vectors)} vectors of the {side} {what}: rows {listed}.")
    return vectors
