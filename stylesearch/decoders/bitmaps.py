"""The formats that Pillow reads by itself: JPEG, PNG, GIF, WebP, BMP, AVIF, JPEG 2000 and PPM; one picture each."""

from __future__ import annotations

import io

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
    WebPImagePlugin,
)

from stylesearch.decoders import Raster, Request, boxes
from stylesearch.errors import ImageError

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
    "WEBP": WebPImagePlugin.WebPImageFile,
}
_ORIENTATION = 274  # EXIF tag


def decode(data: bytes, request: Request) -> Raster:
    """Decodes the picture, or the first frame of several."""
    kind = request.kind
    if kind == "WEBP" and (missing := 8 + int.from_bytes(data[4:8], "little") - len(data)) > 0:
        raise ImageError("truncated", f"The WEBP file ends {missing:,} bytes before the picture does.")
    if kind == "AVIF":  # its decoder has a cap of its own, and does not say so
        for width, height in boxes.extents(data):
            request.check_pixels(width, height)
    if kind == "PNG":
        _check_rows(data)
    image = _PLUGINS[kind](io.BytesIO(data))
    size = image.size
    request.check_pixels(*size)
    orientation = _orientation(image)
    if request.side and kind == "JPEG":
        image.draft(None, (request.side, request.side))
    image.load()
    return Raster(image, size, orientation)


def _check_rows(data: bytes) -> None:
    """Raises SyntaxError where the rows of a PNG are not what was written, which only their checksums tell."""
    try:
        PngImagePlugin.PngImageFile(io.BytesIO(data)).verify()
    except SyntaxError as exc:
        if "checksum" in str(exc):
            raise
        # What lies behind the last row, or is missing there, takes nothing from the picture.


def ends_early(data: bytes) -> bool:
    """Of PNG, AVIF and JPEG 2000; the other decoders say so by themselves."""
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data
    if data.startswith(b"\xff\x4f\xff\x51"):  # JPEG 2000 without boxes ends in the marker EOC
        return not data.endswith(b"\xff\xd9")
    return data[4:8] in (b"ftyp", b"jP  ") and boxes.ends_early(data)


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - Pillow raises a dozen kinds; bad metadata is no reason to refuse good pixels
        return 1
    return value if value in range(1, 9) else 1
