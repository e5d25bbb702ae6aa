"""Which of the things that lie in a place are looked at: what the user includes and leaves out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pathspec import GitIgnoreSpec

from stylesearch.errors import UsageError
from stylesearch.formats import EXTENSIONS

Links = Literal["files", "follow", "none"]


@dataclass(frozen=True)
class Rules:
    """What a scan looks at, below its root.

    Attributes:
        include: patterns as in a `.gitignore`, relative to the root; where there are any, only files that match.
        exclude: patterns likewise; what matches is left out, a folder with all that it holds.
        links: "files": links to files are followed, links to folders are not; "follow": both; "none": neither.
        hidden: look at files and folders whose name begins with a dot, too.
        archives: look into archives and tables of pictures.

    Raises:
        UsageError: a pattern cannot be right.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    links: Links = "files"
    hidden: bool = False
    archives: bool = True

    def __post_init__(self) -> None:
        for patterns in (self.include, self.exclude):
            try:
                GitIgnoreSpec.from_lines(patterns)
            except ValueError as exc:
                raise UsageError(f"A pattern in {', '.join(map(repr, patterns))} cannot be right: {exc}") from exc

    def leaves_out(self, path: str) -> bool:
        """Whether a pattern excludes this, or a folder on the way to it.

        Args:
            path: relative to the root, with `/` between its parts, and at the end of a folder.
        """
        return bool(self.exclude) and self._excluded.match_file(path)

    def takes(self, path: str) -> bool:
        """Whether a file is looked at, told by its path relative to the root."""
        return (not self.include or self._included.match_file(path)) and not self.leaves_out(path)

    def shows(self, names: Iterable[str]) -> bool:
        """Whether these parts of a path are not hidden."""
        return self.hidden or not any(name.startswith(".") and name.strip(".") for name in names)

    @cached_property
    def _included(self) -> GitIgnoreSpec:
        return GitIgnoreSpec.from_lines(self.include)

    @cached_property
    def _excluded(self) -> GitIgnoreSpec:
        return GitIgnoreSpec.from_lines(self.exclude)


def is_picture_name(name: str) -> bool:
    """Whether a name ends like that of a picture, in any case."""
    _, dot, extension = name.rpartition(".")
    return dot + extension.lower() in EXTENSIONS
