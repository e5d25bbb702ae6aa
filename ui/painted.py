"""What somebody painted on a reference, to say which part of it counts: as the browser sends it, and as an address
holds it."""

from __future__ import annotations

import base64
import binascii
import zlib

import numpy as np
from PIL import Image

from stylesearch.errors import ImageError
from stylesearch.images import read_image
from stylesearch.query import Box
from stylesearch.records import Limits

SIDE = 64
"""Cells along a side of the square grid that lies over a picture, whatever its shape; encoders see no finer."""

LONGEST = 700  # characters of a painting in an address: of noise, which does not pack
_BYTES = SIDE * SIDE // 8
_PNG = b"\x89PNG\r\n\x1a\n"
_LIMITS = Limits(max_pixels=1024 * 1024, max_bytes=200_000)


def take_painting(data_url: str) -> np.ndarray | None:
    """Reads what the browser sends.

    Args:
        data_url: a PNG file, white where the picture counts and black elsewhere, of any size up to a megapixel.

    Returns:
        bool (`SIDE`, `SIDE`), True where the picture counts; None where this is no such file.
    """
    if len(data_url) > 2 * _LIMITS.max_bytes:
        return None
    try:
        data = base64.b64decode(data_url.partition(",")[2], validate=True)
        if not data.startswith(_PNG):
            return None
        picture = read_image(data, limits=_LIMITS)
    except (binascii.Error, ImageError):
        return None
    cells: np.ndarray = np.asarray(picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)) > 127
    return cells


def write_painting(cells: np.ndarray) -> str | None:
    """The words of an address that stand for a painting.

    Args:
        cells: bool (`SIDE`, `SIDE`).

    Returns:
        None where nothing is painted, or everything: then the whole picture counts.
    """
    if cells.all() or not cells.any():
        return None
    packed = zlib.compress(np.packbits(cells).tobytes(), 9, wbits=-zlib.MAX_WBITS)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read_painting(written: str) -> np.ndarray | None:
    """The painting that `write_painting` wrote: bool (`SIDE`, `SIDE`); None where it wrote no such thing."""
    unpacking = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        packed = base64.b64decode(written + "=" * (-len(written) % 4), altchars=b"-_", validate=True)
        bits = unpacking.decompress(packed, _BYTES + 1)
    except (binascii.Error, ValueError, zlib.error):
        return None
    if len(bits) != _BYTES or not unpacking.eof or unpacking.unused_data:
        return None
    cells: np.ndarray = np.unpackbits(np.frombuffer(bits, np.uint8)).reshape(SIDE, SIDE).astype(bool)
    return None if cells.all() or not cells.any() else cells


def box_around(cells: np.ndarray) -> Box:
    """The smallest box around what is painted; `cells` as `read_painting` gives them."""
    rows, columns = np.flatnonzero(cells.any(1)).tolist(), np.flatnonzero(cells.any(0)).tolist()
    return columns[0] / SIDE, rows[0] / SIDE, (columns[-1] + 1) / SIDE, (rows[-1] + 1) / SIDE
