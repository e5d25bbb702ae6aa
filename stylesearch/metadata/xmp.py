"""XMP: packets inside files, and sidecars beside them.

Data model and properties: ISO 16684-1; the properties of IPTC: "IPTC Photo Metadata Standard" 2025.1; of licences:
Creative Commons' ccREL.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET  # to write; what is read goes through defusedxml
from collections.abc import Iterable

from defusedxml.ElementTree import fromstring

from stylesearch.metadata.text import date_of
from stylesearch.records import Metadata

MOST_BYTES = 4 * 2**20  # of a packet; those that keep a history of edits can be longer and are left out

_SPACES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "cc": "http://creativecommons.org/ns#",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
}
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_DIGITAL_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"

# The field, and the properties that hold it, the best first.
_FIELDS = {
    "title": ("dc:title", "photoshop:Headline"),
    "description": ("dc:description", "tiff:ImageDescription"),
    "rights": ("dc:rights", "tiff:Copyright"),
    "licence": ("xmpRights:WebStatement", "cc:license", "xmpRights:UsageTerms"),
    "date": ("photoshop:DateCreated", "exif:DateTimeOriginal", "xmp:CreateDate", "dc:date"),
    "software": ("xmp:CreatorTool", "tiff:Software"),
    "source_type": ("Iptc4xmpExt:DigitalSourceType",),
    "creators": ("dc:creator", "tiff:Artist", "cc:attributionName"),
    "keywords": ("dc:subject",),
    "user_comment": ("exif:UserComment",),
    "ai_prompt": ("Iptc4xmpExt:AIPromptInformation",),
    "ai_system": ("Iptc4xmpExt:AISystemUsed",),
}
_LISTS = ("creators", "keywords")

for _prefix, _space in _SPACES.items():
    ET.register_namespace(_prefix, _space)


def find_packet(data: bytes, *, last: bool = False) -> bytes | None:
    """The XMP packet within the bytes of any kind of file; packets are written so that they can be found in this way.

    Args:
        last: where there are several, the last one: of a PDF it is the newest.
    """
    for name in (b"x:xmpmeta", b"x:xapmeta"):
        start = data.rfind(b"<" + name) if last else data.find(b"<" + name)
        end = data.find(b"</" + name, start)
        if 0 <= start < end:
            return data[start : end + len(name) + 2] + b">"
    return None


def read_xmp(data: bytes) -> dict[str, object]:
    """Fields by the names of `records.Metadata`, and "user_comment", "ai_prompt" and "ai_system".

    Args:
        data: an XML document with RDF in it: a packet, a sidecar, an SVG file.

    Raises:
        ValueError, xml.etree.ElementTree.ParseError: it is too long, no XML, or declares entities.
    """
    if len(data) > MOST_BYTES:
        raise ValueError(f"it has {len(data):,} bytes; at most {MOST_BYTES:,} are read")
    root = fromstring(data.strip(b"\0 \r\n\t"))
    properties: dict[str, list[str]] = {}
    for rdf in root.iter(_name("rdf:RDF")):
        for node in rdf:
            for name, value in node.attrib.items():
                properties.setdefault(name, [value])
            for child in node:
                properties.setdefault(child.tag, _values(child))
    fields: dict[str, object] = {}
    for field, names in _FIELDS.items():
        values = next((found for name in names if any(found := properties.get(_name(name), []))), [])
        if values:
            fields[field] = values if field in _LISTS else values[0]
    if "date" in fields:
        fields["date"] = date_of(fields["date"])
    if isinstance(kind := fields.get("source_type"), str):
        fields["source_type"] = kind.rstrip("/").rpartition("/")[2]
    return fields


def xmp_sidecar(metadata: Metadata, tags: Iterable[str]) -> bytes:
    """The metadata as an XMP file, which other programs read beside the picture.

    Args:
        metadata: its keywords are left out; `tags` stand for them.
        tags: of the picture, whoever gave them.
    """
    root = ET.Element(_name("x:xmpmeta"))
    node = ET.SubElement(ET.SubElement(root, _name("rdf:RDF")), _name("rdf:Description"), {_name("rdf:about"): ""})
    for name, text in (
        ("dc:title", metadata.title),
        ("dc:description", metadata.description),
        ("dc:rights", metadata.rights),
    ):
        if text:
            _add_list(node, name, "rdf:Alt", [text], {_LANGUAGE: "x-default"})
    _add_list(node, "dc:creator", "rdf:Seq", metadata.creators)
    _add_list(node, "dc:subject", "rdf:Bag", tags)
    if metadata.licence:
        if re.match(r"https?://", metadata.licence):
            ET.SubElement(node, _name("xmpRights:WebStatement")).text = metadata.licence
        else:
            _add_list(node, "xmpRights:UsageTerms", "rdf:Alt", [metadata.licence], {_LANGUAGE: "x-default"})
    plain = (
        ("photoshop:DateCreated", metadata.date),
        ("xmp:CreatorTool", metadata.software),
        ("Iptc4xmpExt:DigitalSourceType", metadata.source_type and _DIGITAL_SOURCE_TYPES + metadata.source_type),
        ("Iptc4xmpExt:AISystemUsed", metadata.generation.get("tool")),
        ("Iptc4xmpExt:AIPromptInformation", metadata.generation.get("prompt")),
    )
    for name, value in plain:
        if value:
            ET.SubElement(node, _name(name)).text = str(value)
    ET.indent(root, " ")
    header = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'  # the constant of ISO 16684-1, 7.3.2
    return (header + ET.tostring(root, encoding="unicode") + '\n<?xpacket end="w"?>\n').encode()


def _name(qualified: str) -> str:
    prefix, _, local = qualified.partition(":")
    return f"{{{_SPACES[prefix]}}}{local}"


def _values(element: ET.Element) -> list[str]:
    """The items of an array, the default language of an alternative first; else the one value."""
    if link := element.get(_name("rdf:resource")):
        return [link]
    items = list(element.iter(_name("rdf:li")))
    items.sort(key=lambda item: item.get(_LANGUAGE) != "x-default")
    # A structure, such as the agents of SVG, holds its text further inside.
    return ["".join(item.itertext()).strip() for item in items or [element]]


def _add_list(parent: ET.Element, name: str, kind: str, texts: Iterable[str], attributes: dict[str, str] = {}) -> None:  # noqa: B006
    texts = list(texts)
    if texts:
        items = ET.SubElement(ET.SubElement(parent, _name(name)), _name(kind))
        for text in texts:
            ET.SubElement(items, _name("rdf:li"), attributes).text = text
