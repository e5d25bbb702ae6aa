"""Masks as bytes: 80 x 80 cells of 16 levels, packed. An encoder sees no finer, and a million of them stay small."""

from __future__ import annotations

import zlib

import numpy as np
from PIL.Image import Resampling, fromarray

from stylesearch.errors import CatalogError

SIDE = 80
"""Cells along a side."""

_LEVELS = 15  # the highest; 4 bits
_BYTES = SIDE * SIDE // 2


def pack_mask(values: np.ndarray) -> bytes:
    """A mask as the catalog stores it.

    Args:
        values: float32 (H, W) in [0, 1], of any size; each cell becomes the mean of what lies in it.
    """
    cells = np.asarray(fromarray(values).resize((SIDE, SIDE), Resampling.BOX))
    levels = np.rint(cells * _LEVELS).astype(np.uint8)
    return zlib.compress((levels[:, ::2] << 4 | levels[:, 1::2]).tobytes(), 9)


def unpack_mask(data: bytes) -> np.ndarray:
    """The mask that `pack_mask` packed: float32 (`SIDE`, `SIDE`) in [0, 1].

    Raises:
        CatalogError: it packed no such bytes.
    """
    unpacking = zlib.decompressobj()
    try:
        packed = unpacking.decompress(data, _BYTES + 1)
    except zlib.error:
        packed = b""
    if len(packed) != _BYTES or not unpacking.eof:
        raise CatalogError("The catalog holds a mask that is damaged. Mend it with: stylesearch doctor --mend")
    pairs = np.frombuffer(packed, np.uint8).reshape(SIDE, SIDE // 2)
    cells = np.stack([pairs >> 4, pairs & _LEVELS], -1).reshape(SIDE, SIDE)
    values: np.ndarray = cells.astype(np.float32) / _LEVELS
    return values
