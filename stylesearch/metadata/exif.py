"""EXIF: the tags of a TIFF structure, in a file of its own or inside another one.

Tags: CIPA DC-008 (Exif 3.0); the XP tags are Windows Explorer's.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from PIL.TiffImagePlugin import ImageFileDirectory_v2

from stylesearch.metadata.text import date_of, decoded

XMP_TAG, IPTC_TAG = 700, 33723

_EXIF_DIRECTORY = 34665
_DESCRIPTION, _MAKE, _MODEL, _SOFTWARE, _ARTIST, _COPYRIGHT = 270, 271, 272, 305, 315, 33432
_MADE, _DIGITISED, _USER_COMMENT = 36867, 36868, 37510
_XP_TITLE, _XP_COMMENT, _XP_AUTHOR, _XP_KEYWORDS = 40091, 40092, 40093, 40094


def read_exif(data: bytes) -> tuple[dict[str, object], dict[str, str], dict[int, bytes]]:
    """Reads a TIFF structure, with or without EXIF's header before it.

    Returns:
        fields by the names of `records.Metadata`; texts in which image generators keep their parameters
        ("user_comment", "prompt", "workflow"); the packets inside, by `XMP_TAG` and `IPTC_TAG`.

    Raises:
        whatever Pillow raises for bytes that make no sense.
    """
    data = data.removeprefix(b"Exif\0\0")
    head = data[: 16 if b"+" in data[2:4] else 8]  # BigTIFF's is longer
    get = _reader(data, head, None)
    inner = get(_EXIF_DIRECTORY)
    get_inner = _reader(data, head, inner) if isinstance(inner, int) else lambda tag: None
    fields: dict[str, object] = {
        "title": _xp(get(_XP_TITLE)),
        "description": _text(get(_DESCRIPTION)) or _xp(get(_XP_COMMENT)),
        "creators": _split(_text(get(_ARTIST)) or _xp(get(_XP_AUTHOR))),
        "rights": (_text(get(_COPYRIGHT)) or "").replace("\0", "; "),
        "keywords": _split(_xp(get(_XP_KEYWORDS))),
        "date": date_of(_text(get_inner(_MADE))) or date_of(_text(get_inner(_DIGITISED))),
        "software": _text(get(_SOFTWARE)),
    }
    texts = {"user_comment": _comment(get_inner(_USER_COMMENT), little_endian=head.startswith(b"II"))}
    for tag in (_DESCRIPTION, _MAKE, _MODEL):  # where ComfyUI puts its two documents in a WebP file
        name, colon, rest = (_text(get(tag)) or "").partition(":")
        if colon and name.lower() in ("prompt", "workflow") and rest.startswith("{"):
            texts[name.lower()] = rest
            if tag == _DESCRIPTION:
                fields["description"] = None
    packets = {tag: _bytes(value) for tag in (XMP_TAG, IPTC_TAG) if (value := get(tag))}
    return fields, {name: text for name, text in texts.items() if text}, packets


def _reader(data: bytes, head: bytes, offset: int | None) -> Callable[[int], Any]:
    directory = ImageFileDirectory_v2(head, group=None if offset is None else _EXIF_DIRECTORY)
    file = io.BytesIO(data)
    file.seek(directory.next if offset is None else offset)
    directory.load(file)

    def get(tag: int) -> Any:
        with suppress(Exception):  # one tag that makes no sense is no reason to lose the others
            return directory.get(tag)
        return None

    return get


def _text(value: object) -> str | None:
    if isinstance(value, tuple):
        value = value[0] if value else None
    if isinstance(value, bytes):
        return decoded(value).strip("\0 ")
    if isinstance(value, str):
        with suppress(UnicodeError):  # Pillow takes every text for Latin-1, and most are UTF-8
            value = value.encode("latin-1").decode("utf-8")
        return value.strip("\0 ")
    return None


def _bytes(value: object) -> bytes:
    if isinstance(value, tuple):  # some programs write packets as numbers of 4 bytes, which Pillow has read
        value = b"".join(number.to_bytes(4, "little") for number in value if isinstance(number, int))
    return value if isinstance(value, bytes) else str(value).encode("latin-1", "replace")


def _xp(value: object) -> str | None:
    if isinstance(value, tuple):
        value = bytes(value)
    return value.decode("utf-16-le", "ignore").strip("\0 ") if isinstance(value, bytes) else None


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(";")]


def _comment(value: object, *, little_endian: bool) -> str | None:
    if isinstance(value, str):
        value = value.encode("latin-1", "replace")
    if not isinstance(value, bytes) or len(value) <= 8:
        return None
    kind, text = value[:8].rstrip(b"\0 "), value[8:]
    if kind != b"UNICODE":
        return decoded(text).strip("\0 ")
    # The standard asks for the order of the file; many programs write the other one. Latin text tells.
    zeros_first, zeros_second = text[:200:2].count(0), text[1:200:2].count(0)
    if zeros_first != zeros_second:
        little_endian = zeros_second > zeros_first
    return text.decode("utf-16-le" if little_endian else "utf-16-be", "ignore").strip("\0 \ufeff")
