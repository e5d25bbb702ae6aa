"""IPTC-IIM, and the image resource blocks of Photoshop that carry it.

IIM: "IPTC - NAA Information Interchange Model", version 4.2 (2014). Resource blocks: Adobe, "Photoshop File Formats
Specification", Image Resource Blocks.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from stylesearch.metadata.text import date_of, decoded

IPTC_RESOURCE, EXIF_RESOURCE, XMP_RESOURCE = 0x0404, 0x0422, 0x0424

_UTF8 = b"\x1b%G"  # ISO 2022's announcement of it, in 1:90
_CHARACTER_SET = (1, 90)
_ONCE = {5: "title", 55: "date", 65: "software", 105: "headline", 116: "rights", 120: "description"}
_REPEATED = {25: "keywords", 80: "creators"}
_MOST_DATASETS = 5_000


def read_iptc(data: bytes) -> dict[str, object]:
    """Fields by the names of `records.Metadata`."""
    once: dict[str, str] = {}
    repeated: dict[str, list[str]] = {}
    utf8 = False
    for record, number, value in _datasets(data):
        if (record, number) == _CHARACTER_SET:
            utf8 = value.startswith(_UTF8)
        text = value.decode("utf-8", "replace") if utf8 else decoded(value)
        if record == 2 and number in _REPEATED:
            repeated.setdefault(_REPEATED[number], []).append(text)
        elif record == 2 and number in _ONCE:
            once.setdefault(_ONCE[number], text)
    headline = once.pop("headline", None)
    fields: dict[str, object] = {"title": headline, **once, **repeated}
    return fields | {"date": date_of(once.get("date"))}


def photoshop_resources(data: bytes) -> dict[int, bytes]:
    """The resource blocks of a PSD or PSB file, by id; the first of each.

    Raises:
        struct.error, IndexError: the file ends early.
    """
    (colours,) = struct.unpack_from(">I", data, 26)
    (length,) = struct.unpack_from(">I", data, 30 + colours)
    position = 34 + colours
    end = min(position + length, len(data))
    blocks: dict[int, bytes] = {}
    while position + 12 <= end and data[position : position + 4] == b"8BIM":
        (number,) = struct.unpack_from(">H", data, position + 4)
        name = data[position + 6] + 1
        position += 6 + name + name % 2
        (size,) = struct.unpack_from(">I", data, position)
        blocks.setdefault(number, data[position + 4 : position + 4 + size])
        position += 4 + size + size % 2
    return blocks


def _datasets(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    position = 0
    for _ in range(_MOST_DATASETS):
        if position + 5 > len(data) or data[position] != 0x1C:
            return
        record, number, length = struct.unpack_from(">BBH", data, position + 1)
        position += 5
        if length & 0x8000:  # an extended dataset: this many bytes hold the length
            width = length & 0x7FFF
            length = int.from_bytes(data[position : position + width], "big")
            position += width
        yield record, number, data[position : position + length]
        position += length
