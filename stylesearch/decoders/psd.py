"""PSD and PSB: the composite that Photoshop stores with the layers (psd-tools)."""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
from psd_tools import ParseLimitError, PSDDecompressionWarning, PSDImage
from psd_tools.compression import DecompressionLimitError
from psd_tools.constants import Resource

from stylesearch.decoders import Raster, Request
from stylesearch.errors import ImageError

_HEADER = 26  # bytes

# What psd-tools may allocate for each pixel of the cap. With 32 bits a channel and alpha it needs about 50.
_BYTES_PER_PIXEL = 64


def decode(data: bytes, request: Request) -> Raster:
    """Decodes the stored composite; where there is none, blends the layers, as far as psd-tools does without extras.

    Raises:
        ImageError: more pixels than the cap, or neither a composite nor layers that can be blended.
    """
    if len(data) < _HEADER:
        raise ImageError("truncated", "The PSD file ends within its header.")
    height, width = struct.unpack_from(">II", data, 14)
    request.check_pixels(width, height)
    cap = _BYTES_PER_PIXEL * request.limits.max_pixels
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # It would go on with black pixels instead.
        warnings.simplefilter("error", PSDDecompressionWarning)
        try:
            file = PSDImage.open(io.BytesIO(data), max_alloc_bytes=cap)
            image = file.topil(apply_icc=False)
            if image is None:
                image = file.composite(apply_icc=False)
        except (ParseLimitError, DecompressionLimitError) as exc:
            raise ImageError("too-large", f"The PSD file declares more than its decoder allows ({exc}).") from exc
        except ImportError as exc:
            raise ImageError(
                "unsupported", "The PSD file holds no composite. Save it again with 'Maximize Compatibility'."
            ) from exc
    profile = file.image_resources.get_data(Resource.ICC_PROFILE)
    if profile:
        image.info["icc_profile"] = bytes(profile)
    return Raster(image, image.size)


def ends_early(data: bytes) -> bool:
    """Whether a section, or the composite, lies beyond the end of the file (Adobe's specification, 2019)."""
    version, channels, height, width, depth = struct.unpack_from(">H6xHIIH", data, 4)
    start = _HEADER
    for size in (4, 4, 8 if version == 2 else 4):  # colours, resources, layers: length and content
        start += size + int.from_bytes(data[start : start + size], "big")
    if start + 2 > len(data):
        return True
    (compression,) = struct.unpack_from(">H", data, start)
    start += 2
    if compression == 0:
        return bool(start + channels * height * ((width * depth + 7) // 8) > len(data))
    if compression != 1:
        return False
    count = np.dtype(">u4" if version == 2 else ">u2")  # bytes of each row
    table = np.frombuffer(data[start : start + channels * height * count.itemsize], count)
    return len(table) < channels * height or start + table.nbytes + int(table.sum()) > len(data)
