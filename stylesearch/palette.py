"""The colours that a picture is made of: weighted k-means in OKLab."""

from __future__ import annotations

import numpy as np

from stylesearch.records import Colour

MOST_COLOURS = 8

# Clusters nearer than this are one colour to the eye; shares below that are specks. About four just noticeable
# differences: one is near 0.01 in OKLab, whose distance from black to white is 1.
_SAME_COLOUR = 0.04
_LEAST_SHARE = 0.005

_ROUNDS = 12
_BITS = 5  # of each channel: pixels of one of the 32^3 cells count as one point, at their mean

# Bjoern Ottosson: "A perceptual color space for image processing" (2020), https://bottosson.github.io/posts/oklab/
_LMS_OF_RGB = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    np.float32,
)
_LAB_OF_LMS = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    np.float32,
)


def oklab_of_srgb(rgb: np.ndarray) -> np.ndarray:
    """OKLab of sRGB.

    Args:
        rgb: (..., 3), levels of 0 to 255, integer or float.

    Returns:
        float32 (..., 3): lightness 0 to 1, a, b.
    """
    encoded = np.asarray(rgb, np.float32) / 255
    # The transfer function of IEC 61966-2-1.
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.cbrt(linear @ _LMS_OF_RGB.T) @ _LAB_OF_LMS.T, np.float32)


def srgb_of_oklab(lab: np.ndarray) -> np.ndarray:
    """sRGB of OKLab, cut to what sRGB can show.

    Args:
        lab: float (..., 3): lightness, a, b.

    Returns:
        uint8 (..., 3).
    """
    lms = np.asarray(lab, np.float64) @ np.linalg.inv(_LAB_OF_LMS.astype(np.float64)).T
    linear = np.clip(lms**3 @ np.linalg.inv(_LMS_OF_RGB.astype(np.float64)).T, 0, 1)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(encoded * 255).astype(np.uint8)


def hex_of(colour: Colour) -> str:
    """The colour as the web writes it: "#a1b2c3"."""
    red, green, blue = srgb_of_oklab(np.array(colour[:3]))
    return f"#{red:02x}{green:02x}{blue:02x}"


def palette_of(pixels: np.ndarray) -> tuple[Colour, ...]:
    """The colours of a picture, the same for the same pixels.

    Args:
        pixels: uint8 (H, W, 3), sRGB; a picture reduced to about 96 pixels gives the same colours as the whole.

    Returns:
        one to `MOST_COLOURS` colours, the largest share first; shares sum to 1.
    """
    means, counts = _cells(pixels.reshape(-1, 3))
    points, weights = oklab_of_srgb(means), (counts / counts.sum()).astype(np.float32)
    centres = _k_means(points, weights, _seeds(points, weights))
    centres, shares = _merged(centres, np.bincount(np.argmin(_distances(points, centres), 0), weights, len(centres)))
    kept = shares >= _LEAST_SHARE
    centres, shares = centres[kept], shares[kept] / shares[kept].sum()
    order = np.argsort(-shares, kind="stable")
    rows = np.column_stack([centres, shares])[order].tolist()
    return tuple(Colour(*row) for row in rows)


def _cells(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean colour float (n, 3) and number of pixels (n,) of the cells of the colour cube that are not empty."""
    cell = pixels.astype(np.intp) >> (8 - _BITS)
    number = (cell[:, 0] << (2 * _BITS)) | (cell[:, 1] << _BITS) | cell[:, 2]
    counts = np.bincount(number)
    filled = np.flatnonzero(counts)
    sums = np.stack([np.bincount(number, pixels[:, channel])[filled] for channel in range(3)], 1)
    return sums / counts[filled, None], counts[filled]


def _seeds(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The heaviest point, then always the one that is heaviest where the seeds are far: k-means++ without its dice."""
    chosen = [int(np.argmax(weights))]
    squares, distances = (points**2).sum(1), np.full(len(points), np.inf, np.float32)
    while len(chosen) < min(MOST_COLOURS, len(points)):
        gaps = squares + _distances(points, points[chosen[-1:]])[0]
        distances = np.minimum(distances, np.maximum(gaps, 0))  # below 0 by rounding alone
        chosen.append(int(np.argmax(distances * weights)))
    return points[chosen]


def _k_means(points: np.ndarray, weights: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Lloyd's algorithm; a centre that loses all its points stays where it is."""
    weighted = np.column_stack([points * weights[:, None], weights])
    for _ in range(_ROUNDS):
        distances = _distances(points, centres)
        # A point between two centres counts for both: rare, and many times faster than argmin.
        sums = (distances == distances.min(0)).astype(np.float32) @ weighted
        mass = sums[:, 3:]
        moved = np.where(mass > 0, sums[:, :3] / np.maximum(mass, 1e-12), centres)
        if np.abs(moved - centres).max() < 1e-4:
            return moved
        centres = moved
    return centres


def _distances(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Squared, float32 (K, N), less the square of the point itself, which is the same for every centre."""
    return np.asarray((centres**2).sum(1, keepdims=True) - 2 * (centres @ points.T))


def _merged(centres: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unites the two nearest centres until no two are one colour to the eye."""
    while len(centres) > 1:
        gaps = ((centres[:, None] - centres[None]) ** 2).sum(2)
        np.fill_diagonal(gaps, np.inf)
        one, other = divmod(int(np.argmin(gaps)), len(centres))
        if gaps[one, other] >= _SAME_COLOUR**2:
            break
        total = max(shares[one] + shares[other], 1e-12)
        centres[one] = (centres[one] * shares[one] + centres[other] * shares[other]) / total
        shares[one] = total
        centres, shares = np.delete(centres, other, 0), np.delete(shares, other)
    return centres, shares
