"""What a library takes on disk."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

# Files that are looked at in one folder before its further subfolders are taken to be like those before.
_LOOKED_AT = 20_000


@dataclass(frozen=True, slots=True)
class DiskUse:
    """Bytes in the library's folder.

    Attributes:
        catalog: the database; 0 where it is on a server.
        index: the vector indexes.
        thumbnails: of all pictures, about.
        created: pictures that were made here.
        other: whatever else is there, such as tiles of large pictures, and the sample.
    """

    catalog: int
    index: int
    thumbnails: int
    created: int
    other: int


def disk_use(folder: Path) -> DiskUse:
    """What lies in a library's folder; quick however much that is."""
    sizes = {"catalog": 0, "index": 0, "thumbnails": 0, "created": 0, "other": 0}
    for entry in _entries(folder):
        name = "catalog" if entry.name.startswith("catalog.db") else entry.name
        sizes[name if name in sizes else "other"] += _size(entry)
    return DiskUse(**sizes)


def _size(entry: os.DirEntry[str]) -> int:
    if not entry.is_dir(follow_symlinks=False):
        return _bytes(entry)
    total, count = 0, 0
    subfolders = _entries(entry.path)
    for looked_at, one in enumerate(subfolders, 1):
        for file in _files(one):
            total, count = total + _bytes(file), count + 1
        if count > _LOOKED_AT:
            return total * len(subfolders) // looked_at
    return total


def _files(entry: os.DirEntry[str]) -> list[os.DirEntry[str]]:
    if not entry.is_dir(follow_symlinks=False):
        return [entry]
    return [file for one in _entries(entry.path) for file in _files(one)]


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:  # gone since, or not for this user to see
        return []


def _bytes(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:
        return 0
