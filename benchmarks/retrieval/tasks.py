"""What is asked of what: the tasks that sets allow, each with its protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from benchmarks.datasets import StyleSet
from benchmarks.ranking import LEAVE_ONE_OUT, OWN_CONTENT_LEFT_OUT, Labels, Protocol
from benchmarks.retrieval.results import Picture
from stylesearch.uris import printable

QUERY_GALLERY = Protocol("query_gallery", leave_content_out=False)
CROSS_SOURCE = Protocol("cross_source", leave_content_out=False)
PROTOCOLS = (LEAVE_ONE_OUT, OWN_CONTENT_LEFT_OUT, QUERY_GALLERY, CROSS_SOURCE)
PROTOCOL_NEEDS = (
    "leave_one_out and own_content_left_out need a set without roles, the second with contents; query_gallery a set "
    "with roles; cross_source --queries and --gallery."
)


@dataclass(frozen=True)
class Side:
    """The N queries of a task, or its gallery.

    Attributes:
        pictures: the set.
        rows: int64 (N,) rows of the set.
    """

    pictures: StyleSet
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def labels(self) -> Labels:
        """Of the N pictures."""
        styles = np.array([self.pictures.styles[row] for row in self.rows], dtype=object).astype(str)
        contents = np.array([self.pictures.contents[row] for row in self.rows], dtype=object)
        return Labels(styles, contents)

    def picture(self, at: int) -> Picture:
        """What a report calls the picture at this place, 0 to N - 1."""
        row, of = int(self.rows[at]), self.pictures
        content = of.contents[row]
        return Picture(
            of.name,
            row,
            printable(of.names[row]),
            printable(of.styles[row]),
            printable(content) if content is not None else None,
        )


@dataclass(frozen=True)
class Task:
    """Queries, a gallery, and the protocols under which the first ask the second."""

    queries: Side
    gallery: Side
    protocols: tuple[Protocol, ...]

    @property
    def names(self) -> set[str]:
        """What a gate may call it: the set of its queries, and "queries → gallery" where they differ."""
        asking, answering = self.queries.pictures.name, self.gallery.pictures.name
        return {asking} if asking == answering else {asking, f"{asking} → {answering}"}

    @cached_property
    def own_rows(self) -> np.ndarray:
        """int64 (Q,): where in the gallery each query itself is, known by its bytes; -1 where it is not."""
        places = {self.gallery.pictures.checksums[row]: at for at, row in enumerate(self.gallery.rows)}
        checksums = (self.queries.pictures.checksums[row] for row in self.queries.rows)
        return np.array([places.get(checksum, -1) for checksum in checksums], np.int64)

    def among(self, usable: Mapping[str, np.ndarray]) -> Task:
        """The same of the rows that have a vector, by the name of their set."""
        queries, gallery = (
            replace(side, rows=np.intersect1d(side.rows, usable[side.pictures.name]))
            for side in (self.queries, self.gallery)
        )
        return replace(self, queries=queries, gallery=gallery)


def within(pictures: StyleSet, asked: Sequence[str] | None) -> Task:
    """A set against itself: every picture against all others, unless the set says which are queries.

    Args:
        pictures: the set.
        asked: names of protocols; None: all that the set allows.
    """
    queries, gallery = (
        Side(pictures, np.array([row for row, role in enumerate(pictures.roles) if role != other], np.int64))
        for other in ("gallery", "query")
    )
    if set(pictures.roles) - {"both"}:
        allowed = [QUERY_GALLERY]
    else:
        known = any(content is not None for content in pictures.contents)
        allowed = [LEAVE_ONE_OUT, OWN_CONTENT_LEFT_OUT] if known else [LEAVE_ONE_OUT]
    return Task(queries, gallery, tuple(each for each in allowed if asked is None or each.name in asked))


def across(queries: StyleSet, gallery: StyleSet, asked: Sequence[str] | None) -> Task:
    """One set asks another. A query whose style the other lacks has no answer, and is counted so.

    A picture that lies in both under two styles is in neither side: nobody knows which style is right.
    """
    protocols = (CROSS_SOURCE,) if asked is None or CROSS_SOURCE.name in asked else ()
    _, conflicting = in_both(queries, gallery)
    return Task(
        Side(queries, np.setdiff1d(np.arange(len(queries)), [row for row, _ in conflicting])),
        Side(gallery, np.setdiff1d(np.arange(len(gallery)), [row for _, row in conflicting])),
        protocols,
    )


def in_both(queries: StyleSet, gallery: StyleSet) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Rows of the same bytes in two sets: those of one style, and those of two."""
    alike: list[tuple[int, int]] = []
    conflicting: list[tuple[int, int]] = []
    rows = {checksum: row for row, checksum in enumerate(gallery.checksums)}
    for row, checksum in enumerate(queries.checksums):
        if (other := rows.get(checksum)) is not None:
            pairs = alike if queries.styles[row] == gallery.styles[other] else conflicting
            pairs.append((row, other))
    return alike, conflicting
