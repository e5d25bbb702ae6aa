"""Libraries of drawn vectors and no pictures: the vector of a file follows from its number, so that any process knows
what must be found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stylesearch.library import Library
from stylesearch.records import Batch, FileStat, IndexedFile, Space
from stylesearch.settings import LibrarySettings

DIM = 64


def create(folder: Path, index: str) -> None:
    """A library without files, of no encoder; `index` as `IndexChoice.parse` takes it."""
    folder.mkdir(parents=True)
    LibrarySettings(space=Space("benchmark:drawn", "0" * 64, DIM, "float32", "none"), index=index).write(folder)


def vector_of(number: int) -> np.ndarray:
    """float32 (DIM,), unit length. A hundred in a row are of one style."""
    style, own = (np.random.default_rng([seed, *rest]).standard_normal(DIM) for seed, *rest in _seeds(number))
    vector = style + 0.6 * own
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def _seeds(number: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return (0, number // 100), (1, number)


def number_of(path: str) -> int:
    """Of the file at that path."""
    return int(Path(path).stem)


def insert(library: Library, group: int, numbers: Sequence[int]) -> None:
    """Adds files in one transaction, as the indexer does."""
    catalog = library.catalog
    files = [
        IndexedFile(FileStat(path_of(group, number), 1, 1), f"{number:064x}", "PNG", 8, 8, vector_of(number))
        for number in numbers
    ]
    scan_id = catalog.begin_scan(f"/drawn/{group}")
    catalog.write(catalog.ensure_space(library.space), scan_id, Batch(indexed=files))


def path_of(group: int, number: int) -> str:
    """Where a file of a group lies."""
    return f"/drawn/{group}/{number}.png"
