"""The one library that a server process holds; the page's sessions and the picture routes share it."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from PIL import Image

from stylesearch.errors import StyleSearchError
from stylesearch.library import Library

_opened: list[Library] = []


def open_library(folder: Path) -> Library:
    """Opens the library of this process, once, before the first visitor comes.

    Raises:
        LibraryError, CatalogError: as `Library.open`.
    """
    _opened.append(Library.open(folder))
    threading.Thread(target=_warm_up, daemon=True).start()
    return _opened[0]


def _warm_up() -> None:
    """Loads what the first search would wait for: an encoder takes seconds."""
    with suppress(StyleSearchError):  # whoever searches is told
        _opened[0].searching().index()
        _opened[0].encoder.embed_batch([Image.new("RGB", (64, 64))])


def library() -> Library:
    """The library that `open_library` opened."""
    return _opened[0]
