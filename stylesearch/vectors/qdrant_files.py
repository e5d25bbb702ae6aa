"""Checksums of the folder of Qdrant's engine, which keeps none.

They are true while nobody has the folder open: `unseal` takes them away, `seal` writes them anew. A folder without them
was left by a process that was killed; the engine then mends it from its log.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from pathlib import Path
from typing import TypeAlias

from stylesearch.vectors.files import damaged, put_in_place

MANIFEST = "checksums.json"

# By path within the folder: bytes, time of the last change in nanoseconds, SHA-256.
Sums: TypeAlias = dict[str, tuple[int, int, str]]


def seal(folder: Path, known: Sums) -> None:
    """Writes the checksums; files that are as they were in `known` are not read again.

    Raises VectorIndexError where the operating system refuses.
    """
    sums: Sums = {}
    for name, file in _files(folder):
        stat = file.stat()
        state = stat.st_size, stat.st_mtime_ns
        before = known.get(name)
        sums[name] = before if before is not None and before[:2] == state else (*state, _digest(file))
    with put_in_place(folder / MANIFEST) as partial:
        partial.write_text(json.dumps(sums), encoding="utf-8")


def unseal(folder: Path) -> Sums:
    """The checksums, compared with the files and taken away; none where the folder has none.

    Raises:
        VectorIndexError: a file is missing, or not as it was written.
        OSError: the operating system refuses.
    """
    if not folder.is_dir():
        raise damaged(folder, "it is no folder")
    manifest = folder / MANIFEST
    try:
        text = manifest.read_bytes()
    except FileNotFoundError:
        return {}
    try:
        sums: Sums = {
            str(name): (int(size), int(time), str(sha)) for name, (size, time, sha) in json.loads(text).items()
        }
    except (ValueError, TypeError, AttributeError) as exc:
        raise damaged(folder, f"its '{MANIFEST}' cannot be read") from exc
    files = dict(_files(folder))
    if lost := sums.keys() ^ files.keys():
        raise damaged(folder, f"'{min(lost)}' is missing, or was added")
    for name, file in files.items():
        if file.stat().st_size != sums[name][0]:
            raise damaged(folder, f"'{name}' has another length")
    for name, file in files.items():
        if _digest(file) != sums[name][2]:
            raise damaged(folder, f"the checksum of '{name}' does not match")
    manifest.unlink()
    return sums


def check_room(folder: Path, vectors: int, dim: int) -> None:
    """Raises OSError where the disk is too full for so many vectors more.

    The engine maps its files into memory, and a disk that fills up beneath such a file can end the process.
    """
    # The log, the vectors themselves and their codes; what the engine reserves in one piece.
    needed = 2 * vectors * dim * 4 + ROOM
    if shutil.disk_usage(folder).free < needed:
        raise OSError(errno.ENOSPC, f"less than {needed // 1_000_000} MB are free")


ROOM = 1 << 27  # bytes: two logs, a page of payload and a chunk of vectors, 32 MB each


def _files(folder: Path) -> list[tuple[str, Path]]:
    found = [file for file in folder.rglob("*") if file.is_file() and file.name != MANIFEST]
    return [(file.relative_to(folder).as_posix(), file) for file in found if not file.name.endswith(".partial")]


def _digest(file: Path) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
