"""Follows folders: what is written, moved or deleted in them is found by the file system's own events.

A file is handed on once it is whole: closed by whoever wrote it, where the system tells that (Linux), and of the same
size and time for a while. Events can be lost (a queue runs over, another machine writes to a network drive), so that
everything is walked again from time to time, and whenever more has changed than is worth telling one by one.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from indexer.sources.folders import CACHE_TAG, FolderSource
from indexer.sources.rules import Rules
from stylesearch.errors import StyleSearchError
from stylesearch.records import FileStat, Limits, Refusal
from stylesearch.uris import uri_of_path

QUIET_SECONDS = 2.0
WALK_SECONDS = 3600.0  # between two walks over everything
MAX_WAITING = 10_000  # paths; beyond, everything is walked

# Of a file that somebody has open, or that is empty still: how many times as long it must have been left alone.
_PATIENCE = 15
_CLOSING_IS_TOLD = sys.platform == "linux"
_TOLD = frozenset({"created", "modified", "closed", "moved", "deleted", "attrib"})


@dataclass(frozen=True)
class Changes:
    """What has changed in the folders, whole and quiet by now.

    Attributes:
        everything: so much that all has to be walked; the others are empty then.
        sources: files that are new, or have changed, for `index`.
        gone: uris of files and folders that are no more.
    """

    everything: bool = False
    sources: list[FolderSource] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Look:
    """How a path was when it was last looked at.

    Attributes:
        since: when it changed last (`time.monotonic`).
        closed: whether nobody is known to have it open for writing.
        state: size and time; None before the first look.
    """

    since: float
    closed: bool = True
    state: tuple[int, int] | None = None


class Watcher(FileSystemEventHandler):
    """Watches folders from the beginning of a `with` statement to its end.

    Args:
        folders: absolute paths.
        ignored: folders within them whose changes are our own, such as the library's.
        quiet: seconds for which a file must have been left alone.
    """

    def __init__(
        self,
        folders: Sequence[str],
        rules: Rules,
        limits: Limits,
        *,
        ignored: Sequence[Path] = (),
        quiet: float = QUIET_SECONDS,
    ) -> None:
        self._folders = list(folders)
        self._rules = rules
        self._limits = limits
        self._ignored = {spelt for folder in ignored for spelt in (str(folder.absolute()), str(folder.resolve()))}
        self._quiet = quiet
        self._lock = threading.Lock()  # events come from the observer's thread
        self._waiting: dict[str, _Look] = {}
        self._too_many = False
        self._walked = time.monotonic()

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._end()

    def _start(self) -> None:
        self._observer = Observer()
        self._there = self._folders_there()
        before = set(threading.enumerate())
        try:
            for folder in self._there:
                self._observer.schedule(self, folder, recursive=True)
            self._observer.start()
        except OSError as exc:
            raise StyleSearchError(
                f"The folders cannot be watched ({exc.strerror}). On Linux each folder takes one of a limited "
                "number of watches; allow more with: sudo sysctl fs.inotify.max_user_watches=1000000"
            ) from exc
        self._threads = set(threading.enumerate()) - before

    def _end(self) -> None:
        self._observer.stop()
        self._observer.join()

    def _folders_there(self) -> dict[str, tuple[int, int]]:
        """Device and inode of each folder that is there: a disk that is mounted is another folder of the same name."""
        found = {}
        for folder in self._folders:
            with suppress(OSError):
                status = os.stat(folder)  # noqa: PTH116
                if stat.S_ISDIR(status.st_mode):
                    found[folder] = status.st_dev, status.st_ino
        return found

    def _start_again_if_deaf(self) -> None:
        # An observer whose thread has met an error of its own goes on without a word, and without events; and so does
        # one whose folder went away or came back.
        if all(thread.is_alive() for thread in self._threads) and self._folders_there() == self._there:
            return
        self._end()
        self._start()
        with self._lock:
            self._too_many = True

    def changes(self, stop: threading.Event) -> Iterator[Changes]:
        """What changes, as it comes to rest; ends once `stop` is set."""
        while not stop.wait(self._quiet / 4):
            self._start_again_if_deaf()
            if self._too_many_at_rest() or time.monotonic() - self._walked >= WALK_SECONDS:
                with self._lock:
                    self._waiting.clear()
                    self._too_many = False
                self._walked = time.monotonic()
                yield Changes(everything=True)
                continue
            ready = self._ready()
            there = [path for path in ready if os.path.lexists(path)]
            gone = [path for path in ready if not os.path.lexists(path) and self._root_of(path) is not None]
            if there or gone:
                yield Changes(sources=self._sources(there, stop), gone=[uri_of_path(path) for path in gone])

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called by the observer."""
        if event.event_type not in _TOLD or (event.is_directory and event.event_type in ("modified", "attrib")):
            return
        for path in (event.src_path, event.dest_path):
            if path:
                self._note(os.fsdecode(path), event.event_type)

    def _note(self, path: str, event: str) -> None:
        if any(path == folder or path.startswith(folder + os.sep) for folder in self._ignored):
            return
        with self._lock:
            look = self._waiting.setdefault(path, _Look(0.0))
            look.since = time.monotonic()
            if event in ("modified", "closed"):
                look.closed = event == "closed"
            self._too_many = self._too_many or len(self._waiting) > MAX_WAITING
            if self._too_many:  # only how long ago the last one was counts from here on
                self._waiting = {path: look}

    def _too_many_at_rest(self) -> bool:
        with self._lock:
            newest = max((look.since for look in self._waiting.values()), default=0.0)
            return self._too_many and time.monotonic() - newest >= self._quiet

    def _ready(self) -> list[str]:
        with self._lock:
            waiting = [] if self._too_many else list(self._waiting.items())
        ready = []
        for path, look in waiting:
            if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114
                if self._forget(path, look):
                    self._note_below(path)
            elif self._at_rest(path, look) and self._forget(path, look):
                ready.append(path)
        return sorted(ready)

    def _at_rest(self, path: str, look: _Look) -> bool:
        try:
            status = os.stat(path)  # noqa: PTH116
            state = (status.st_size, status.st_mtime_ns)
        except OSError:
            state = (-1, 0)  # gone, or about to be replaced
        now = time.monotonic()
        if state != look.state:
            # A file that was moved here whole is at rest from the beginning.
            look.since = now if look.state is not None else look.since
            look.state = state
        closed = (look.closed or not _CLOSING_IS_TOLD) and state[0] != 0
        return now - look.since >= self._quiet * (1 if closed else _PATIENCE)

    def _forget(self, path: str, look: _Look) -> bool:
        """Stops waiting for a path; False: it has changed meanwhile."""
        with self._lock:
            if time.monotonic() - look.since < self._quiet / 4 or self._waiting.get(path) is not look:
                return False
            del self._waiting[path]
            return True

    def _note_below(self, folder: str) -> None:
        # What was in a new folder before it was watched has had no event.
        for parent, _, names in os.walk(folder):
            for name in names:
                self._note(os.path.join(parent, name), "created")  # noqa: PTH118

    def _root_of(self, path: str) -> str | None:
        """The watched folder that holds a path; None where that folder is away itself, as a disk that was taken out."""
        root = next(folder for folder in self._folders if path == folder or path.startswith(folder.rstrip("/") + "/"))
        return root if Path(root).is_dir() else None

    def _sources(self, paths: Sequence[str], stop: threading.Event) -> list[FolderSource]:
        by_root: dict[str, list[str]] = {}
        for path in paths:
            if root := self._root_of(path):
                by_root.setdefault(root, []).append(path)
        return [_Changed(root, below, self._rules, self._limits, stop) for root, below in by_root.items()]


class _Changed(FolderSource):
    """Some files of a folder."""

    def __init__(self, folder: str, paths: Sequence[str], rules: Rules, limits: Limits, stop: threading.Event) -> None:
        super().__init__(folder, rules, limits, stop)
        self.root = "list:"  # it says nothing about files that it has not found
        self._paths = paths

    def _found(self) -> Iterator[FileStat | Refusal]:
        for path in self._paths:
            relative = os.path.relpath(path, self._top)
            if self._reaches(relative) and not self._in_cache(relative):
                yield from self._file(path, relative)

    def _in_cache(self, relative: str) -> bool:
        parents = [Path(self._top, *relative.split("/")[:end]) for end in range(1, relative.count("/") + 1)]
        return any((parent / CACHE_TAG).exists() for parent in parents)
