"""Files that no library writes, byte by byte, and small changes of those that libraries do."""

from __future__ import annotations

import struct
import zlib


def resized(data: bytes, at: int, layout: str, *values: int) -> bytes:
    """The file with other numbers at this offset; of PNG with the checksum of its header."""
    part = struct.pack(layout, *values)
    data = data[:at] + part + data[at + len(part) :]
    if data.startswith(b"\x89PNG"):
        data = data[:29] + struct.pack(">I", zlib.crc32(data[12:29])) + data[33:]
    return data


def resized_codestream(data: bytes) -> bytes:
    """JPEG 2000 that declares 60,000 x 60,000 pixels in a single tile."""
    size = data.index(b"\xff\x51") + 6  # Xsiz, Ysiz, offsets, tile size
    return resized(data, size, ">IIIIII", 60_000, 60_000, 0, 0, 60_000, 60_000)


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def tiff_declaring(data: bytes, side: int) -> bytes:
    """A little-endian TIFF whose first directory declares this width and height."""
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    changed = bytearray(data)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        if struct.unpack_from("<H", data, entry)[0] in (256, 257):
            struct.pack_into("<HII", changed, entry + 2, 4, 1, side)
    return bytes(changed)


def lossless_webp(width: int, height: int) -> bytes:
    """The header of a lossless WebP of this size."""
    bits = (width - 1) | (height - 1) << 14
    chunk = b"VP8L" + struct.pack("<I", 100) + b"\x2f" + struct.pack("<I", bits) + bytes(95)
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def entity_svg(first: str, *more: str) -> bytes:
    """An SVG that shows the last of these entities; each may use those before it, e0, e1 and so on."""
    declared = f"<!ENTITY e0 {first}>" + "".join(f'<!ENTITY e{n} "{text}">' for n, text in enumerate(more, 1))
    body = f'<rect width="9" height="9" fill="red"/><text>&e{len(more)};</text>'
    return (
        f'<!DOCTYPE svg [{declared}]><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">{body}</svg>'.encode()
    )


def minimal_pdf(box: str, pages: int = 1) -> bytes:
    """A PDF whose page has this media box and a red square on it."""
    content = b"1 0 0 rg 0 0 50 50 re f"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{'3 0 R' * pages}]/Count {pages}>>".encode(),
        f"<</Type/Page/Parent 2 0 R/MediaBox{box}/Contents 4 0 R>>".encode(),
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
    ]
    return _pdf(objects, b"")


def encrypted_pdf() -> bytes:
    """A PDF that asks for a password (PDF 1.7, section 7.6: standard handler, revision 2, any 32 bytes as its keys)."""
    encryption = b"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<%s>/U<%s>>>/ID[<00><00>]" % (b"11" * 32, b"22" * 32)
    return _pdf([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[]/Count 0>>"], encryption)


def _pdf(objects: list[bytes], trailer: bytes) -> bytes:
    data, table = b"%PDF-1.7\n", b"0000000000 65535 f \n"
    for number, body in enumerate(objects, 1):
        table += b"%010d 00000 n \n" % len(data)
        data += b"%d 0 obj%sendobj\n" % (number, body)
    size = len(objects) + 1
    end = b"trailer<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, len(data))
    return data + b"xref\n0 %d\n" % size + table + end
