"""Camera raw files, by LibRaw (rawpy): the preview that the camera has embedded, else the sensor's data."""

from __future__ import annotations

import io
from dataclasses import replace

import rawpy
from PIL import Image

from stylesearch.decoders import Raster, Request, bitmaps, tiff
from stylesearch.errors import ImageError

# A preview is the camera's own rendering, which is what its owner knows. Smaller ones are thumbnails.
_PREVIEW_SIDE = 512  # pixels, the shorter side

_ORIENTATION = {3: 3, 5: 8, 6: 6}  # LibRaw's `flip` -> EXIF orientation


def decode(data: bytes, request: Request) -> Raster:
    """Decodes the embedded preview, or the sensor's data at half size with the camera's white balance.

    `size` is that of the sensor's picture.
    """
    try:
        with rawpy.RawPy() as raw:
            raw.open_buffer(io.BytesIO(data))
            sizes = raw.sizes
            request.check_pixels(sizes.raw_width, sizes.raw_height)
            size = sizes.width, sizes.height
            orientation = _ORIENTATION.get(sizes.flip, 1)
            preview = _preview(raw, request)
            if preview is None:
                raw.unpack()
                # sRGB's own curve (IEC 61966-2-1), and no brightening that depends on the rest of the picture.
                values = raw.postprocess(
                    half_size=True, use_camera_wb=True, no_auto_bright=True, user_flip=0, gamma=(2.4, 12.92)
                )
                return Raster(Image.fromarray(values), size, orientation)
    except (rawpy.LibRawTooBigError, rawpy.LibRawUnsufficientMemoryError, rawpy.LibRawMemPoolOverflowError) as exc:
        raise ImageError("too-large", f"The raw file needs more memory than it may have ({exc}).") from exc
    except rawpy.LibRawFileUnsupportedError as exc:
        if _is_tiff(data) and tiff.ends_early(data):
            raise ImageError("truncated", "The raw file ends before the picture does.") from exc
        raise ImageError("unsupported", "The raw file is of a camera that LibRaw does not know.") from exc
    except rawpy.LibRawIOError as exc:  # its word for a read beyond the end
        raise ImageError("truncated", "The raw file ends before the picture does.") from exc
    if orientation >= 5 and (preview.width < preview.height) != (size[0] < size[1]):
        # Some cameras turn the preview and not the sensor's data.
        return Raster(preview, size[::-1])
    return Raster(preview, size, orientation)


def _is_tiff(data: bytes) -> bool:
    return data[:4] in (b"II*\0", b"MM\0*")


def _preview(raw: rawpy.RawPy, request: Request) -> Image.Image | None:
    """The embedded preview, not turned; None where there is none that is large enough and whole."""
    try:
        found = raw.extract_thumb()
    except rawpy.LibRawNonFatalError:
        return None
    if isinstance(found.data, bytes):
        try:
            image = bitmaps.decode(found.data, replace(request, kind="JPEG", side=None)).image
        except (OSError, SyntaxError):
            return None
    else:
        image = Image.fromarray(found.data)
    return image if min(image.size) >= _PREVIEW_SIDE else None
