"""What files say about their pictures: every container, precedence, odd bytes."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from pictures import draw, encode
from PIL import PngImagePlugin, TiffImagePlugin

from stylesearch.metadata import read_metadata, read_sidecar, xmp_sidecar
from stylesearch.metadata.text import KEYWORD, LINE, MOST_KEYWORDS, date_of, line, paragraph, year_of
from stylesearch.metadata.xmp import MOST_BYTES
from stylesearch.records import Metadata

SAID = Metadata(
    title="Über <alles> & mehr",
    description="Two\nlines",
    creators=("Anna Meier", "山田"),
    rights="© 1972 Anna Meier",
    licence="https://creativecommons.org/licenses/by/4.0/",
    keywords=("poster", "Grün"),
    date="1972-05",
    year=1972,
    software="Brush 3",
    source_type="digitalArt",
)
PACKET = xmp_sidecar(SAID, SAID.keywords)

# EXIF by hand: Pillow writes its text as ASCII, and most programs write UTF-8.
ARTIST, MADE = "Анна; Bo", "2019:07:14 10:22:33"


def exif(user_comment: bytes | None = None) -> bytes:
    """An EXIF block, big-endian, with artist, copyright, and the date in the inner directory."""
    inner = [(36867, 2, MADE.encode() + b"\0")] + ([(37510, 7, user_comment)] if user_comment else [])
    outer = [(315, 2, ARTIST.encode() + b"\0"), (33432, 2, b"(c) Anna\0")]
    start = 8 + 2 + 12 * (len(outer) + 1) + 4
    first = _directory(outer, start, pointer=start + sum(len(value) for _, _, value in outer))
    return b"Exif\0\0MM\0*\0\0\0\x08" + first + _directory(inner, start + sum(len(v) for _, _, v in outer))


def _directory(entries: list[tuple[int, int, bytes]], data: int, pointer: int | None = None) -> bytes:
    own = data if pointer is not None else data + 2 + 12 * len(entries) + 4
    rows, values = b"", b""
    for tag, kind, value in entries:
        rows += struct.pack(">HHII", tag, kind, len(value), own + len(values))
        values += value
    if pointer is not None:
        rows += struct.pack(">HHII", 34665, 4, 1, pointer)
    return struct.pack(">H", len(rows) // 12) + rows + b"\0\0\0\0" + values


def iim(*datasets: tuple[int, int, bytes]) -> bytes:
    return b"".join(struct.pack(">BBBH", 0x1C, *numbers, len(value)) + value for *numbers, value in datasets)


def resource(number: int, data: bytes) -> bytes:
    return b"8BIM" + struct.pack(">H", number) + b"\0\0" + struct.pack(">I", len(data)) + data + b"\0" * (len(data) % 2)


def jpeg_with_iptc(data: bytes) -> bytes:
    picture = encode(draw(), "JPEG")
    segment = b"Photoshop 3.0\0" + resource(0x0404, data)
    return picture[:2] + b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment + picture[2:]


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with further chunks after its pixels, where ExifTool writes them."""
    picture = encode(draw(), "PNG")
    more = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return picture[:-12] + more + picture[-12:]


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF"])
def test_a_packet_is_read_back_from_every_container(kind: str) -> None:
    assert read_metadata(encode(draw(), kind, xmp=PACKET), kind) == SAID


def test_a_packet_after_the_pixels_of_a_png() -> None:
    for flag, body in ((b"\0", PACKET), (b"\1", zlib.compress(PACKET))):
        chunk = b"XML:com.adobe.xmp\0" + flag + b"\0\0\0" + body
        assert read_metadata(png_with((b"iTXt", chunk)), "PNG") == SAID


def test_packets_in_tiff_psd_gif_and_svg() -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((4, 4), np.float32), extratags=[(700, "B", len(PACKET), PACKET, True)])
    assert read_metadata(file.getvalue(), "TIFF") == SAID, "float TIFF, which Pillow does not open"
    blocks = resource(0x0404, iim((2, 5, b"from IPTC"))) + resource(0x0424, PACKET)
    psd = b"8BPS\0\1" + b"\0" * 20 + struct.pack(">II", 0, len(blocks)) + blocks
    assert read_metadata(psd, "PSD") == SAID
    assert read_metadata(encode(draw(), "GIF") + PACKET, "GIF") == SAID
    svg = """<svg xmlns="http://www.w3.org/2000/svg"><metadata><rdf:RDF
        xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:cc="http://creativecommons.org/ns#"
        xmlns:dc="http://purl.org/dc/elements/1.1/"><cc:Work><dc:title>Leaf</dc:title>
        <dc:creator><cc:Agent><dc:title>Anna</dc:title></cc:Agent></dc:creator>
        <cc:license rdf:resource="https://creativecommons.org/publicdomain/zero/1.0/"/></cc:Work></rdf:RDF></metadata></svg>"""
    found = read_metadata(svg.encode(), "SVG")
    assert (found.title, found.creators) == ("Leaf", ("Anna",))
    assert found.licence == "https://creativecommons.org/publicdomain/zero/1.0/"


def test_the_newest_packet_of_a_pdf() -> None:
    newer = xmp_sidecar(Metadata(title="Newer"), ())
    assert read_metadata(b"%PDF-1.7 " + PACKET + b" trailer " + newer, "PDF").title == "Newer"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_exif(kind: str) -> None:
    found = read_metadata(encode(draw(), kind, exif=exif()), kind)
    assert (found.creators, found.rights) == (("Анна", "Bo"), "(c) Anna")
    assert (found.date, found.year) == ("2019-07-14T10:22:33", 2019)


def test_exif_of_a_tiff_and_of_a_raw_file() -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[315], tags[305] = "Anna", "ScanTool"
    found = read_metadata(encode(draw(), "TIFF", tiffinfo=tags), "RAW")
    assert (found.creators, found.software) == (("Anna",), "ScanTool")
    big = io.BytesIO()
    tifffile.imwrite(big, np.zeros((4, 4), np.uint8), bigtiff=True, software="Big")
    assert read_metadata(big.getvalue(), "TIFF").software == "Big"


def test_exif_within_a_heic_file() -> None:
    assert read_metadata(b"\0\0\0\x18ftypheic" + b"\0" * 99 + exif(), "HEIC").creators == ("Анна", "Bo")


def test_iptc_in_both_alphabets() -> None:
    utf8 = iim((1, 90, b"\x1b%G"), (2, 25, "Grün".encode()), (2, 25, b"poster"), (2, 80, b"Anna"), (2, 55, b"19720500"))
    found = read_metadata(jpeg_with_iptc(utf8), "JPEG")
    assert (found.keywords, found.creators, found.date) == (("Grün", "poster"), ("Anna",), "1972-05")
    latin = iim((2, 105, "Größe".encode("latin-1")), (2, 116, b"(c) me"))
    found = read_metadata(jpeg_with_iptc(latin), "JPEG")
    assert (found.title, found.rights) == ("Größe", "(c) me")


def test_the_text_of_png() -> None:
    text = PngImagePlugin.PngInfo()
    for name, value in {"Title": "T", "Author": "Ä", "Copyright": "me", "Software": "S"}.items():
        text.add_text(name, value)
    found = read_metadata(encode(draw(), "PNG", pnginfo=text), "PNG")
    assert (found.title, found.creators, found.rights, found.software) == ("T", ("Ä",), "me", "S")


def test_what_counts_first() -> None:
    sidecar = xmp_sidecar(Metadata(title="Sidecar"), ["from the sidecar"])
    picture = encode(draw(), "JPEG", xmp=xmp_sidecar(Metadata(title="XMP", rights="XMP"), ["xmp"]), exif=exif())
    found = read_metadata(picture, "JPEG", sidecar)
    assert (found.title, found.rights, found.creators) == ("Sidecar", "XMP", ("Анна", "Bo"))
    assert found.keywords == ("from the sidecar",)


def test_sidecars_lie_beside_plain_files_alone(tmp_path: Path) -> None:
    picture = tmp_path / "a.b.jpg"
    assert read_sidecar(str(picture)) is None
    (tmp_path / "a.b.xmp").write_bytes(b"stem")
    assert read_sidecar(str(picture)) == read_sidecar(f"{picture}#page=2") == b"stem"
    (tmp_path / "a.b.jpg.xmp").write_bytes(b"full")
    assert read_sidecar(str(picture)) == b"full"
    assert read_sidecar(f"{picture}#member=x.jpg") is None and read_sidecar(f"s3:/{picture}") is None
    (tmp_path / "a.b.jpg.xmp").write_bytes(b"x" * (MOST_BYTES + 1))
    assert read_sidecar(str(picture)) == b"stem", "one that is too long is left out"


def test_pictures_without_metadata_say_nothing() -> None:
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "PPM"):
        assert read_metadata(encode(draw(), kind), kind) == Metadata(), kind


BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<x:xmpmeta xmlns:x="adobe:ns:meta/">&b;</x:xmpmeta>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<x:xmpmeta xmlns:x="adobe:ns:meta/">&a;</x:xmpmeta>"""


@pytest.mark.parametrize("sidecar", [BOMB, OUTSIDE, b"<x", b"\0\1\2", PACKET + b" " * MOST_BYTES, b"<a>" * 100_000])
def test_hostile_sidecars_are_noted(sidecar: bytes) -> None:
    found = read_metadata(encode(draw(), "JPEG", exif=exif()), "JPEG", sidecar)
    assert found.creators == ("Анна", "Bo") and found.title is None
    (note,) = found.notes
    assert note.startswith("The sidecar cannot be read: ")


def test_damaged_bytes_never_raise() -> None:
    comment = b"UNICODE\0" + "Steps: 1, Sampler: x".encode("utf-16-le")
    whole = {
        "JPEG": encode(draw(), "JPEG", xmp=PACKET, exif=exif(comment)),
        "PNG": png_with((b"zTXt", b"parameters\0\0" + zlib.compress(b"a" * 999)), (b"eXIf", exif(comment)[6:])),
        "WEBP": encode(draw(), "WEBP", xmp=PACKET, exif=exif(comment)),
        "TIFF": encode(draw(), "TIFF", tiffinfo={315: "Anna", 700: PACKET, 33723: iim((2, 25, b"x"))}),
        "PSD": b"8BPS\0\1" + b"\0" * 20 + struct.pack(">II", 0, 99) + resource(0x0404, iim((2, 25, b"x"))),
    }
    rng = np.random.default_rng(0)
    for kind, data in whole.items():
        for _ in range(150):
            bad = bytearray(data[: int(rng.integers(1, len(data) + 1))])
            for place in rng.integers(0, len(bad), int(rng.integers(0, 6))):
                bad[place] = rng.integers(0, 256)
            assert isinstance(read_metadata(bytes(bad), kind), Metadata)


def test_a_png_that_inflates_to_more_than_is_read() -> None:
    huge = zlib.compress(b"a" * 50_000_000, 9)
    found = read_metadata(png_with(*[(b"zTXt", b"Title\0\0" + huge)] * 3, (b"tEXt", b"Author\0me")), "PNG")
    assert found.title == "a" * LINE


def test_text_is_made_fit_for_terminals_and_databases() -> None:
    assert line(" a\x00\x1b[2Jb\u202e\ud800\n c ") == "a[2Jb c"
    assert paragraph("a\r\nb\x07") == "a\nb" and paragraph("\0\x1b") is None and line(5) is None
    assert line("e\u0301") == "é" and len(line("x" * 10**6) or "") == LINE
    assert line("Größe".encode("cp1252")) == "Größe"
    keywords = [f"{number} {'k' * 200}" for number in range(MOST_KEYWORDS * 2)]
    found = read_metadata(b"", "GIF", xmp_sidecar(Metadata(), ["A", "a", "", *keywords]))
    assert len(found.keywords) == MOST_KEYWORDS and found.keywords[0] == "A"
    assert all(len(word) <= KEYWORD for word in found.keywords)


@pytest.mark.parametrize(
    ("text", "date", "year"),
    [
        ("2019:07:14 10:22:33", "2019-07-14T10:22:33", 2019),
        ("0000:00:00 00:00:00", None, None),
        ("19720503", "1972-05-03", 1972),
        ("19720000", "1972", 1972),
        ("1972-05", "1972-05", 1972),
        ("c. 1890", "c. 1890", 1890),
        ("-0043", "-0043", -43),
        ("in spring", "in spring", None),
        ("123456", "123456", None),
        ("", None, None),
    ],
)
def test_dates(text: str, date: str | None, year: int | None) -> None:
    assert (date_of(text), year_of(date_of(text))) == (date, year)


def test_a_sidecar_holds_what_it_was_made_of() -> None:
    generated = Metadata(
        title="T", source_type="trainedAlgorithmicMedia", generation={"tool": "ComfyUI", "prompt": "a cat"}
    )
    found = read_metadata(b"", "GIF", xmp_sidecar(generated, ()))
    assert found.generated and dict(found.generation) == generated.generation
    terms = Metadata(licence="For research only")
    assert read_metadata(b"", "GIF", xmp_sidecar(terms, ())).licence == terms.licence
