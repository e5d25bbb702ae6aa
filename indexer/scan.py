"""Walks a folder: which files may hold pictures, told by name and first bytes, without reading more."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from stylesearch.errors import ImageError, UsageError
from stylesearch.files import open_file, stat_of, system_errors
from stylesearch.formats import EXTENSIONS, SIGNATURE_BYTES, format_of
from stylesearch.records import FileStat, Limits, Refusal, printable, uri_of_path

# A folder with this file in it holds what can be made again, and is left out: https://bford.info/cachedir/
CACHE_TAG = "CACHEDIR.TAG"
CACHE_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"


class _Entry(NamedTuple):
    name: str
    is_folder: bool  # links to folders are not


@dataclass
class Scan:
    """One walk, in a fixed order. Iterate over it once; the other attributes are complete when it ends.

    Hidden files and folders (`.name`) and caches (`CACHE_TAG`) are skipped. Links to files are followed, links to
    folders are not, so that a walk always ends. Nothing is held in memory beyond the names of the open folders.

    Attributes:
        paths: absolute paths of one folder, or of any number of files.
        stop: once it is set, the walk ends where it is.
        files: how many files were found that may hold a picture.
        refused: how many things were found that are named like a picture and are none, or cannot be looked at.
        others: how many other files were found.
        linked_folders: how many links to folders were skipped.
        unreadable: uris of folders that could not be listed; what they hold is unknown.
        finished: whether the walk has come to its end.
    """

    paths: Sequence[str]
    limits: Limits
    stop: threading.Event = field(default_factory=threading.Event)
    files: int = 0
    refused: int = 0
    others: int = 0
    linked_folders: int = 0
    unreadable: list[str] = field(default_factory=list)
    finished: bool = False

    @property
    def root(self) -> str:
        """The uri that the catalog knows the scan by."""
        return uri_of_path(self.paths[0])

    def __iter__(self) -> Iterator[FileStat | Refusal]:
        for item in self._walk():
            if isinstance(item, Refusal):
                self.refused += 1
            else:
                self.files += 1
            yield item
        self.finished = not self.stop.is_set()

    def _walk(self) -> Iterator[FileStat | Refusal]:
        for path in self.paths:
            if self.stop.is_set():
                return
            if Path(path).is_dir():
                yield from self._folder(path)
            elif item := self._file(path):
                yield item

    def _folder(self, top: str) -> Iterator[FileStat | Refusal]:
        open_folders = [top]
        while open_folders and not self.stop.is_set():
            folder = open_folders.pop()
            try:
                entries = _entries(folder)
            except (FileNotFoundError, NotADirectoryError):
                continue  # gone since its parent was listed
            except OSError as exc:
                self.unreadable.append(uri_of_path(folder))
                yield _refusal(folder, ImageError("unreadable", f"The folder cannot be listed: {exc.strerror}."))
                continue
            if folder != top and _is_cache(folder, entries):
                continue
            below = []
            for name, is_folder in entries:
                path = os.path.join(folder, name)  # noqa: PTH118 - a Path for each of a million files takes longer
                if is_folder:
                    below.append(path)
                    if _is_picture_name(name):
                        yield _refusal(path, ImageError("not-a-file", "This is a folder that is named like a picture."))
                elif item := self._file(path):
                    yield item
            open_folders += reversed(below)

    def _file(self, path: str) -> FileStat | Refusal | None:
        named = _is_picture_name(path)
        try:
            with system_errors():
                status = os.stat(path)  # noqa: PTH116
        except ImageError as exc:
            if named:
                return _refusal(path, exc)
            self.others += 1
            return None
        if not stat.S_ISREG(status.st_mode):
            self.linked_folders += stat.S_ISDIR(status.st_mode)
            if named:
                return _refusal(path, ImageError("not-a-file", "This is a folder, pipe, socket or device, not a file."))
            return None
        if not named and not self._holds_picture(path):
            self.others += 1
            return None
        return stat_of(uri_of_path(path), status)

    def _holds_picture(self, path: str) -> bool:
        try:
            with open_file(path, self.limits) as file, system_errors():
                return format_of(file.read(SIGNATURE_BYTES)) is not None
        except ImageError:
            return False


def scans_of(roots: Sequence[str | os.PathLike[str]], limits: Limits, stop: threading.Event) -> list[Scan]:
    """One scan for each folder, and one for all single files; folders within other ones are covered by those.

    Raises:
        UsageError: a root does not exist.
    """
    folders: set[str] = set()
    files: set[str] = set()
    for root in roots:
        path = os.path.abspath(root)  # noqa: PTH100 - links are part of the name that the user gave
        if not Path(path).exists():
            raise UsageError(
                f"There is nothing at '{printable(path)}'. Is the disk mounted? Nothing was changed in the library. "
                "If it is gone for good: stylesearch forget PATH"
            )
        (folders if Path(path).is_dir() else files).add(path)
    outermost = sorted(path for path in folders if not any(str(parent) in folders for parent in Path(path).parents))
    single = sorted(path for path in files if not any(str(parent) in folders for parent in Path(path).parents))
    scans = [Scan([folder], limits, stop) for folder in outermost]
    return [*scans, Scan(single, limits, stop)] if single else scans


def _entries(folder: str) -> list[_Entry]:
    with os.scandir(folder) as listing:
        entries = [
            _Entry(entry.name, entry.is_dir(follow_symlinks=False))
            for entry in listing
            if not entry.name.startswith(".")
        ]
    return sorted(entries)


def _is_cache(folder: str, entries: Sequence[_Entry]) -> bool:
    if _Entry(CACHE_TAG, False) not in entries:
        return False
    try:
        return Path(folder, CACHE_TAG).read_bytes().startswith(CACHE_SIGNATURE)
    except OSError:
        return False


def _is_picture_name(name: str) -> bool:
    _, dot, extension = name.rpartition(".")
    return dot + extension.lower() in EXTENSIONS


def _refusal(path: str, error: ImageError) -> Refusal:
    return Refusal(FileStat(uri_of_path(path), 0, 0), error.reason, str(error))
