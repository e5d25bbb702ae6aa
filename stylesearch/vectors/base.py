"""The interface of a vector index.

An index is a cache of the catalog's vectors of one space: it can be dropped and rebuilt at any time, and it says up to
which sequence number of the catalog it has seen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, NamedTuple, Self, TypeAlias

import numpy as np

from stylesearch.errors import UsageError
from stylesearch.records import Changes


class Neighbours(NamedTuple):
    """Answer to Q queries.

    Attributes:
        ids: int64 (Q, k), asset ids, best first; -1 where fewer than k were found.
        cosines: float32 (Q, k) in [-1, 1], not increasing along a row; -inf where ids is -1.
    """

    ids: np.ndarray
    cosines: np.ndarray


class Above(NamedTuple):
    """Answer to a range search.

    Attributes:
        ids: int64 (R,), asset ids, best first, equal cosines by ascending id.
        cosines: float32 (R,) in [-1, 1].
    """

    ids: np.ndarray
    cosines: np.ndarray


class Condition(NamedTuple):
    """One thing that must be so of an asset's facts. Of words, any of those given will do.

    Attributes:
        key: name of an attribute of `records.Facts`.
        equals, contains, begins: a word is one of these, has one of them within it, begins with one of them.
        between: the number is at least, and at most, so much; None leaves a side open. What holds is 1, else 0.
    """

    key: str
    equals: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()
    begins: tuple[str, ...] = ()
    between: tuple[int | None, int | None] | None = None


Allowed: TypeAlias = "np.ndarray | tuple[Condition, ...] | None"


class VectorIndex(ABC):
    """Nearest vectors by cosine, keyed by asset id.

    Threads may search while another applies changes; each search sees the index before or after them, never between.

    Attributes:
        kind: name of the engine, as `open_index` takes it.
        takes_facts: whether it keeps the facts of changes, and answers conditions on them.
    """

    kind: ClassVar[str]
    takes_facts: ClassVar[bool] = False

    @property
    @abstractmethod
    def dim(self) -> int:
        """Length of a vector."""

    @property
    @abstractmethod
    def sequence(self) -> int:
        """Sequence number of the last change that was applied; 0 for a new index."""

    @property
    @abstractmethod
    def history(self) -> str:
        """The catalog's token for that change; "" for a new index. See `Catalog.history`."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of live vectors."""

    @abstractmethod
    def apply(self, changes: Changes) -> None:
        """Adds, replaces and removes vectors, then takes over `changes.sequence` and `.history`.

        A stretch that ends at or before `sequence` has been seen already and changes nothing.

        Raises:
            SpaceMismatchError: the vectors are of another length than `dim`.
            VectorIndexError: a live vector is not of unit length.
        """

    @abstractmethod
    def search(self, queries: np.ndarray, k: int, allowed: Allowed = None) -> Neighbours:
        """The k nearest of each query.

        Args:
            queries: float32 (Q, D), rows of unit length.
            k: at least 1.
            allowed: int64 (M,) asset ids to choose from, in any order; ids that are not in the index are passed over;
                or conditions that all must hold, of an index that `takes_facts`; None: all.

        Returns:
            Neighbours; equal cosines are ordered by ascending asset id.

        Raises:
            SpaceMismatchError: the queries are of another length than `dim`.
            VectorIndexError: a query is not of unit length.
            UsageError: k < 1.
        """

    def above(self, query: np.ndarray, least: float, allowed: Allowed = None) -> Above:
        """All whose cosine is at least `least`: a range search.

        Args:
            query: float32 (D,), unit length.
            least: in [-1, 1].
            allowed: as of `search`.

        Returns:
            Where the index searches approximately, some may be missing.

        Raises as `search` does.
        """
        k = 64
        while True:
            found = self.search(query[None], k, allowed)
            if found.ids[0, -1] < 0 or found.cosines[0, -1] < least or k >= len(self):
                present = found.ids[0] >= 0
                return ranked_above(found.ids[0][present], found.cosines[0][present], least)
            k = min(8 * k, len(self))

    @property
    def layout(self) -> str:
        """How it searches at this moment, in a few words."""
        return "exact"

    def optimize(self) -> None:  # noqa: B027 - most have nothing to do
        """Finishes what makes searches fast, such as a graph; takes minutes for millions of vectors."""

    def close(self) -> None:  # noqa: B027 - most have nothing to release
        """Ends threads, and releases files for other processes. What was not saved is lost; it cannot be used again."""

    @abstractmethod
    def save(self, path: Path) -> None:
        """Writes the index beside the old file and puts it in its place in one step.

        Raises VectorIndexError where the operating system refuses; the old file is then still whole.
        """

    @classmethod
    @abstractmethod
    def load(cls, path: Path) -> Self:
        """Raises VectorIndexError where the file is damaged or of another kind or version."""


def ids_of(allowed: Allowed) -> np.ndarray | None:
    """Raises UsageError for conditions: the index keeps no facts."""
    if isinstance(allowed, tuple):
        raise UsageError("This vector index keeps no facts; look up in the catalog which assets are meant.")
    return allowed


def ranked_above(ids: np.ndarray, cosines: np.ndarray, least: float) -> Above:
    """Those of at least `least`, best first, equal ones by ascending id."""
    kept = np.flatnonzero(cosines >= np.float32(least))
    kept = kept[np.lexsort((ids[kept], -cosines[kept]))]
    return Above(ids[kept], cosines[kept])
