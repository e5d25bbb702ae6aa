"""Which image format some bytes are of, told by their signature and never by the file's name."""

from __future__ import annotations

import re

SIGNATURE_BYTES = 32  # how many first bytes of a file `format_of` needs

# Names of files that hold pictures, or claim to. A file of another name is looked into.
# fmt: off
EXTENSIONS = frozenset({
    ".apng", ".avif", ".avifs", ".bmp", ".dib", ".exr", ".gif", ".heic", ".heif", ".hif", ".j2c", ".j2k", ".jfif",
    ".jp2", ".jpe", ".jpeg", ".jpf", ".jpg", ".jpx", ".jxl", ".mpo", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".psb",
    ".psd", ".tif", ".tiff", ".webp",
})
# fmt: on

# Told apart so that they are refused by name.
UNSUPPORTED = frozenset({"HEIC", "JPEG XL", "OpenEXR", "PSD"})

_SIGNATURES = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "GIF": rb"GIF8[79]a",
    "WEBP": rb"RIFF.{4}WEBP",
    # The four byte orders and sizes of a TIFF: classic and BigTIFF.
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    # Two letters alone would be any text that begins with BM: the size of the header must be one that exists.
    "BMP": rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0",
    "AVIF": rb".{4}ftyp(avif|avis|mif1.{4}(.{4})*?avif)",
    "HEIC": rb".{4}ftyp(hei[cxms]|hev[cxms]|mif1|msf1)",
    "JPEG2000": rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
    "PPM": rb"P[1-6]\s+(#|\d)",
    "PSD": rb"8BPS\0[\1\2]",
    "JPEG XL": rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n",
    "OpenEXR": rb"\x76\x2f\x31\x01",
}
_FORMATS = [(name, re.compile(pattern, re.DOTALL)) for name, pattern in _SIGNATURES.items()]


def format_of(first_bytes: bytes) -> str | None:
    """The name of the format that a file beginning so is of; None where it is no image that is known here.

    Args:
        first_bytes: the first `SIGNATURE_BYTES` bytes of the file, or all of a shorter one.
    """
    return next((name for name, pattern in _FORMATS if pattern.match(first_bytes)), None)
