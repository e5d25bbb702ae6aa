"""Everything a file says, brought into one record: `read_metadata`."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from PIL import AvifImagePlugin, JpegImagePlugin, WebPImagePlugin
from PIL.Image import Image

from stylesearch.errors import ImageError
from stylesearch.files import is_remote, open_file
from stylesearch.metadata.exif import IPTC_TAG, XMP_TAG, read_exif
from stylesearch.metadata.generation import generation_of
from stylesearch.metadata.iptc import (
    EXIF_RESOURCE,
    IPTC_RESOURCE,
    XMP_RESOURCE,
    photoshop_resources,
    read_iptc,
)
from stylesearch.metadata.png import XMP_KEYWORD, read_png
from stylesearch.metadata.text import KEYWORD, LINE, MOST_CREATORS, MOST_KEYWORDS, line, lines, paragraph, year_of
from stylesearch.metadata.xmp import MOST_BYTES, find_packet, read_xmp
from stylesearch.records import Limits, Metadata
from stylesearch.uris import divide_uri, path_of_uri

Found = TypeVar("Found")

_WITH_PILLOW: dict[str, Callable[[io.BytesIO], Image]] = {
    "AVIF": AvifImagePlugin.AvifImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}
_PHOTOSHOP = ("PSD", "PSB")
_EMBEDDED_EXIF = re.compile(rb"Exif\0\0(?=II\*\0|MM\0\*)")
_TIFF = (b"II*\0", b"II+\0", b"MM\0*", b"MM\0+")
_IPTC_IN_JPEG = 0x0404

# What PNG's own keywords hold (specification, 11.3.3.1).
_PNG_KEYWORDS = {
    "title": "Title",
    "creators": "Author",
    "description": "Description",
    "rights": "Copyright",
    "software": "Software",
}


def read_metadata(data: bytes, format: str, sidecar: bytes | None = None) -> Metadata:
    """What a file says about its picture. Metadata that makes no sense is left out, and noted; nothing is raised.

    Where several sources have a field, the sidecar counts first, then XMP, IPTC, EXIF and PNG's texts, in the spirit of
    the "Guidelines for Handling Image Metadata" of the Metadata Working Group (2.0, 2010).

    Args:
        data: the file's bytes.
        format: its format by the catalog's name.
        sidecar: bytes of an XMP file that lies beside it.
    """
    reading = _Reading()
    if sidecar:
        reading.take("The sidecar", read_xmp, sidecar)
    reading.take_packets(reading.attempt("The metadata", _packets, data, format) or {})
    generation = reading.attempt("The generation parameters", generation_of, reading.texts) or {}
    return _record(reading, generation)


def read_sidecar(uri: str) -> bytes | None:
    """The XMP file beside a picture, `NAME.EXT.xmp` or `NAME.xmp`; None where there is none that can be read.

    Args:
        uri: of the picture, or of a page of it. Beside remote files and inside archives nothing is looked for.
    """
    base, inside = divide_uri(uri)
    if is_remote(base) or any(step.key not in ("page", "t") for step in inside):
        return None
    path = path_of_uri(base)
    stem, _ = os.path.splitext(path)  # noqa: PTH122
    for candidate in (f"{path}.xmp", f"{stem}.xmp", f"{path}.XMP", f"{stem}.XMP"):
        try:
            with open_file(candidate, Limits(max_bytes=MOST_BYTES)) as file:
                return file.read()
        except (ImageError, OSError):
            continue
    return None


class _Reading:
    """Collects what the sources give, the one that counts most first.

    Attributes:
        sources: fields by name.
        texts: where image generators keep their parameters, by keyword.
        notes: sentences on what could not be read.
    """

    def __init__(self) -> None:
        self.sources: list[Mapping[str, object]] = []
        self.texts: dict[str, str] = {}
        self.notes: list[str] = []

    def attempt(self, what: str, function: Callable[..., Found], *arguments: object) -> Found | None:
        """Calls the function; whatever it raises becomes a note."""
        try:
            return function(*arguments)
        except Exception as exc:  # noqa: BLE001 - hostile bytes bring out any exception at all
            self.notes.append(f"{what} cannot be read: {line(str(exc), 150) or type(exc).__name__}.")
            return None

    def take(self, what: str, function: Callable[..., dict[str, object]], *arguments: object) -> None:
        """Adds the fields that the function gives as the next source."""
        if fields := self.attempt(what, function, *arguments):
            self.sources.append(fields)
            if isinstance(comment := fields.get("user_comment"), str):
                self.texts.setdefault("user_comment", comment)

    def take_packets(self, packets: Mapping[str, object]) -> None:
        """Adds what was found inside the file."""
        exif_fields: dict[str, object] = {}
        inner: dict[int, bytes] = {}
        if exif := packets.get("exif"):
            exif_fields, comments, inner = self.attempt("EXIF", read_exif, exif) or ({}, {}, {})
            self.texts.update(comments)
        if isinstance(texts := packets.get("texts"), dict):
            self.texts = texts | self.texts
        if xmp := packets.get("xmp") or inner.get(XMP_TAG):
            self.take("XMP", read_xmp, xmp)
        if iptc := packets.get("iptc") or inner.get(IPTC_TAG):
            self.take("IPTC", read_iptc, iptc)
        self.sources.append(exif_fields)
        self.sources.append({name: self.texts.get(key) for name, key in _PNG_KEYWORDS.items()})

    def first(self, name: str) -> object:
        """The field from the first source that has it."""
        return next((value for source in self.sources if (value := source.get(name))), None)


def _packets(data: bytes, format: str) -> dict[str, object]:
    """The packets of a file, "exif", "xmp" and "iptc", and its "texts"."""
    if format == "PNG":
        png = read_png(data)
        texts = dict(png.texts)
        xmp = texts.pop(XMP_KEYWORD, "").encode() or png.profiles.get("xmp")
        return {"exif": png.exif or png.profiles.get("exif"), "xmp": xmp, "texts": texts}
    packets: dict[str, object] = {"xmp": data if format == "SVG" else find_packet(data, last=format == "PDF")}
    if plugin := _WITH_PILLOW.get(format):
        info = plugin(io.BytesIO(data)).info  # the header alone; no pixels are decoded
        packets |= {"exif": info.get("exif"), "iptc": info.get("photoshop", {}).get(_IPTC_IN_JPEG)}
        if comment := info.get("comment"):
            packets["texts"] = {"comment": paragraph(comment) or ""}
    elif format in _PHOTOSHOP:
        blocks = photoshop_resources(data)
        names = {"exif": EXIF_RESOURCE, "iptc": IPTC_RESOURCE, "xmp": XMP_RESOURCE}
        packets |= {name: blocks.get(number) for name, number in names.items()}
    elif data.startswith(_TIFF):  # raw files of cameras, too
        packets["exif"] = data
    elif found := _EMBEDDED_EXIF.search(data):
        packets["exif"] = data[found.end() :]
    return packets


def _record(reading: _Reading, generation: Mapping[str, str | int | float]) -> Metadata:
    first = reading.first
    made_by = {"tool": line(first("ai_system")), "prompt": paragraph(first("ai_prompt"))}
    generation = {**{name: text for name, text in made_by.items() if text}, **generation}
    date = line(first("date"), 40)
    return Metadata(
        title=line(first("title")),
        description=paragraph(first("description")),
        creators=lines(_many(first("creators")), LINE, MOST_CREATORS),
        rights=line(first("rights"), 4 * LINE),
        licence=line(first("licence"), 4 * LINE),
        keywords=lines(_many(first("keywords")), KEYWORD, MOST_KEYWORDS),
        date=date,
        year=year_of(date),
        software=line(first("software")) or line(generation.get("tool")),
        source_type=line(first("source_type"), KEYWORD),
        generation=generation,
        notes=tuple(reading.notes),
    )


def _many(value: object) -> Sequence[object]:
    return value if isinstance(value, (list, tuple)) else [value]
