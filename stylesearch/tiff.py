"""The TIFF variants that Pillow does not read: float, wide integers and separate planes."""

from __future__ import annotations

import io

import numpy as np
import tifffile
from PIL import Image

from stylesearch.colour import scaled_by_range
from stylesearch.errors import ImageError
from stylesearch.files import too_many_pixels
from stylesearch.records import Limits

_ORIENTATION, _ICC_PROFILE = 274, 34675


def read_tiff(data: bytes, limits: Limits) -> tuple[Image.Image, int]:
    """Decodes the first page.

    Unsigned 16-bit values keep their high byte; other wide ones are scaled by their range, see `scaled_by_range`.

    Returns:
        The picture in mode L, LA, RGB or RGBA with its ICC profile in `info`, and its EXIF orientation (1 to 8).

    Raises:
        ImageError: more pixels than the cap, or kinds of samples that make no picture here. What tifffile raises on
            damaged data is mapped by the caller.
    """
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = tiff.pages.first
        width, height, samples = page.imagewidth, page.imagelength * page.imagedepth, page.samplesperpixel
        if width * height > limits.max_pixels:
            raise too_many_pixels(width, height, limits)
        # Shape and colour are checked first: a page may declare any number of samples and so any amount of memory.
        grey = page.photometric in (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.MINISWHITE)
        colour = page.photometric == tifffile.PHOTOMETRIC.RGB
        if page.axes not in ("YX", "YXS", "SYX") or not ((grey and samples <= 2) or (colour and samples in (3, 4))):
            raise ImageError(
                "unsupported",
                f"A TIFF of {samples} samples per pixel ({page.axes}, photometric {page.photometric}) cannot be read.",
            )
        values = page.asarray()
        orientation = page.tags.valueof(_ORIENTATION, 1)
        profile = page.tags.valueof(_ICC_PROFILE)
        inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    if page.axes == "SYX":
        values = np.moveaxis(values, 0, -1)
    if values.dtype == np.uint16:
        values = (values >> 8).astype(np.uint8)
    elif values.dtype != np.uint8:
        values = scaled_by_range(values)
    if inverted:
        values = 255 - values
    image = Image.fromarray(np.ascontiguousarray(values))
    if profile:
        image.info["icc_profile"] = bytes(profile)
    return image, orientation
