"""Exact rankings of a gallery for many queries at once, and what labels say about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.similarity import NOT_ALLOWED, Chunk, Similarities
from stylesearch.errors import UsageError

DEPTH = 100
"""Neighbours that a ranking keeps by default: the largest k in the tables of CSD (arXiv 2404.01292)."""


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
        cosines: float32 (Q, depth) in [-1, 1], right to within the rounding of a float32 product, also where CSLS made
            the order; -inf where there are no more.
        found: bool (Q, K), whether the i-th best answer has the query's style, False where there are no more; K is
            `depth`, or the largest `relevant` where that is larger.
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

    The order is exact and the same on every machine: pictures of equal vectors tie, and ties go to the lower gallery
    row (see `benchmarks.similarity`).

    Args:
        queries: float32 (N, D), rows of unit length.
        query_labels: N labels.
        gallery: float32 (G, D), rows of unit length; may be `queries` itself.
        gallery_labels: G labels.
        own_rows: int (N,), the gallery row that is the query itself, -1 where it is not in the gallery; None: nowhere.
            For one set against itself: `np.arange(N)`.
        protocols: who may answer.
        depth: neighbours to keep, at least 1.
        gallery_terms: float (G,) in [-1, 1], `stylesearch.scores.local_scaling` of the gallery: the order is that of
            CSLS; None: it is that of the cosine.

    Raises:
        EncoderError: vectors are not numbers, or not of unit length.
        UsageError: arrays do not fit each other, or a query and its own row in the gallery differ in style.
    """
    if len(query_labels) != len(queries) or len(gallery_labels) != len(gallery):
        raise UsageError(
            f"There are {len(query_labels)} labels for {len(queries)} queries, and {len(gallery_labels)} for "
            f"{len(gallery)} gallery pictures."
        )
    if depth < 1:
        raise UsageError(f"depth is {depth}; it must be at least 1.")
    similarities = Similarities(queries, gallery, own_rows, gallery_terms)
    answers = _Answers(query_labels, gallery_labels, similarities.own_rows)
    drafts = [_Draft(protocol, answers, depth) for protocol in protocols]
    wider_first = sorted(drafts, key=lambda draft: draft.protocol.leave_content_out)

    def work(chunk: Chunk) -> None:
        for draft in wider_first:  # what one of them takes out of the chunk stays out
            draft.fill(chunk)

    similarities.for_each(work)
    return [draft.finish() for draft in drafts]


class _Answers:
    """Which gallery pictures have a query's style, and which show its content."""

    def __init__(self, queries: Labels, gallery: Labels, own_rows: np.ndarray) -> None:
        self.style, self.gallery_style = _codes(list(queries.styles), list(gallery.styles))
        self.content, self.gallery_content = _codes(_contents(queries), _contents(gallery))
        self._of_style, self._of_content = _Members(self.gallery_style), _Members(self.gallery_content)
        self._has_own = own_rows >= 0
        self._own = own_rows[self._has_own]
        wrong = self.gallery_style[self._own] != self.style[self._has_own]
        if wrong.any():
            query = np.flatnonzero(self._has_own)[wrong][0]
            raise UsageError(f"Query {query} and its own gallery row {own_rows[query]} are labelled with two styles.")

    def with_style(self, query: int) -> np.ndarray:
        """int64, ascending: gallery rows of the query's style."""
        return self._of_style[self.style[query]]

    def with_content(self, query: int) -> np.ndarray:
        """int64, ascending: gallery rows of the query's content; none where it is unknown."""
        return self._of_content[self.content[query]]

    def count(self, leave_content_out: bool) -> tuple[np.ndarray, np.ndarray]:
        """int64 (N,) relevant and int64 (N,) allowed gallery pictures of each query."""
        own = self._has_own.astype(np.int64)
        relevant = self._of_style.sizes(self.style) - own
        allowed = len(self.gallery_style) - own
        if leave_content_out:
            known, gallery_known = self.content >= 0, self.gallery_content >= 0
            width = 1 + max(self.content.max(initial=0), self.gallery_content.max(initial=0))
            both = _Members(np.where(gallery_known, self.gallery_style * width + self.gallery_content, -1))
            own[self._has_own] = self.gallery_content[self._own] == self.content[self._has_own]  # left out already
            own[~known] = 0
            relevant -= both.sizes(np.where(known, self.style * width + self.content, -1)) - own
            allowed -= self._of_content.sizes(self.content) - own
        return relevant, allowed


class _Members:
    """The rows that carry each code; none carry -1, which says unknown."""

    def __init__(self, codes: np.ndarray) -> None:
        self._order = np.argsort(codes, kind="stable")
        self._sorted = codes[self._order]

    def __getitem__(self, code: int) -> np.ndarray:
        first, last = np.searchsorted(self._sorted, (code, code + 1)) if code >= 0 else (0, 0)
        return self._order[first:last]

    def sizes(self, codes: np.ndarray) -> np.ndarray:
        """int64 (N,): how many rows carry each of `codes`, int (N,)."""
        sizes = np.searchsorted(self._sorted, codes + 1) - np.searchsorted(self._sorted, codes)
        return np.where(codes >= 0, sizes, 0)


class _Draft:
    """A ranking while it is being filled, all queries in it."""

    def __init__(self, protocol: Protocol, answers: _Answers, depth: int) -> None:
        self.protocol = protocol
        self._answers = answers
        self._relevant, self._allowed = answers.count(protocol.leave_content_out)
        self._wanted = np.minimum(max(depth, self._relevant.max(initial=0)), self._allowed)
        count = len(self._relevant)
        self._neighbours = np.full((count, depth), -1, np.int32)
        self._cosines = np.full((count, depth), NOT_ALLOWED)
        self._found = np.zeros((count, max(depth, self._relevant.max(initial=0))), bool)
        self._first = np.zeros(count, np.int64)
        self._leaks = np.zeros(count, bool)

    def fill(self, chunk: Chunk) -> None:
        """Ranks the queries of a chunk. Several threads may fill at once: each query has its own rows."""
        answers, here = self._answers, chunk.queries
        if self.protocol.leave_content_out:
            for i in range(len(chunk.scores)):
                chunk.scores[i, answers.with_content(chunk.start + i)] = NOT_ALLOWED
        at, place, rows, cosines = chunk.best(self._wanted[here])
        query = chunk.start + at
        same_style = answers.gallery_style[rows] == answers.style[query]
        self._found[query, place] = same_style
        shown = place < self._neighbours.shape[1]
        self._neighbours[query[shown], place[shown]] = rows[shown]
        self._cosines[query[shown], place[shown]] = np.clip(cosines[shown], -1, 1)
        same_content = (answers.gallery_content[rows] == answers.content[query]) & (answers.content[query] >= 0)
        self._leaks[query[place == 0]] = (same_content & ~same_style)[place == 0]

        found = self._found[here]
        hit = found.any(1)
        self._first[here] = np.where(hit, found.argmax(1) + 1, 0)
        for i in np.flatnonzero((self._relevant[here] > 0) & ~hit).tolist():
            self._first[chunk.start + i] = chunk.rank_of_best(i, answers.with_style(chunk.start + i))

    def finish(self) -> Ranking:
        """The ranking of the queries that have an answer."""
        answerable = self._relevant > 0
        kept = slice(None) if answerable.all() else answerable  # a mask copies
        return Ranking(
            protocol=self.protocol,
            queries=np.flatnonzero(answerable),
            unanswerable=np.flatnonzero(~answerable),
            neighbours=self._neighbours[kept],
            cosines=self._cosines[kept],
            found=self._found[kept],
            relevant=self._relevant[kept],
            allowed=self._allowed[kept],
            first=self._first[kept],
            leaks=None if self.protocol.leave_content_out else self._leaks,
        )


def _contents(labels: Labels) -> Sequence[str | None]:
    return [None] * len(labels) if labels.contents is None else list(labels.contents)


def _codes(queries: Sequence[str | None], gallery: Sequence[str | None]) -> tuple[np.ndarray, np.ndarray]:
    """int64 (N,), int64 (G,): equal numbers for equal names on either side, from 0; -1 for None."""
    codes: dict[str | None, int] = {None: -1}
    first, second = ([codes.setdefault(name, len(codes) - 1) for name in side] for side in (queries, gallery))
    return np.array(first, np.int64), np.array(second, np.int64)
