"""The table of image formats: how each is told by its content, what decodes it, and which extra brings that."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

# How many first bytes of a file `format_of` needs. An SVG may begin with a long comment, everything else needs 64.
SIGNATURE_BYTES = 4096

Parts = Literal["pages", "key frames"]


@dataclass(frozen=True, slots=True)
class Package:
    """An optional package that a decoder needs.

    Attributes:
        distribution: its name for pip.
        module: its name for `import`.
        extra: the extra of `stylesearch` that brings it.
    """

    distribution: str
    module: str
    extra: str

    @property
    def installed(self) -> bool:
        """Whether it can be imported, told without importing it."""
        return find_spec(self.module) is not None


@dataclass(frozen=True, slots=True)
class Format:
    """One row of the table.

    Attributes:
        name: the catalog's name, upper case where files of it can be decoded.
        extensions: lower case, with the dot. They say which files are looked at; what a file is, its content says.
        signature: regular expression that the first bytes match.
        decoder: module of `stylesearch.decoders`; None: known, so that it is refused by name.
        package: what the decoder needs beyond the package's own dependencies.
        parts: what a file holds several of, see `stylesearch.images.parts_of`; None: one picture.
    """

    name: str
    extensions: tuple[str, ...]
    signature: bytes
    decoder: str | None = "bitmaps"
    package: Package | None = None
    parts: Parts | None = None

    @property
    def installed(self) -> bool:
        """Whether files of this format can be decoded here and now."""
        return self.decoder is not None and (self.package is None or self.package.installed)


_HEIF = Package("pillow-heif", "pillow_heif", "heif")
_PDF = Package("pypdfium2", "pypdfium2", "pdf")
_PSD = Package("psd-tools", "psd_tools", "psd")
_RAW = Package("rawpy", "rawpy", "raw")
_SVG = Package("resvg_py", "resvg_py", "svg")
_VIDEO = Package("av", "av", "video")

# Camera raw files by their own headers; those that are TIFF inside are told by their tags, see `decoders.tiff`.
# CR2, Phase One, ORF, RW2, RAF, X3F, MRW, CRW and CR3, as in the `file` command's magic database.
_RAW_SIGNATURE = (
    rb"II\*\0.{4}CR|(II\*\0|MM\0\*).{4}(IIII|MMMM)|IIR[OS]|MMOR|IIU\0|FUJIFILMCCD-RAW|FOVb|\0MRM"
    rb"|II.{4}HEAPCCDR|.{4}ftypcrx "
)
_RAW_EXTENSIONS = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef", ".mos", ".mrw"),
    *(".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
)
# Byte order mark, declaration, comments; then the root element, or the document type that announces it.
_SVG_SIGNATURE = (
    rb"(\xef\xbb\xbf)?\s*+((<\?.*?\?>|<!--.*?-->)\s*+)*+"
    rb"(<!DOCTYPE\s+svg[\s>\[]|<([A-Za-z_][\w.-]*+:)?svg[\s>/])"
)

TABLE = (
    Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), rb"\xff\xd8\xff"),
    Format("PNG", (".png", ".apng"), rb"\x89PNG\r\n\x1a\n"),
    Format("GIF", (".gif",), rb"GIF8[79]a"),
    Format("WEBP", (".webp",), rb"RIFF.{4}WEBP"),
    Format("RAW", _RAW_EXTENSIONS, _RAW_SIGNATURE, "raw", _RAW),
    # The four byte orders and sizes of a TIFF: classic and BigTIFF.
    Format("TIFF", (".tif", ".tiff"), rb"II[*+]\0|MM\0[*+]", "tiff", parts="pages"),
    # Two letters alone would be any text that begins with BM: the size of the header must be one that exists.
    Format("BMP", (".bmp", ".dib"), rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0"),
    Format("AVIF", (".avif", ".avifs"), rb".{4}ftyp(avif|avis|mif1.{4}(.{4})*?avif)"),
    Format("HEIC", (".heic", ".heif", ".hif"), rb".{4}ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", "heif", _HEIF),
    Format(
        "JPEG2000",
        (".jp2", ".j2k", ".j2c", ".jpf", ".jpx"),
        rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
    ),
    Format("PPM", (".ppm", ".pgm", ".pbm", ".pnm"), rb"P[1-6]\s+(#|\d)"),
    Format("PSD", (".psd", ".psb"), rb"8BPS\0[\1\2]", "psd", _PSD),
    Format("SVG", (".svg", ".svgz"), _SVG_SIGNATURE, "svg", _SVG),
    Format("PDF", (".pdf",), rb"(\xef\xbb\xbf)?\s*+%PDF-\d", "pdf", _PDF, "pages"),
    # Any brand of ISO media but those that hold sound alone; and QuickTime from before there were brands.
    Format(
        "MP4",
        (".mp4", ".m4v", ".mov", ".3gp"),
        rb".{4}(ftyp(?!M4[AB] )|moov|wide|mdat)",
        "video",
        _VIDEO,
        "key frames",
    ),
    Format("MATROSKA", (".mkv", ".webm"), rb"\x1a\x45\xdf\xa3", "video", _VIDEO, "key frames"),
    Format("AVI", (".avi",), rb"RIFF.{4}AVI ", "video", _VIDEO, "key frames"),
    Format("JPEG XL", (".jxl",), rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n", None),
    Format("OpenEXR", (".exr",), rb"\x76\x2f\x31\x01", None),
)

BY_NAME = {row.name: row for row in TABLE}
# Names of files that hold pictures, or claim to. A file of another name is looked into.
EXTENSIONS = frozenset(extension for row in TABLE for extension in row.extensions)

_SIGNATURES = [(row.name, re.compile(row.signature, re.DOTALL)) for row in TABLE]
_GZIP = b"\x1f\x8b\x08"


def format_of(first_bytes: bytes) -> str | None:
    """The name of the format that a file beginning so is of; None where it is no image that is known here.

    Args:
        first_bytes: the first `SIGNATURE_BYTES` bytes of the file, or all of a shorter one.
    """
    if first_bytes.startswith(_GZIP):  # SVGZ
        try:
            first_bytes = zlib.decompressobj(wbits=31).decompress(first_bytes, SIGNATURE_BYTES)
        except zlib.error:
            return None
        return "SVG" if _match(first_bytes) == "SVG" else None
    return _match(first_bytes)


def _match(first_bytes: bytes) -> str | None:
    return next((name for name, pattern in _SIGNATURES if pattern.match(first_bytes)), None)
