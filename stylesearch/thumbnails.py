"""The files of thumbnails: a cache named by content, so that a picture that is moved or copied keeps its own.

A thumbnail that is not there is made again from its picture, so any of them can be dropped at any time.
"""

from __future__ import annotations

import os
import time
import uuid
from contextlib import suppress
from pathlib import Path

from stylesearch.errors import LibraryError

SHELVES = 256  # folders, by the first two digits of the content's digest, which fall evenly

# The time of a file says when it was last used. It is set again after so long, not at every look.
_TOUCH_SECONDS = 24 * 3600


def thumbnail_path(folder: Path, sha256: str) -> Path:
    """Where the thumbnail (WebP) of this content lies; `folder` is that of all thumbnails."""
    return folder / sha256[:2] / f"{sha256}.webp"


def write_thumbnail(path: Path, data: bytes) -> None:
    """Writes a thumbnail in one step, where it is not there yet.

    Raises:
        LibraryError: the operating system refuses.
    """
    if path.exists():
        return
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")  # unique: two may write the same one at once
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as exc:
        raise LibraryError(f"The thumbnail '{path}' cannot be written ({exc.strerror}).") from exc


def has_thumbnail(path: Path) -> bool:
    """Whether the thumbnail is there; it counts as used now."""
    try:
        status = path.stat()
    except OSError:
        return False
    if time.time() - status.st_mtime > _TOUCH_SECONDS:
        with suppress(OSError):  # who may only read a library shows its thumbnails all the same
            os.utime(path)
    return True


def trim_thumbnails(folder: Path, shelf: int, most_bytes: int) -> int:
    """Drops those of one shelf that were not used for longest, until it takes no more than its part of the whole.

    One shelf at a time, because looking through all takes seconds where there are millions.

    Args:
        folder: that of all thumbnails.
        shelf: 0 to `SHELVES` - 1.
        most_bytes: what all thumbnails together may take.

    Returns:
        how many were dropped.
    """
    files = []
    with suppress(OSError), os.scandir(folder / f"{shelf:02x}") as entries:
        for entry in entries:
            with suppress(OSError):  # dropped meanwhile
                status = entry.stat()
                files.append((status.st_mtime_ns, status.st_size, entry.path))
    excess = sum(size for _, size, _ in files) - most_bytes // SHELVES
    dropped = 0
    for _, size, path in sorted(files):
        if excess <= 0:
            break
        with suppress(OSError):
            os.unlink(path)  # noqa: PTH108 - a path of scandir
            excess -= size
            dropped += 1
    return dropped
