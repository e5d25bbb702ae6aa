"""The frontier where bytes become pixels: one decoder and one resampling, for indexing and for querying alike."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from stylesearch.colour import to_srgb
from stylesearch.decoders import Decoder, Request, decoder_of
from stylesearch.errors import ImageError
from stylesearch.files import named, part_of, read_bytes, too_many_bytes, uri_of
from stylesearch.formats import BY_NAME, SIGNATURE_BYTES, format_of
from stylesearch.query import Box
from stylesearch.records import Limits

# Version of everything below that changes pixels. It is part of every space: raise it with any such change.
DECODER_VERSION = 1

THUMBNAIL_SIDE = 320  # pixels, the longest side

# A JPEG is decoded at 1/2, 1/4 or 1/8 of its size where both sides stay at least this long (or twice the encoder's
# square, if that is more): three times faster on large pictures. Part of the pixels, so part of DECODER_VERSION.
_DRAFT_SIDE = 512

# How the decoders say that bytes are missing at the end.
_ENDS_EARLY = ("truncated", "failed to read", "no more images", "expecting to read")

_TOO_LARGE = "Decompressed data too large"  # of Pillow's PNG reader, about profiles and texts

# EXIF orientation -> what turns the stored picture upright. TIFF 6.0 specification, page 36.
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
        share: how much of each side the square shows, about the centre, in (0, 1]; "pad" shows all.
    """

    size: int
    mode: FitMode = "squash"
    filter: Filter = "bicubic"
    share: float = 1.0

    @property
    def version(self) -> str:
        """Names the decoder, fit and filter; part of the space."""
        share = "" if self.share == 1 else f"-{self.share:.4f}"
        return f"v{DECODER_VERSION}-{self.mode}-{self.filter}-{self.size}{share}"


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
    if preprocess.mode != "pad":
        shown = (width, height) if preprocess.mode == "squash" else (min(width, height),) * 2
        wide, high = (preprocess.share * length for length in shown)
        left, top = (width - wide) / 2, (height - high) / 2
        return np.asarray(image.resize((side, side), resample, box=(left, top, left + wide, top + high)))
    scale = side / max(width, height)
    inner = image.resize((max(1, round(width * scale)), max(1, round(height * scale))), resample)
    canvas = Image.new("RGB", (side, side), "white")
    canvas.paste(inner, ((side - inner.width) // 2, (side - inner.height) // 2))
    return np.asarray(canvas)


def shown_box(preprocess: Preprocess, width: int, height: int) -> Box:
    """Which part of a picture fills the square that `fit` makes of it.

    Returns:
        left, top, right and bottom edge as shares of width and height; below 0 and above 1 where the square is padded.
    """
    if preprocess.mode == "squash":
        wide, high = preprocess.share, preprocess.share
    else:
        side = preprocess.share * min(width, height) if preprocess.mode == "crop" else max(width, height)
        wide, high = side / width, side / height
    return (1 - wide) / 2, (1 - high) / 2, (1 + wide) / 2, (1 + high) / 2


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


def read_image(
    source: str | os.PathLike[str] | bytes, *, limits: Limits = _DEFAULT_LIMITS, part: str | None = None
) -> Image.Image:
    """Reads a picture, or a frame or page of one.

    Args:
        source: a path or uri, which may name a page or key frame at its end, or the file's bytes.
        limits: caps that are checked before anything is allocated.
        part: as for `load_pixels`; None: the one that the uri names.

    Returns:
        Mode RGB, upright, sRGB, over white where it was transparent, at full resolution.

    Raises:
        ImageError: the picture cannot be used; `reason` says why.
    """
    if isinstance(source, bytes):
        return _decode(source, limits, part=part)[0]
    data = read_bytes(source, limits)
    with named(source):
        return _decode(data, limits, part=part or part_of(uri_of(source)))[0]


def load_pixels(
    data: bytes,
    preprocess: Preprocess,
    limits: Limits = _DEFAULT_LIMITS,
    *,
    part: str | None = None,
    name: str | os.PathLike[str] | None = None,
    least_side: int = 0,
) -> Decoded:
    """Decodes a file for an encoder: the one way for files that are indexed and for files that are looked for.

    Args:
        data: the file's bytes.
        preprocess: the encoder's.
        limits: caps that are checked before anything is allocated.
        part: one of `parts_of` the file, "page=2" or "t=12.480"; None: the file's own picture, which is its first page
            or frame.
        name: what to call the picture in errors.
        least_side: pixels that `Decoded.picture` has along its sides at least, where the file has them; for what else
            looks at it.

    Raises:
        ImageError: the picture cannot be used; `reason` says why.
    """
    with named(name):
        picture, kind, width, height = _decode(data, limits, max(_DRAFT_SIDE, 2 * preprocess.size, least_side), part)
    return Decoded(fit(picture, preprocess), kind, width, height, picture)


def parts_of(data: bytes, limits: Limits = _DEFAULT_LIMITS) -> list[str]:
    """What a file holds beyond its own picture, to be given to `load_pixels`.

    Pages of TIFF and PDF ("page=2", from 1, at most `stylesearch.decoders.MAX_PAGES`) and key frames of videos, one for
    each scene ("t=12.480", seconds, at most `stylesearch.decoders.video.MAX_KEY_FRAMES`). Animated pictures have none.

    Raises:
        ImageError: the file cannot be used; `reason` says why.
    """
    kind = _known_format(data, limits)
    if BY_NAME[kind].parts is None:
        return []
    decoder = decoder_of(kind)
    with _decoder_errors(kind, decoder, data):
        return decoder.parts(data, Request(kind, limits))


def decoder_name(data: bytes) -> str | None:
    """Which module of `stylesearch.decoders` reads a file that begins so; None where none does."""
    try:
        return BY_NAME[_known_format(data, Limits())].decoder
    except ImageError:
        return None


def thumbnail(picture: Image.Image, side: int = THUMBNAIL_SIDE, quality: int = 80) -> bytes:
    """A WebP file, `side` pixels along its longest side; smaller pictures keep their size."""
    scale, small = side / max(picture.size), picture
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        small = picture.resize(size, Image.Resampling.BICUBIC, reducing_gap=1.5)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=quality, method=2)
    return buffer.getvalue()


def _decode(
    data: bytes, limits: Limits, side: int | None = None, part: str | None = None
) -> tuple[Image.Image, str, int, int]:
    """The upright sRGB picture, its format, and the width and height of the whole upright picture."""
    kind = _known_format(data, limits)
    request = Request(kind, limits, side, part)
    if part is not None and BY_NAME[kind].parts is None:
        raise request.no_such_part()
    decoder = decoder_of(kind)
    with _decoder_errors(kind, decoder, data):
        raster = decoder.decode(data, request)
        picture = to_srgb(raster.image)
        if raster.orientation in _UPRIGHT:
            picture = picture.transpose(_UPRIGHT[raster.orientation])
    width, height = raster.size if raster.orientation < 5 else raster.size[::-1]
    return picture, kind, width, height


def _known_format(data: bytes, limits: Limits) -> str:
    if not data:
        raise ImageError("empty", "The file is empty.")
    if len(data) > limits.max_bytes:
        raise too_many_bytes(len(data), limits)
    kind = format_of(data[:SIGNATURE_BYTES])
    if kind is None:
        raise ImageError("not-an-image", "The content is of no image format that is known here.")
    if kind == "TIFF":
        from stylesearch.decoders.tiff import is_camera_raw

        return "RAW" if is_camera_raw(data) else kind
    return kind


@contextmanager
def _decoder_errors(kind: str, decoder: Decoder, data: bytes) -> Iterator[None]:
    """The one place where what decoders raise becomes an ImageError. Hostile bytes bring out any exception at all."""
    try:
        yield
    except ImageError:
        raise
    except (MemoryError, Image.DecompressionBombError) as exc:
        raise ImageError("too-large", f"The {kind} picture needs more memory than it may have.") from exc
    except Exception as exc:
        text = str(exc).strip() or type(exc).__name__
        if _TOO_LARGE in text:
            raise ImageError("too-large", f"The {kind} file holds more than its decoder allows ({text}).") from exc
        if isinstance(exc, EOFError) or any(sign in text.lower() for sign in _ENDS_EARLY) or _ends_early(decoder, data):
            raise ImageError("truncated", f"The {kind} file ends before the picture does ({text}).") from exc
        raise ImageError("damaged", f"The {kind} decoder cannot make sense of the file ({text}).") from exc


def _ends_early(decoder: Decoder, data: bytes) -> bool:
    try:
        return hasattr(decoder, "ends_early") and decoder.ends_early(data)
    except Exception:  # noqa: BLE001 - it looks at bytes that a decoder has stumbled over before
        return False
