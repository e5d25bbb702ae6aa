"""The names of files from a pipe or a file, as `find` and `git ls-files` print them."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Iterator

_PIECE = 2**16
_LOOK_SECONDS = 0.2  # how often a silent pipe is left to look whether to stop


def read_names(file: int, stop: threading.Event) -> Iterator[str]:
    """The names, as they arrive: one a line, or, where the input holds a NUL byte, ended by those.

    Args:
        file: descriptor, open for reading.
        stop: once it is set, the names end.
    """
    separator, rest = b"", b""
    while piece := _next_piece(file, stop):
        separator = separator or (b"\0" if b"\0" in piece else b"\n" if b"\n" in rest + piece else b"")
        if not separator:
            rest += piece
            continue
        *names, rest = (rest + piece).split(separator)
        yield from (os.fsdecode(name) for name in names if name)
    if rest and not stop.is_set():
        yield os.fsdecode(rest)


def _next_piece(file: int, stop: threading.Event) -> bytes:
    while not stop.is_set():
        # On Windows select knows sockets alone; there a silent pipe cannot be stopped.
        if sys.platform == "win32" or select.select([file], [], [], _LOOK_SECONDS)[0]:
            return os.read(file, _PIECE)
    return b""
