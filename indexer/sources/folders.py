"""Folders of this machine: which files may hold pictures, told by name and first bytes, without reading more."""

from __future__ import annotations

import os
import stat
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from indexer.sources.base import Source
from indexer.sources.rules import Rules, is_picture_name
from stylesearch.containers import is_container_name
from stylesearch.errors import ImageError
from stylesearch.files import is_remote, stat_of, stat_uri, system_errors, uri_of
from stylesearch.records import FileStat, Limits, Refusal
from stylesearch.uris import divide_uri, path_of_uri, uri_of_path

# A folder with this file in it holds what can be made again, and is left out: https://bford.info/cachedir/
CACHE_TAG = "CACHEDIR.TAG"
CACHE_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"


class _Entry(NamedTuple):
    name: str
    is_folder: bool  # links to folders are not
    is_link: bool


class LocalSource(Source):
    """What sources on this machine share."""

    def _file(self, path: str, relative: str) -> Iterator[FileStat | Refusal]:
        """The picture that a file is, or the pictures in it.

        Args:
            relative: the path as the rules see it, which do not exclude it.
        """
        named, uri = is_picture_name(path), uri_of_path(path)
        try:
            with system_errors():
                status = os.stat(path)  # noqa: PTH116
        except ImageError as exc:
            yield from self._unusable(uri, exc, named)
            return
        if not stat.S_ISREG(status.st_mode):
            self.linked_folders += stat.S_ISDIR(status.st_mode)
            if named:
                yield refused(uri, ImageError("not-a-file", "This is a folder, pipe, socket or device, not a file."))
            return
        found = stat_of(uri, status)
        if self.rules.archives and is_container_name(path):
            yield from self._inside(found, relative)
        elif self.rules.include and not self.rules.takes(relative):
            return
        elif named or self._begins_like_picture(found):
            yield found
        else:
            self.others += 1

    def _unusable(self, uri: str, error: ImageError, named: bool) -> Iterator[Refusal]:
        if named:
            yield refused(uri, error)
        else:
            self.others += 1


class FolderSource(LocalSource):
    """A folder and everything below it.

    Caches (`CACHE_TAG`) are skipped. Nothing is held in memory beyond the names in the open folders, and, where links
    to folders are followed, a number for each folder: each is walked once, under its own path rather than a link's.
    """

    def __init__(self, path: str, rules: Rules, limits: Limits, stop: threading.Event) -> None:
        super().__init__(uri_of_path(path), rules, limits, stop)
        self._top = path
        self._walked: set[tuple[int, int]] = set()  # device and inode
        self._linked: deque[str] = deque()

    def _found(self) -> Iterator[FileStat | Refusal]:
        yield from self._walk(self._top)
        while self._linked:
            yield from self._walk(self._linked.popleft())

    def covers(self, uri: str) -> bool:
        file, inside = divide_uri(uri)
        relative = os.path.relpath(path_of_uri(file), self._top)
        if not self._reaches(relative):
            return False
        if inside and inside[0].key in ("member", "row"):
            return self.rules.archives and self._takes_inner(uri, relative)
        return self.rules.takes(relative)

    def _reaches(self, relative: str) -> bool:
        """Whether nothing on the way to a file, nor itself, is hidden, excluded, or a link that is not followed."""
        *folders, name = relative.split("/")
        if not self.rules.shows([*folders, name]) or self.rules.leaves_out(relative):
            return False
        if self.rules.links == "follow":
            return True
        path = Path(self._top)
        through_link = any((path := path / folder).is_symlink() for folder in folders)
        return not through_link and not (self.rules.links == "none" and (path / name).is_symlink())

    def _walk(self, top: str) -> Iterator[FileStat | Refusal]:
        open_folders = [top]
        while open_folders and not self.stop.is_set():
            folder = open_folders.pop()
            try:
                if self.rules.links == "follow" and not self._is_first_visit(folder):
                    continue
                entries = self._entries(folder)
            except (FileNotFoundError, NotADirectoryError):
                continue  # gone since its parent was listed
            except OSError as exc:
                uri = uri_of_path(folder)
                self.unreadable.append(uri)
                yield refused(uri, ImageError("unreadable", f"The folder cannot be listed: {exc.strerror}."))
                continue
            if folder != self._top and _is_cache(folder, entries):
                continue
            if not entries and folder != self._top and not os.listdir(folder):  # noqa: PTH208 - hidden ones count
                self.empty.append(uri_of_path(folder))
            below: list[str] = []
            for entry in entries:
                yield from self._entry(folder, entry, below)
            open_folders += reversed(below)

    def _entry(self, folder: str, entry: _Entry, below: list[str]) -> Iterator[FileStat | Refusal]:
        path = os.path.join(folder, entry.name)  # noqa: PTH118 - a Path for each of a million files takes longer
        relative = path[len(self._top) :].lstrip("/")
        links = self.rules.links
        if entry.is_link and links == "none":
            self.others += 1
        elif entry.is_folder or (entry.is_link and links == "follow" and os.path.isdir(path)):  # noqa: PTH112
            if self.rules.leaves_out(relative + "/"):
                return
            (below if entry.is_folder else self._linked).append(path)
            if is_picture_name(entry.name) and entry.is_folder:
                error = ImageError("not-a-file", "This is a folder that is named like a picture.")
                yield refused(uri_of_path(path), error)
        elif not self.rules.leaves_out(relative):
            yield from self._file(path, relative)

    def _is_first_visit(self, folder: str) -> bool:
        status = os.stat(folder)  # noqa: PTH116
        identity = (status.st_dev, status.st_ino)
        if identity in self._walked:
            return False
        self._walked.add(identity)
        return True

    def _entries(self, folder: str) -> list[_Entry]:
        with os.scandir(folder) as listing:
            return sorted(
                _Entry(entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink())
                for entry in listing
                if self.rules.hidden or not entry.name.startswith(".")
            )


class ContainerSource(LocalSource):
    """One archive, or one table of pictures; rules are relative to it."""

    def __init__(self, path: str, rules: Rules, limits: Limits, stop: threading.Event) -> None:
        super().__init__(uri_of_path(path), replace(rules, archives=True), limits, stop)
        self._path = path

    def _found(self) -> Iterator[FileStat | Refusal]:
        yield from self._file(self._path, "")

    def covers(self, uri: str) -> bool:
        return uri == self.root or self._takes_inner(uri, "")


class ListSource(LocalSource):
    """Files that are named one by one, by path or by uri. What is named is looked at, hidden or not.

    Nothing can be said about what is not named, so no file is ever gone because of a list.
    """

    def __init__(self, names: Iterable[str], rules: Rules, limits: Limits, stop: threading.Event) -> None:
        super().__init__("list:", Rules(archives=rules.archives), limits, stop)
        self._names = names

    def _found(self) -> Iterator[FileStat | Refusal]:
        for name in self._names:
            if self.stop.is_set():
                return
            uri = uri_of(name)
            if is_remote(uri) or divide_uri(uri)[1]:
                try:
                    yield stat_uri(uri, self.limits)
                except ImageError as exc:
                    yield refused(uri, exc)
            else:
                yield from self._file(path_of_uri(uri), "")

    def _unusable(self, uri: str, error: ImageError, named: bool) -> Iterator[Refusal]:
        yield refused(uri, error)


def refused(uri: str, error: ImageError) -> Refusal:
    """The record of something that cannot even be looked at, and is tried again by every run."""
    return Refusal(FileStat(uri, 0, 0), error.reason, str(error))


def _is_cache(folder: str, entries: Sequence[_Entry]) -> bool:
    if not any(entry.name == CACHE_TAG for entry in entries):
        return False
    try:
        return Path(folder, CACHE_TAG).read_bytes().startswith(CACHE_SIGNATURE)
    except OSError:
        return False
