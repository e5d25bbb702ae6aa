"""What is worked out from the pixels of a picture beside its vector: its palette and a perceptual hash."""

from __future__ import annotations

import numpy as np
from PIL import Image

from stylesearch.palette import palette_of
from stylesearch.records import Appearance

SIDE = 96  # pixels along the longest side of the reduction that everything is worked out from

_HASH_SIDE = 32
_BITS_SIDE = 8

# How far above the median a frequency must lie, in standard deviations. At 0, the many frequencies that are nothing but
# rounding in symmetric and flat pictures (icons, diagrams) would fall on either side by chance.
_MARGIN = 0.1


def appearance_of(picture: Image.Image) -> Appearance:
    """Palette and perceptual hash.

    Args:
        picture: mode RGB, upright, sRGB, of any size.
    """
    scale = SIDE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    small = picture.resize(size, Image.Resampling.BOX, reducing_gap=2.0) if scale < 1 else picture
    return Appearance(palette_of(np.asarray(small)), perceptual_hash(small))


def perceptual_hash(picture: Image.Image) -> int:
    """64 bits that stay as they are, but for a few, when a picture is resized, compressed or cut a little.

    Zauner: "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010), 3.2.1: the picture in grey at
    32 x 32; its discrete cosine transform; for each of the 64 lowest frequencies, the constant and those along the
    edges left out, whether it is above the median, clearly (`_MARGIN`).

    Returns:
        0 <= n < 2 ** 64.
    """
    grey = np.asarray(picture.convert("L").resize((_HASH_SIDE, _HASH_SIDE), Image.Resampling.BOX), np.float32)
    low = (_COSINES @ grey @ _COSINES.T).ravel()
    return int.from_bytes(np.packbits(low > np.median(low) + _MARGIN * low.std()).tobytes(), "big")


def hamming(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """In how many bits hashes differ.

    Args:
        one, other: uint64, shapes that broadcast.

    Returns:
        uint8, 0 to 64.
    """
    return _bit_count(np.bitwise_xor(one, other))


def _bit_count(values: np.ndarray) -> np.ndarray:
    if hasattr(np, "bitwise_count"):  # from NumPy 2.0
        return np.asarray(np.bitwise_count(values))
    return np.asarray(_BYTE_COUNTS[np.ascontiguousarray(values)[..., None].view(np.uint8)].sum(-1, dtype=np.uint8))


def _cosines() -> np.ndarray:
    # Rows 1 to 8 of the DCT-II of length 32.
    frequency, place = np.ogrid[1 : _BITS_SIDE + 1, :_HASH_SIDE]
    return np.asarray(np.cos(np.pi * frequency * (2 * place + 1) / (2 * _HASH_SIDE)), np.float32)


_COSINES = _cosines()
_BYTE_COUNTS = np.array([byte.bit_count() for byte in range(256)], np.uint8)
