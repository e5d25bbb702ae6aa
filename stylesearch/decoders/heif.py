"""HEIC and HEIF, by libheif (pillow-heif)."""

from __future__ import annotations

import io

import pillow_heif

from stylesearch.decoders import Raster, Request, boxes
from stylesearch.errors import ImageError

pillow_heif.options.DECODE_THREADS = 1  # there is a worker for each core

ends_early = boxes.ends_early


def decode(data: bytes, request: Request) -> Raster:
    """Decodes the primary picture; of 10 and 12 bits the high 8.

    libheif turns the picture itself, as the format demands, which has the EXIF orientation say nothing. It has caps of
    its own on the number of tiles and on memory.
    """
    try:
        picture = pillow_heif.open_heif(io.BytesIO(data))
        request.check_pixels(*picture.size)
        image = picture.to_pillow()
    except ValueError as exc:
        if "security limit" in str(exc).lower():
            raise ImageError("too-large", f"The HEIC picture is above the caps of its decoder ({exc}).") from exc
        raise
    return Raster(image, image.size)
