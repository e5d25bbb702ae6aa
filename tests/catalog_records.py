"""Small records to fill a catalog with."""

from __future__ import annotations

import hashlib

import numpy as np

from stylesearch.catalog import Catalog
from stylesearch.records import Appearance, Colour, FileStat, IndexedFile, Metadata, Refusal, Space

DIM = 8
SPACE = Space("fake:one", "f1", DIM, "float32", "p1")
APPEARANCE = Appearance((Colour(0.5, 0.25, -0.125, 1.0),), 2**63 + 5)
OTHER_SPACE = Space("fake:two", "f2", DIM, "float32", "p1")


def sha(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def vector(content: str) -> np.ndarray:
    """float32 (DIM,), unit length, a different one for each content."""
    drawn = np.random.default_rng(int(sha(content)[:8], 16)).normal(size=DIM).astype(np.float32)
    return drawn / np.linalg.norm(drawn)


def live_vectors(catalog: Catalog, space: Space) -> int:
    """How many vectors of present assets the catalog holds in this space."""
    return sum(int(some.live.sum()) for some in catalog.changes(catalog.ensure_space(space), 0))


def indexed(uri: str, content: str, mtime: int = 1, encoded: bool = True, format: str = "PNG") -> IndexedFile:
    stat = FileStat(uri, len(content), mtime)
    if not encoded:
        return IndexedFile(stat, sha(content), format, 4, 3, None)
    return IndexedFile(stat, sha(content), format, 4, 3, vector(content), Metadata(), APPEARANCE)


def refused(uri: str, mtime: int = 1) -> Refusal:
    return Refusal(FileStat(uri, 9, mtime), "truncated", "The file ends too early.", sha(uri))
