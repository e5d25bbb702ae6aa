"""What every source of pictures offers, and how archives within any of them are gone through."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator

from indexer.decode import refusal
from indexer.sources.rules import Rules, is_picture_name
from stylesearch.containers import Member, is_container_name
from stylesearch.errors import ImageError
from stylesearch.files import members_of, open_uri, system_errors
from stylesearch.formats import SIGNATURE_BYTES, format_of
from stylesearch.records import FileStat, Limits, Refusal
from stylesearch.uris import divide_uri


class Source(ABC):
    """One walk over one place, in a fixed order. Iterate over it once; the counts are complete when it ends.

    Attributes:
        root: uri of the place; everything that the source finds lies at or below it, or inside it.
        stop: once it is set, the walk ends where it is.
        files: how many files were found that may hold a picture.
        refused: how many things were found that are named like a picture and are none, or cannot be looked at.
        others: how many other files were found.
        linked_folders: how many links to folders were skipped.
        nested: how many archives inside archives were left out.
        unreadable: uris of folders and archives that could not be looked into; what they hold is unknown.
        empty: uris of folders below the root with nothing at all in them, as where a disk is not mounted.
        finished: whether the walk has come to its end.
    """

    def __init__(self, root: str, rules: Rules, limits: Limits, stop: threading.Event) -> None:
        self.root = root
        self.rules = rules
        self.limits = limits
        self.stop = stop
        self.files = 0
        self.refused = 0
        self.others = 0
        self.linked_folders = 0
        self.nested = 0
        self.unreadable: list[str] = []
        self.empty: list[str] = []
        self.finished = False

    def __iter__(self) -> Iterator[FileStat | Refusal]:
        for item in self._found():
            if isinstance(item, Refusal):
                self.refused += 1
            else:
                self.files += 1
            yield item
            if self.stop.is_set():
                return
        self.finished = not self.stop.is_set()

    @abstractmethod
    def _found(self) -> Iterator[FileStat | Refusal]:
        """The walk. Where it is long without finding anything, it looks at `stop`."""

    def covers(self, uri: str) -> bool:
        """Whether the rules let this source find a file at or below its root. What it does not cover, it says nothing
        about: such a file is not gone because the source has not found it."""
        return True

    def _inside(self, container: FileStat, path: str) -> Iterator[FileStat | Refusal]:
        """The pictures in an archive or a table.

        Args:
            path: of the archive relative to the root; "" where it is the root.
        """
        try:
            for inner, member in members_of(container, self.limits):
                if self.stop.is_set():
                    return
                if self._takes_inner(inner.uri, path):
                    yield from self._member(inner, member)
        except ImageError as exc:
            if exc.reason == "not-an-image":  # a table without pictures
                self.others += 1
                return
            self.unreadable.append(container.uri)
            yield refusal(container, exc)

    def _takes_inner(self, uri: str, path: str) -> bool:
        step = divide_uri(uri)[1][0]
        if step.key != "member":
            return True
        return self.rules.shows(step.value.split("/")) and self.rules.takes(f"{path}/{step.value}".lstrip("/"))

    def _member(self, inner: FileStat, member: Member) -> Iterator[FileStat | Refusal]:
        is_row = divide_uri(inner.uri)[1][0].key == "row"
        if not is_row and is_container_name(member.name):
            self.nested += 1
            return
        named = is_row or is_picture_name(member.name)
        if member.problem is not None and named:
            yield refusal(inner, member.problem)
        elif member.problem is None and (named or member.format or self._unknown_is_picture(inner, member)):
            yield inner
        else:
            self.others += 1

    def _unknown_is_picture(self, inner: FileStat, member: Member) -> bool:
        return member.format is None and self._begins_like_picture(inner)

    def _begins_like_picture(self, stat: FileStat) -> bool:
        try:
            with open_uri(stat.uri, self.limits) as file, system_errors():
                return format_of(file.read(SIGNATURE_BYTES)) is not None
        except ImageError:
            return False
