"""TIFF: by Pillow, and by tifffile where Pillow cannot (float, wide integers, separate planes of more than 8 bits)."""

from __future__ import annotations

import io
import struct

import numpy as np
import tifffile
from PIL import Image, TiffImagePlugin

from stylesearch.colour import scaled_by_range
from stylesearch.decoders import MAX_PAGES, Raster, Request
from stylesearch.errors import ImageError

_BITS, _PLANES, _ORIENTATION, _ICC_PROFILE = 258, 284, 274, 34675  # tags
_DNG_VERSION = 50706
_REDUCED, _MASK = 1, 4  # bits of the tag NewSubfileType: no page of the document (TIFF 6.0, page 36)

_BYTES_OF_TYPE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}  # TIFF 6.0, page 15

# What only the sensor's data of a camera raw file has. Photometric: colour filter array, linear raw (DNG 1.7).
# Compression, as in LibRaw: Sony ARW, packed, Samsung SRW, Nikon NEF, Pentax PEF.
_RAW_PHOTOMETRIC = {32803, 34892}
_RAW_COMPRESSION = {32767, 32769, 32770, 34713, 65535}


def decode(data: bytes, request: Request) -> Raster:
    """Decodes one page.

    Unsigned 16-bit values keep their high byte; other wide ones are scaled by their range, see `scaled_by_range`.

    Raises:
        ImageError: more pixels than the cap, no such page, or kinds of samples that make no picture here.
    """
    image = _open_in_pillow(data, request)
    if image is None and ends_early(data):  # it may lack the very tags that would tell Pillow
        raise ImageError("truncated", "The TIFF file ends before the description of the picture does.")
    if image is None:
        return _decode_in_tifffile(data, request)
    size = image.size
    request.check_pixels(*size)
    image.load()
    return Raster(image, size)  # Pillow turns TIFF by itself


def parts(data: bytes, request: Request) -> list[str]:
    """The pages beyond the first; smaller versions of pages (pyramids, thumbnails) and masks are none."""
    found = []
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        for number in range(1, MAX_PAGES):
            try:
                page = tiff.pages[number]
            except IndexError:
                break
            if not int(page.subfiletype) & (_REDUCED | _MASK):
                found.append(f"page={number + 1}")
    return found


def ends_early(data: bytes) -> bool:
    """Whether the first directory, a value of it, or the pixels of the first page lie beyond the end of the file."""
    if b"*" in data[2:4] and _directory_end(data) > len(data):  # not a BigTIFF
        return True
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = tiff.pages.first
        ends = (start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=False))
        return bool(max(ends, default=0) > len(data))


def _directory_end(data: bytes) -> int:
    """Where the first directory and its values end (TIFF 6.0, pages 13 to 16)."""
    order = "<" if data.startswith(b"II") else ">"
    (start,) = struct.unpack_from(order + "I", data, 4)
    if start + 2 > len(data):
        return len(data) + 1
    (count,) = struct.unpack_from(order + "H", data, start)
    end: int = start + 2 + 12 * count
    for entry in range(start + 2, min(end, len(data) - 11), 12):
        _, kind, values, offset = struct.unpack_from(order + "HHII", data, entry)
        size = values * _BYTES_OF_TYPE.get(kind, 0)
        if size > 4:
            end = max(end, offset + size)
    return end


def is_camera_raw(data: bytes) -> bool:
    """Whether a TIFF holds a sensor's data (DNG, NEF, ARW and others); its first page is a thumbnail then."""
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as tiff:
            first = tiff.pages.first
            pages = [first, *(first.pages or ())]
            return _DNG_VERSION in first.tags or any(
                int(page.photometric or 0) in _RAW_PHOTOMETRIC or int(page.compression or 0) in _RAW_COMPRESSION
                for page in pages
            )
    except Exception:  # noqa: BLE001 - tifffile raises a dozen kinds; what is wrong, the decoder will find
        return False


def _open_in_pillow(data: bytes, request: Request) -> TiffImagePlugin.TiffImageFile | None:
    """The page, not loaded yet; None where Pillow cannot read it."""
    try:
        image = TiffImagePlugin.TiffImageFile(io.BytesIO(data))
        if request.page:
            image.seek(request.page)
    except EOFError as exc:
        raise request.no_such_part() from exc
    except SyntaxError as exc:
        if "unknown pixel mode" in str(exc) or "unknown data organization" in str(exc):
            return None
        raise
    # Separate planes of more than 8 bits come out garbled, and without an error.
    garbled = image.tag_v2.get(_PLANES) == 2 and max(image.tag_v2.get(_BITS, (1,))) > 8
    return None if garbled else image


def _decode_in_tifffile(data: bytes, request: Request) -> Raster:
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        try:
            page = tiff.pages[request.page]
        except IndexError as exc:
            raise request.no_such_part() from exc
        width, height, samples = page.imagewidth, page.imagelength * page.imagedepth, page.samplesperpixel
        request.check_pixels(width, height)
        # Shape and colour are checked first: a page may declare any number of samples and so any amount of memory.
        grey = page.photometric in (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.MINISWHITE)
        colour = page.photometric == tifffile.PHOTOMETRIC.RGB
        if page.axes not in ("YX", "YXS", "SYX") or not ((grey and samples <= 2) or (colour and samples in (3, 4))):
            raise ImageError(
                "unsupported",
                f"A TIFF of {samples} samples per pixel ({page.axes}, photometric {page.photometric}) cannot be read.",
            )
        try:
            values = page.asarray()
        except ValueError as exc:
            if "imagecodecs" not in str(exc):  # the package that tifffile lacks for this compression
                raise
            raise ImageError("unsupported", "The TIFF file is compressed in a way that is unknown here.") from exc
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
    return Raster(image, image.size, orientation)
