"""The frontier where bytes become pixels: one decoder and one resampling, for indexing and for querying alike."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from stylesearch.colour import to_srgb
from stylesearch.errors import ImageError
from stylesearch.files import named, read_bytes, too_many_bytes, too_many_pixels
from stylesearch.formats import SIGNATURE_BYTES, UNSUPPORTED, format_of
from stylesearch.records import Limits
from stylesearch.tiff import read_tiff

# Version of everything below that changes pixels. It is part of every space: raise it with any such change.
DECODER_VERSION = 1

THUMBNAIL_SIDE = 320  # pixels, the longest side

# A JPEG is decoded at 1/2, 1/4 or 1/8 of its size where both sides stay at least this long (or twice the encoder's
# square, if that is more): three times faster on large pictures. Part of the pixels, so part of DECODER_VERSION.
_DRAFT_SIDE = 512

# Classes and not `Image.open`: that tries every plugin, some of which start other programs, and its cap on size is one
# setting for the whole process, which belongs to the application.
_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "AVIF": AvifImagePlugin.AvifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "JPEG2000": Jpeg2KImagePlugin.Jpeg2KImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "PPM": PpmImagePlugin.PpmImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}

# How the decoders say that bytes are missing at the end.
_ENDS_EARLY = ("truncated", "failed to read", "no more images", "expecting to read")

# EXIF orientation (tag 274) -> what turns the stored picture upright. TIFF 6.0 specification, page 36.
_ORIENTATION = 274
_BITS, _PLANES = 258, 284  # TIFF tags BitsPerSample, PlanarConfiguration
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_DEFAULT_LIMITS = Limits()

FitMode = Literal["squash", "crop", "pad"]
Filter = Literal["bilinear", "bicubic", "lanczos"]


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How a picture is brought to the square that an encoder takes.

    Attributes:
        size: side of the square in pixels.
        mode: "squash" ignores the aspect ratio (SigLIP), "crop" keeps the centre square (CLIP), "pad" keeps all of the
            picture and fills with white.
        filter: Pillow's resampling filter, antialiased.
    """

    size: int
    mode: FitMode = "squash"
    filter: Filter = "bicubic"

    @property
    def version(self) -> str:
        """Names the decoder, fit and filter; part of the space."""
        return f"v{DECODER_VERSION}-{self.mode}-{self.filter}-{self.size}"


def fit(image: Image.Image, preprocess: Preprocess) -> np.ndarray:
    """Brings an upright picture to the encoder's square.

    Args:
        image: any mode; depth, alpha and colour profile are brought to sRGB over white, as `read_image` does.

    Returns:
        uint8 (S, S, 3), sRGB.
    """
    if image.mode != "RGB" or "icc_profile" in image.info or image.has_transparency_data:
        image = to_srgb(image)
    side, (width, height) = preprocess.size, image.size
    resample = Image.Resampling[preprocess.filter.upper()]
    if preprocess.mode == "squash":
        return np.asarray(image.resize((side, side), resample))
    if preprocess.mode == "crop":
        short = min(width, height)
        left, top = (width - short) / 2, (height - short) / 2
        return np.asarray(image.resize((side, side), resample, box=(left, top, left + short, top + short)))
    scale = side / max(width, height)
    inner = image.resize((max(1, round(width * scale)), max(1, round(height * scale))), resample)
    canvas = Image.new("RGB", (side, side), "white")
    canvas.paste(inner, ((side - inner.width) // 2, (side - inner.height) // 2))
    return np.asarray(canvas)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one file gives.

    Attributes:
        pixels: uint8 (S, S, 3), sRGB, as the encoder takes them.
        format: upper-case name of the format ("JPEG", "PNG").
        width, height: pixels of the whole upright picture.
        picture: mode RGB, upright, sRGB; a large JPEG at a fraction of its size.
    """

    pixels: np.ndarray
    format: str
    width: int
    height: int
    picture: Image.Image


def read_image(source: str | os.PathLike[str] | bytes, *, limits: Limits = _DEFAULT_LIMITS) -> Image.Image:
    """Reads a picture, or the first frame or page of one.

    Args:
        source: a path, or the file's bytes.
        limits: caps that are checked before anything is allocated.

    Returns:
        Mode RGB, upright, sRGB, over white where it was transparent, at full resolution.

    Raises:
        ImageError: the picture cannot be used; `reason` says why.
    """
    if isinstance(source, bytes):
        return _decode(source, limits, draft=None)[0]
    data = read_bytes(source, limits)
    with named(source):
        return _decode(data, limits, draft=None)[0]


def load_pixels(
    data: bytes,
    preprocess: Preprocess,
    limits: Limits = _DEFAULT_LIMITS,
    *,
    name: str | os.PathLike[str] | None = None,
) -> Decoded:
    """Decodes a file for an encoder: the one way for files that are indexed and for files that are looked for.

    Args:
        data: the file's bytes.
        preprocess: the encoder's.
        limits: caps that are checked before anything is allocated.
        name: what to call the picture in errors.

    Raises:
        ImageError: the picture cannot be used; `reason` says why.
    """
    with named(name):
        picture, kind, width, height = _decode(data, limits, draft=max(_DRAFT_SIDE, 2 * preprocess.size))
    return Decoded(fit(picture, preprocess), kind, width, height, picture)


def thumbnail(picture: Image.Image) -> bytes:
    """A WebP file, `THUMBNAIL_SIDE` pixels along its longest side; smaller pictures keep their size."""
    small = picture.copy()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BICUBIC, reducing_gap=1.5)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=80, method=2)
    return buffer.getvalue()


def _decode(data: bytes, limits: Limits, draft: int | None) -> tuple[Image.Image, str, int, int]:
    """The upright sRGB picture, its format, and the width and height of the whole upright picture."""
    kind = _known_format(data, limits)
    with _decoder_errors(kind):
        if kind == "TIFF" and not _pillow_reads(data):
            image, orientation = read_tiff(data, limits)
            size = image.size
        else:
            image = _PLUGINS[kind](io.BytesIO(data))
            size = image.size
            _check_pixels(size, limits)
            orientation = 1 if kind == "TIFF" else _orientation(image)  # Pillow turns TIFF by itself
            if draft and kind == "JPEG":
                image.draft(None, (draft, draft))
            image.load()
        picture = to_srgb(image)
        if orientation in _UPRIGHT:
            picture = picture.transpose(_UPRIGHT[orientation])
    width, height = size if orientation < 5 else size[::-1]
    return picture, kind, width, height


def _known_format(data: bytes, limits: Limits) -> str:
    if not data:
        raise ImageError("empty", "The file is empty.")
    if len(data) > limits.max_bytes:
        raise too_many_bytes(len(data), limits)
    kind = format_of(data[:SIGNATURE_BYTES])
    if kind is None:
        raise ImageError("not-an-image", "The content is of no image format that is known here.")
    if kind in UNSUPPORTED:
        raise ImageError("unsupported", f"{kind} cannot be decoded here; {', '.join(sorted(_PLUGINS))} can.")
    if kind == "WEBP" and (missing := 8 + int.from_bytes(data[4:8], "little") - len(data)) > 0:
        raise ImageError("truncated", f"The WEBP file ends {missing:,} bytes before the picture does.")
    return kind


def _pillow_reads(data: bytes) -> bool:
    try:
        tags = TiffImagePlugin.TiffImageFile(io.BytesIO(data)).tag_v2
    except SyntaxError as exc:
        return "unknown pixel mode" not in str(exc) and "unknown data organization" not in str(exc)
    # Separate planes of more than 8 bits come out garbled, and without an error.
    return tags.get(_PLANES) != 2 or max(tags.get(_BITS, (1,))) <= 8


def _check_pixels(size: tuple[int, int], limits: Limits) -> None:
    width, height = size
    if width * height > limits.max_pixels:
        raise too_many_pixels(width, height, limits)


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - Pillow raises a dozen kinds; bad metadata is no reason to refuse good pixels
        return 1
    return value if value in _UPRIGHT else 1


@contextmanager
def _decoder_errors(kind: str) -> Iterator[None]:
    """The one place where what decoders raise becomes an ImageError. Hostile bytes bring out any exception at all."""
    try:
        yield
    except ImageError:
        raise
    except (MemoryError, Image.DecompressionBombError) as exc:
        raise ImageError("too-large", f"The {kind} picture needs more memory than it may have.") from exc
    except Exception as exc:
        text = str(exc) or type(exc).__name__
        if "imagecodecs" in text:  # tifffile names the package that it lacks for this compression
            raise ImageError("unsupported", f"The {kind} file is compressed in a way that is unknown here.") from exc
        if isinstance(exc, EOFError) or any(sign in text.lower() for sign in _ENDS_EARLY):
            raise ImageError("truncated", f"The {kind} file ends before the picture does ({text}).") from exc
        raise ImageError("damaged", f"The {kind} decoder cannot make sense of the file ({text}).") from exc
