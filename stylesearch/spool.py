"""Copies on disk, for a while, of what cannot be read piece by piece where it lies: downloads, and compressed archives.

They lie in the user's cache folder (`XDG_CACHE_HOME` moves it), are shared by a process and its workers, and take at
most half of the space that is free there: the ones used least recently go first.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Literal

from filelock import FileLock
from platformdirs import user_cache_path

from stylesearch.errors import ImageError

# "listings" are small, and spare the next run a second look; the others are of use to one run.
Kind = Literal["downloads", "unpacked", "listings"]

_CACHE_TAG = ("CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55\n")  # https://bford.info/cachedir/
_LISTINGS_BYTES = 256 * 2**20


def spooled(kind: Kind, identity: str, make: Callable[[Path], None]) -> BufferedReader:
    """Opens the copy of something; made first where there is none.

    Args:
        identity: names the thing and its version; another version has another identity.
        make: writes the copy to a new file. One process makes it, others wait. What it raises is raised here.

    Raises:
        ImageError: "unreadable": the cache folder cannot be written.
    """
    folder = _folder(kind)
    path = folder / hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:40]
    try:
        if copy := _opened(path):
            return copy
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (_cache() / _CACHE_TAG[0]).write_bytes(_CACHE_TAG[1])
        with FileLock(f"{path}.lock"):
            if copy := _opened(path):
                return copy
            partial = path.with_suffix(".partial")
            try:
                partial.unlink(missing_ok=True)
                make(partial)
                os.replace(partial, path)
            finally:
                partial.unlink(missing_ok=True)
            copy = open(path, "rb")  # noqa: SIM115 - the caller closes it
            _make_room(folder, kind, keep=path)
            return copy
    except OSError as exc:
        raise ImageError(
            "unreadable",
            f"The cache folder '{folder}' cannot be written ({exc.strerror}). Set XDG_CACHE_HOME.",
        ) from exc


def room() -> int:
    """How many bytes one copy may have."""
    folder = _folder("unpacked")
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free // 2


def clear() -> None:
    """Removes this process's copies, and those that killed ones have left, but for the listings."""
    try:
        folders = list((_cache() / "runs").iterdir())
    except OSError:  # there are none, or they are not ours
        return
    for folder in folders:
        if folder.name == str(os.getpid()) or not _is_alive(int(folder.name)):
            shutil.rmtree(folder, ignore_errors=True)


def _cache() -> Path:
    return user_cache_path("stylesearch", appauthor=False)


def _folder(kind: Kind) -> Path:
    if kind == "listings":
        return _cache() / kind
    parent = multiprocessing.parent_process()
    return _cache() / "runs" / str(parent.pid if parent else os.getpid()) / kind


def _is_alive(process: int) -> bool:
    if sys.platform == "win32":  # where asking so would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _opened(path: Path) -> BufferedReader | None:
    try:
        copy = open(path, "rb")  # noqa: SIM115 - the caller closes it
    except FileNotFoundError:
        return None
    os.utime(path)
    return copy


def _make_room(folder: Path, kind: Kind, keep: Path) -> None:
    copies = []
    for path in folder.iterdir():
        try:
            copies.append((path.stat().st_mtime_ns, path.stat().st_size, path))
        except FileNotFoundError:  # another process has just removed it
            continue
    total = sum(size for _, size, _ in copies)
    allowed = _LISTINGS_BYTES if kind == "listings" else (shutil.disk_usage(folder).free + total) // 2
    for _, size, path in sorted(copies):
        if total <= allowed:
            return
        if path != keep and path.suffix == "":
            path.unlink(missing_ok=True)
            total -= size
