"""What is asked of what: the tasks that sets allow, each with its protocols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.datasets import StyleSet
from benchmarks.ranking import LEAVE_ONE_OUT, OWN_CONTENT_LEFT_OUT, Labels, Protocol
from benchmarks.retrieval.results import Picture
from stylesearch.records import printable

QUERY_GALLERY = Protocol("query_gallery", leave_content_out=False)
CROSS_SOURCE = Protocol("cross_source", leave_content_out=False)
PROTOCOLS = (LEAVE_ONE_OUT, OWN_CONTENT_LEFT_OUT, QUERY_GALLERY, CROSS_SOURCE)


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
    def own_rows(self) -> np.ndarray | None:
        """int64 (Q,): where in the gallery each query itself is, -1 where it is not; None: nowhere."""
        if self.queries.pictures is not self.gallery.pictures:
            return None
        places = np.full(len(self.queries.pictures), -1)
        places[self.gallery.rows] = np.arange(len(self.gallery))
        own: np.ndarray = places[self.queries.rows]
        return own


def within(pictures: StyleSet, usable: np.ndarray, asked: Sequence[str] | None) -> Task:
    """A set against itself: every picture against all others, unless the set says which are queries.

    Args:
        pictures: the set.
        usable: int64, rows that have a vector.
        asked: names of protocols; None: all that the set allows.
    """
    queries, gallery = (
        Side(pictures, np.array([row for row in usable if pictures.roles[row] != other], np.int64))
        for other in ("gallery", "query")
    )
    if set(pictures.roles) - {"both"}:
        allowed = [QUERY_GALLERY]
    else:
        known = any(content is not None for content in pictures.contents)
        allowed = [LEAVE_ONE_OUT, OWN_CONTENT_LEFT_OUT] if known else [LEAVE_ONE_OUT]
    return Task(queries, gallery, tuple(each for each in allowed if asked is None or each.name in asked))


def across(queries: StyleSet, gallery: StyleSet, usable: dict[str, np.ndarray], asked: Sequence[str] | None) -> Task:
    """One set asks another. A query whose style the other lacks has no answer, and is counted so."""
    protocols = (CROSS_SOURCE,) if asked is None or CROSS_SOURCE.name in asked else ()
    return Task(Side(queries, usable[queries.name]), Side(gallery, usable[gallery.name]), protocols)
