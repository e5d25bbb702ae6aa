"""`descriptors:lab-gradient`: a training-free baseline in NumPy.

Colour as a joint histogram in CIELAB, texture as histograms of gradient magnitude and orientation at four scales. It
needs no weights and knows nothing of content; a trained encoder that does not beat it has learnt nothing about style.
"""

from __future__ import annotations

import hashlib

import numpy as np

from stylesearch.encoders.base import Encoder
from stylesearch.images import Preprocess

COLOUR_BINS = 8  # a side of the joint (L*, a*, b*) histogram
SCALES = 4  # octaves
MAGNITUDE_BINS = 12
ORIENTATION_BINS = 8
MAX_MAGNITUDE = np.log(60.0)  # log1p of a gradient in L* units per pixel; steeper ones are rare

# Means of the square-rooted magnitude histograms, finest scale first, over four public sets of generated art and icons.
# Every picture has many weak and few strong gradients; cosine sees the differences once that common part is taken off.
_MAGNITUDE_MEAN = np.array(
    [
        [0.51, 0.29, 0.27, 0.26, 0.26, 0.25, 0.24, 0.22, 0.19, 0.15, 0.11, 0.08],
        [0.42, 0.26, 0.25, 0.26, 0.27, 0.27, 0.27, 0.26, 0.23, 0.19, 0.14, 0.10],
        [0.33, 0.20, 0.22, 0.25, 0.27, 0.29, 0.30, 0.30, 0.28, 0.23, 0.17, 0.13],
        [0.23, 0.13, 0.18, 0.22, 0.26, 0.30, 0.33, 0.33, 0.32, 0.28, 0.21, 0.13],
    ],
    np.float32,
)

# Linear sRGB to XYZ and the D65 white point: IEC 61966-2-1 and CIE 15.
_RGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
    np.float32,
)
_WHITE = np.array([0.95047, 1.0, 1.08883], np.float32)
_TO_LINEAR = np.arange(256, dtype=np.float32) / 255
_TO_LINEAR = np.where(_TO_LINEAR <= 0.04045, _TO_LINEAR / 12.92, ((_TO_LINEAR + 0.055) / 1.055) ** 2.4)


def srgb_to_lab(pixels: np.ndarray) -> np.ndarray:
    """CIELAB under D65.

    Args:
        pixels: uint8 (..., 3), sRGB.

    Returns:
        float32 (..., 3): L* in [0, 100], a* and b* in about [-110, 100].
    """
    xyz = _TO_LINEAR[pixels] @ _RGB_TO_XYZ.T / _WHITE
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29).astype(np.float32)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


class LabGradientEncoder(Encoder):
    """512 colour and 80 gradient statistics of a 128 pixel square; all are square roots of shares (Hellinger)."""

    name = "descriptors:lab-gradient"
    dim = COLOUR_BINS**3 + SCALES * (MAGNITUDE_BINS + ORIENTATION_BINS)
    dtype = "float32"
    preprocess = Preprocess(size=128)
    part_size = 48  # close to a third of the square; it can be halved as often as there are scales
    # Raise the number with any change that moves a vector.
    fingerprint = hashlib.sha256(b"descriptors:lab-gradient/1").hexdigest()

    def _embed(self, pixels: np.ndarray) -> np.ndarray:
        return np.stack([_describe(srgb_to_lab(picture)) for picture in pixels])


def _describe(lab: np.ndarray) -> np.ndarray:
    parts = [_colour(lab)]
    lightness = lab[..., 0]
    for mean in _MAGNITUDE_MEAN:
        parts += _gradients(lightness, mean)
        half = lightness.shape[0] // 2
        lightness = lightness.reshape(half, 2, half, 2).mean(axis=(1, 3))
    return np.concatenate(parts)


def _colour(lab: np.ndarray) -> np.ndarray:
    # a* and b* beyond +-64 are rare in pictures; they count in the outer bins.
    unit = (lab + np.array([0, 64, 64], np.float32)) / np.array([100, 128, 128], np.float32)
    bins = np.clip((unit * COLOUR_BINS).astype(np.intp), 0, COLOUR_BINS - 1)
    joint = (bins[..., 0] * COLOUR_BINS + bins[..., 1]) * COLOUR_BINS + bins[..., 2]
    return np.sqrt(np.bincount(joint.ravel(), minlength=COLOUR_BINS**3) / joint.size)


def _gradients(lightness: np.ndarray, mean: np.ndarray) -> list[np.ndarray]:
    down, across = np.gradient(lightness)
    magnitude = np.hypot(across, down)
    level = np.histogram(np.log1p(magnitude), bins=MAGNITUDE_BINS, range=(0, MAX_MAGNITUDE))[0] / magnitude.size
    angle = (np.arctan2(down, across) % np.pi) / np.pi
    bins = np.minimum((angle * ORIENTATION_BINS).astype(np.intp), ORIENTATION_BINS - 1)
    direction = np.bincount(bins.ravel(), weights=magnitude.ravel(), minlength=ORIENTATION_BINS)
    share = direction / direction.sum() if direction.sum() > 0 else np.full(ORIENTATION_BINS, 1 / ORIENTATION_BINS)
    # Orientation is half content (a tower is upright in any style), so it counts half.
    return [np.sqrt(level) - mean, 0.5 * (np.sqrt(share) - np.sqrt(1 / ORIENTATION_BINS))]
