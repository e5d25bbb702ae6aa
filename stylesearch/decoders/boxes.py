"""ISO base media files (AVIF, HEIC, JPEG 2000, MP4) are chains of boxes (ISO/IEC 14496-12, section 4.2)."""

from __future__ import annotations

import struct


def ends_early(data: bytes) -> bool:
    """Whether the last of the outermost boxes reaches beyond the end of the file."""
    start = 0
    while start + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, start)
        if size == 1 and start + 16 <= len(data):  # the size follows in 64 bits
            (size,) = struct.unpack_from(">Q", data, start + 8)
        if size == 0:  # to the end of the file, wherever that was
            return False
        start += max(size, 8)
    return start > len(data)
