"""Finds where catalog, vector indexes and thumbnails have drifted apart, and mends it.

The catalog is the truth, so an index that differs is made anew from it, and a thumbnail that belongs to no picture
goes. A thumbnail that is missing is no fault: it is made when it is shown.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from stylesearch.catalog import Catalog
from stylesearch.catalog.checking import Fault, faults
from stylesearch.errors import CatalogError, SpaceMismatchError, VectorIndexError
from stylesearch.library import Library
from stylesearch.spaces import SearchSpace
from stylesearch.thumbnails import SHELVES

# Vectors of an index that are looked up by themselves: a thousand at once, among each other.
_LOOKED_UP, _BLOCK = 20_000, 1_000
_SAME = 0.99  # the least cosine of a vector and its own copy in an index that packs vectors closely

_YOUNG_SECONDS = 3600.0  # what is younger may be in the making: a picture's thumbnail is there before its row
_MANY = 5_000


@dataclass(frozen=True)
class Finding:
    """What is wrong, or was.

    Attributes:
        where: "catalog", "index" or "thumbnails".
        problem: a short fixed word.
        count: of things that have it.
        message: for people.
        mendable: whether `doctor --mend` can do something.
        mended: whether it has.
    """

    where: str
    problem: str
    count: int
    message: str
    mendable: bool
    mended: bool


def examine(library: Library, *, mend: bool = False) -> Iterator[Finding]:
    """Goes through a library; reads every vector in the catalog, and the name of every thumbnail.

    Args:
        mend: whether to mend what can be; otherwise nothing is changed.

    Raises:
        CatalogError: the catalog cannot even be read.
    """
    parts = {
        "catalog": chain(faults(library.catalog), _mask_faults(library)),
        "index": _index_faults(library),
        "thumbnails": _thumbnail_faults(library.catalog, library.thumbnails, library.searching().id),
    }
    for where, found in parts.items():
        for fault in found:
            mended = mend and fault.cure is not None
            if mended and fault.cure is not None:
                fault.cure()
            yield Finding(where, fault.problem, fault.count, fault.message, fault.cure is not None, mended)


def _mask_faults(library: Library) -> Iterator[Fault]:
    choice = library.settings.masker
    masker = choice.fingerprint if choice else None
    if count := library.catalog.count_other_masks(masker):
        message = f"{count:,} masks are of maskers that the library has no more."
        yield Fault("leftover", count, message, partial(library.catalog.drop_other_masks, masker))


def _index_faults(library: Library) -> Iterator[Fault]:
    for space in library.spaces:
        searching = library.searching(space.name)
        anew = partial(_make_anew, searching)
        try:
            message = _difference(library.catalog, searching)
        except (VectorIndexError, SpaceMismatchError) as exc:
            message = str(exc)
        except CatalogError as exc:  # vectors that are wrong in the catalog, too
            yield Fault("index", 1, f"The index of '{space.name}' cannot be compared. {exc}")
            continue
        if message is not None:
            yield Fault("index", 1, message, anew)
    keys = {space.key for space in library.spaces}
    left = [
        path
        for path in sorted((library.folder / "index").glob("*"))
        if re.match(r"[0-9a-f]{16}\.", path.name) and path.name[:16] not in keys
    ]
    if left:
        message = f"Indexes of spaces that the library has no more: {', '.join(path.name for path in left)}."
        yield Fault("leftover", len(left), message, partial(_delete, left))


def _make_anew(searching: SearchSpace) -> None:
    searching.drop_index()
    searching.saved(anew=True)


def _difference(catalog: Catalog, searching: SearchSpace) -> str | None:
    """How an index differs from the catalog; None where it does not."""
    if searching.is_of_another_history():
        return f"The index of '{searching.space.name}' belongs to another history of the catalog."
    index = searching.index()
    live = catalog.live_ids(searching.id)
    if len(index) != len(live):
        return f"The index of '{searching.space.name}' holds {len(index):,} vectors where {len(live):,} are due."
    wrong = 0
    some = live[np.linspace(0, len(live) - 1, min(len(live), _LOOKED_UP)).astype(np.int64)] if len(live) else live
    for start in range(0, len(some), _BLOCK):
        ids, vectors = catalog.vectors(searching.id, some[start : start + _BLOCK].tolist())
        found = index.search(vectors, 1, ids)
        wrong += int(((found.ids[:, 0] != ids) & ~(found.cosines[:, 0] > _SAME)).sum())
    if wrong:
        return f"{wrong:,} of {len(some):,} vectors are others in the index of '{searching.space.name}'."
    return None


def _thumbnail_faults(catalog: Catalog, folder: Path, space_id: int) -> Iterator[Fault]:
    unknown: list[Path] = []
    empty: list[Path] = []
    abandoned: list[Path] = []
    for shelf in range(SHELVES):
        names: dict[str, Path] = {}
        for path in (folder / f"{shelf:02x}").glob("*"):
            with suppress(OSError):  # dropped meanwhile
                status = path.stat()
                if time.time() - status.st_mtime < _YOUNG_SECONDS:
                    continue
                if path.suffix == ".partial":
                    abandoned.append(path)
                elif path.suffix == ".webp" and not status.st_size:
                    empty.append(path)
                else:
                    names[path.stem] = path
        digests = list(names)
        for start in range(0, len(digests), _MANY):
            some = digests[start : start + _MANY]
            known = catalog.assets_by_hash(some, space_id)
            unknown += [names[digest] for digest in some if digest not in known]
    for problem, paths, what in (
        ("unknown", unknown, "belong to no picture of the library"),
        ("empty", empty, "are empty"),
        ("abandoned", abandoned, "were never finished"),
    ):
        if paths:
            yield Fault(problem, len(paths), f"{len(paths):,} thumbnails {what}.", partial(_delete, paths))


def _delete(paths: list[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
