"""ISO base media files (AVIF, HEIC, JPEG 2000, MP4) are chains of boxes (ISO/IEC 14496-12, section 4.2)."""

from __future__ import annotations

import struct
from collections.abc import Iterator


def ends_early(data: bytes) -> bool:
    """Whether the last of the outermost boxes reaches beyond the end of the file."""
    return max((end for _, _, end in _outermost(data)), default=0) > len(data)


def extents(data: bytes) -> Iterator[tuple[int, int]]:
    """Width and height of every image item: the property `ispe` (ISO/IEC 23008-12, section 6.5.3)."""
    for kind, start, end in _outermost(data):
        found = data.find(b"ispe", start, end) if kind == b"meta" else -1
        while found >= 0 and found + 16 <= len(data):
            width, height = struct.unpack_from(">II", data, found + 8)
            yield width, height
            found = data.find(b"ispe", found + 4, end)


def _outermost(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each; the end may lie beyond that of the file."""
    start = 0
    while start + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, start)
        if size == 1 and start + 16 <= len(data):  # the size follows in 64 bits
            (size,) = struct.unpack_from(">Q", data, start + 8)
        end = start + max(size, 8) if size else len(data)  # 0: to the end of the file, wherever that was
        yield kind, start, end
        start = end
