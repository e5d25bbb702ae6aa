"""The text of a PNG file, before and after the pixels, without decoding those.

Chunks: W3C, "Portable Network Graphics (PNG) Specification (Third Edition)", 11.3.3.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from stylesearch.metadata.text import decoded

XMP_KEYWORD = "XML:com.adobe.xmp"

_MOST_CHUNKS = 100_000
_MOST_TEXT = 8 * 2**20  # bytes of all texts together, once inflated
_HEX_PROFILE = re.compile(r"Raw profile type (exif|iptc|xmp)")


@dataclass
class PngText:
    """What was found.

    Attributes:
        texts: by keyword, the first of each.
        exif: the TIFF structure of the chunk eXIf.
        profiles: "exif", "iptc", "xmp" as ImageMagick keeps them, in hexadecimal.
        cut: whether there was more than is read.
    """

    texts: dict[str, str] = field(default_factory=dict)
    exif: bytes | None = None
    profiles: dict[str, bytes] = field(default_factory=dict)
    cut: bool = False


def read_png(data: bytes) -> PngText:
    """Reads every text chunk of a PNG file, damaged ones excepted."""
    found, left = PngText(), _MOST_TEXT
    for kind, content in _chunks(data):
        if kind == b"eXIf":
            found.exif = found.exif or content[:_MOST_TEXT]
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            if left <= 0:
                found.cut = True
                break
            try:
                keyword, text = _text(kind, content, left)
            except (ValueError, IndexError, zlib.error):
                continue
            left -= len(text)
            if profile := _HEX_PROFILE.fullmatch(keyword):
                found.profiles.setdefault(profile[1], _profile(text))
            else:
                found.texts.setdefault(keyword, text)
    return found


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 8
    for _ in range(_MOST_CHUNKS):
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        if len(kind) < 4 or kind == b"IEND":
            return
        # Not the pixels: a slice is a copy.
        yield kind, data[position + 8 : position + 8 + length] if kind != b"IDAT" else b""
        position += 12 + length


def _text(kind: bytes, content: bytes, most: int) -> tuple[str, str]:
    keyword, rest = content.split(b"\0", 1)
    name = keyword.decode("latin-1")
    if kind == b"iTXt":
        compressed, rest = rest[0], rest[2:]
        _language, _translated, rest = rest.split(b"\0", 2)
        return name, (_inflated(rest, most) if compressed else rest[:most]).decode("utf-8", "replace")
    # The standard says Latin-1; most programs write UTF-8 all the same.
    return name, decoded(_inflated(rest[1:], most) if kind == b"zTXt" else rest[:most])


def _inflated(data: bytes, most: int) -> bytes:
    return zlib.decompressobj().decompress(data, most)


def _profile(text: str) -> bytes:
    # A name, the length, and hexadecimal digits in lines.
    parts = text.split(None, 2)
    try:
        return bytes.fromhex(parts[2])
    except (ValueError, IndexError):
        return b""
