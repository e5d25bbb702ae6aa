"""Colour, tone, texture and line of a picture, measured apart, so that two pictures can be compared in each alone.

Handmade and nothing learned: an encoder says that two styles are alike, this says in what. Each trait is a set of
distributions, and the distance of two is that between the distributions (Wasserstein-1: how far one has to be moved to
become the other), so that it knows nothing of where in a picture something lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from PIL import Image

from stylesearch.encoders.descriptors import srgb_to_lab

SIDE = 224  # pixels along the longest side of what is measured

TRAITS = ("colour", "tone", "texture", "line")

_LEVELS = (np.arange(32) + 0.5) / 32  # quantiles that stand for a distribution
_DIRECTIONS = 8  # in which the plane of a* and b* is looked at: sliced Wasserstein distance, Bonneel et al. 2015
_LEAST_CONTRAST = 5.0  # of L*; grain on an even ground is not blown up beyond this
_FAINT = 0.02  # of the contrast; what is fainter counts as nothing
_OCTAVES = 3
_RADII = (1, 2, 4)  # of strokes, pixels of the second octave

# The distance of two pictures of different styles is below this as often as above. `python -m benchmarks.explanation`
# prints the medians; these are over the five sets that the encoder is trained on (colour: over the four that have any).
HALF = {"colour": 9.0, "tone": 10.0, "texture": 0.3, "line": 1.0}
_LINE_PARTS = (0.025, 0.1, 0.05)  # what brings stroke widths, edges and direction to one scale, likewise


class Likeness(NamedTuple):
    """How alike two pictures are in each trait: from 0 to 1.

    1 is the same, and 0.5 what two pictures of different styles come to as often as not: 2 ** (-distance / `HALF`).

    Attributes:
        colour: hues and how strong they are, whatever their lightness.
        tone: how light and how dark, and how much of each.
        texture: grain and fine structure in proportion to the picture's contrast, over three octaves.
        line: widths of strokes, how much of the picture is edge, and whether edges run on or break up.
    """

    colour: float
    tone: float
    texture: float
    line: float


@dataclass(frozen=True, slots=True)
class Traits:
    """What is measured in a picture.

    Attributes:
        colour: float32 (8, 32), quantiles of a* and b* in eight directions, CIELAB units.
        tone: float32 (32,), quantiles of L*, 0 to 100.
        texture: float32 (3, 32), quantiles of the logarithm of local contrast, finest octave first.
        line: float32 (7,) of strokes' widths and edges, then (32,) quantiles of how straight edges run on, 0 to 1.
    """

    colour: np.ndarray
    tone: np.ndarray
    texture: np.ndarray
    line: np.ndarray


def traits_of(picture: Image.Image) -> Traits:
    """Measures a picture.

    Args:
        picture: mode RGB, upright, sRGB, of any size.
    """
    scale = SIDE / max(picture.size)
    size = (max(8, round(picture.width * scale)), max(8, round(picture.height * scale)))
    lab = srgb_to_lab(np.asarray(picture.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)))
    lightness = lab[..., 0]
    shades = lightness / max(float(lightness.std()), _LEAST_CONTRAST)
    return Traits(_colour(lab[..., 1:]), _quantiles(lightness), _texture(shades), _line(shades))


def likeness_of(one: Traits, other: Traits) -> Likeness:
    """Compares what was measured; the order does not matter."""
    return Likeness(*(float(2 ** (-distance / HALF[name])) for name, distance in distances(one, other).items()))


def distances(one: Traits, other: Traits) -> dict[str, float]:
    """How far two pictures are apart in each of `TRAITS`, 0 or more."""
    strokes, edges, direction = (
        float(np.abs(one.line[part] - other.line[part]).mean()) for part in (slice(0, 6), slice(6, 7), slice(7, None))
    )
    line = sum(value / unit for value, unit in zip((strokes, edges, direction), _LINE_PARTS, strict=True)) / 3
    parts = ((one.colour, other.colour), (one.tone, other.tone), (one.texture, other.texture))
    return dict(zip(TRAITS, [*(float(np.abs(a - b).mean()) for a, b in parts), line], strict=True))


def _quantiles(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.quantile(values, _LEVELS), np.float32)


def _colour(plane: np.ndarray) -> np.ndarray:
    angles = np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    along = plane.reshape(-1, 2) @ np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    return np.asarray(np.quantile(along, _LEVELS, axis=0).T, np.float32)


def _texture(shades: np.ndarray) -> np.ndarray:
    found = []
    for _ in range(_OCTAVES):
        smooth = _smoothed(shades)
        found.append(_quantiles(np.log(np.abs(shades - smooth) + _FAINT)))
        shades = smooth[::2, ::2]
    return np.stack(found)


def _line(shades: np.ndarray) -> np.ndarray:
    # Smoothed once more than the octave needs: grain is texture.
    shades = _smoothed(_smoothed(shades)[::2, ::2])
    taken = []
    for sign in (shades, -shades):  # light strokes, then dark ones
        left = [sign, *(_opened(sign, radius) for radius in _RADII)]
        taken += [(before - after).mean() for before, after in pairwise(left)]
    down, across = np.gradient(shades)
    energy = across**2 + down**2
    edges = (energy > 0.15**2).mean()
    xx, yy, xy = (_smoothed(_smoothed(part)) for part in (across**2, down**2, across * down))
    coherence = np.sqrt((xx - yy) ** 2 + 4 * xy**2) / (xx + yy + 1e-4)  # Bigun and Granlund 1987
    return np.concatenate([[*taken, edges], _weighted_quantiles(coherence.ravel(), energy.ravel())]).astype(np.float32)


def _opened(shades: np.ndarray, radius: int) -> np.ndarray:
    """The picture without light strokes of up to twice the radius (pattern spectrum: Maragos 1989)."""
    for extreme in (np.minimum, np.maximum):
        for _ in range(radius):
            for axis in (0, 1):
                shades = reduce(extreme, _shifted(shades, axis, 1))
    return shades


def _shifted(values: np.ndarray, axis: int, reach: int) -> list[np.ndarray]:
    """The array shifted by -reach to reach pixels along an axis, edges repeated."""
    framed = np.pad(values, [(reach, reach) if axis == one else (0, 0) for one in (0, 1)], mode="edge")
    length = values.shape[axis]
    return [np.take(framed, range(at, at + length), axis) for at in range(2 * reach + 1)]


def _weighted_quantiles(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    order = np.argsort(values)
    mass = np.cumsum(weights[order] + 1e-9)  # so that an even ground has quantiles too
    return np.asarray(values[order][np.searchsorted(mass, _LEVELS * mass[-1])])


def _smoothed(values: np.ndarray) -> np.ndarray:
    """Binomial filter of 5 by 5."""
    for axis in (0, 1):
        a, b, c, d, e = _shifted(values, axis, 2)
        values = (a + 4 * b + 6 * c + 4 * d + e) / 16
    return values
