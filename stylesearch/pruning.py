"""Lets go of what a library keeps of pictures that have long been replaced or deleted. Only the library is touched."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stylesearch.catalog import Catalog
from stylesearch.records import Unused
from stylesearch.thumbnails import thumbnail_path

KEEP_DAYS = 30.0


@dataclass(frozen=True)
class Pruned:
    """What was dropped, or would be.

    Attributes:
        unused: what the catalog keeps of it.
        thumbnails: files.
        thumbnail_bytes: their size.
    """

    unused: Unused
    thumbnails: int
    thumbnail_bytes: int


def prune(catalog: Catalog, thumbnails: Path, *, keep_days: float = KEEP_DAYS, dry_run: bool = False) -> Pruned:
    """Drops pictures that no file has had for so many days, with their vectors, metadata, tags and thumbnails.

    Those are pictures whose files were deleted, or replaced by others; files on a disk that is away are neither. What
    lies on a board is kept. A picture that comes back later is indexed as a new one. Boards that were deleted as long
    ago go, too.

    Args:
        catalog: of the library.
        thumbnails: folder for them; named by content.
        keep_days: how long they must have been gone.
        dry_run: only say what would be dropped.

    Raises:
        CatalogError: the catalog refused; what was dropped before stays dropped.
    """
    before = datetime.now(UTC) - timedelta(days=keep_days)
    unused = catalog.unused(before)
    count = size = 0
    for contents in ([sha256] for sha256 in catalog.unused_contents(before)) if dry_run else catalog.prune(before):
        for sha256 in contents:
            path = thumbnail_path(thumbnails, sha256)
            with suppress(OSError):  # a thumbnail may be missing at any time
                size += path.stat().st_size
                count += 1
                if not dry_run:
                    path.unlink()
    return Pruned(unused, count, size)
