"""A ZIP that is made while it is sent: no file of it lies anywhere, and no more than a piece is held in memory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Generator, Iterator
from datetime import datetime
from typing import IO, Any, NamedTuple

_CHUNK = 1 << 20  # bytes
_COMPRESSIBLE = (".json", ".svg", ".csv")  # pictures are compressed already


class Entry(NamedTuple):
    """A file of a ZIP or a folder: its name, and its content, which can be sought in."""

    name: str
    content: IO[bytes]


class _Pieces(io.RawIOBase):
    """What a ZIP consists of so far, until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def zip_stream(folder: str, moment: datetime, entries: Iterator[Entry]) -> Generator[bytes, None, None]:
    """The bytes of a ZIP, the same for the same entries.

    Args:
        folder: that all of them lie in.
        moment: that all of them are said to be of.
        entries: each is asked for once the one before has been sent.
    """
    pieces = _Pieces()
    with zipfile.ZipFile(pieces, "w") as archive:
        for name, content in entries:
            info = zipfile.ZipInfo(f"{folder}/{name}", moment.timetuple()[:6])
            info.external_attr = 0o644 << 16
            info.create_system = 3  # Unix, wherever it is made
            info.compress_type = zipfile.ZIP_DEFLATED if name.endswith(_COMPRESSIBLE) else zipfile.ZIP_STORED
            info.file_size = content.seek(0, io.SEEK_END)  # tells whether it needs the 64 bit extension
            content.seek(0)
            with archive.open(info, "w") as file:
                while chunk := content.read(_CHUNK):
                    file.write(chunk)
                    yield pieces.take()
            yield pieces.take()
    yield pieces.take()
