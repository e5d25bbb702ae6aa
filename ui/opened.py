"""The one library that a server process holds; the page's sessions and the picture routes share it."""

from __future__ import annotations

from pathlib import Path

from stylesearch.library import Library

_opened: list[Library] = []


def open_library(folder: Path) -> Library:
    """Opens the library of this process, once, before the first visitor comes.

    Raises:
        LibraryError, CatalogError: as `Library.open`.
    """
    _opened.append(Library.open(folder))
    return _opened[0]


def library() -> Library:
    """The library that `open_library` opened."""
    return _opened[0]
