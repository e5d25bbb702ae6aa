"""Colours of one picture moved onto those of others: optimal transport in OKLab."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from stylesearch.palette import oklab_of_srgb, palette_of

_SIDE = 128  # pixels, at which colours are counted
_FRAME = 8  # pixels of that along the border, which is ground more often than not

# Of the transport between palettes, in squared distances of OKLab: how far from the cheapest plan it may be, what it
# costs to use a colour more or less than the references do, and how much ground to figure weighs against colour.
_SMOOTHING, _SHARES, _GROUND = 0.004, 0.05, 0.7
_TURNS = 200  # of Sinkhorn's scaling; palettes of a few dozen colours have settled by then
_REACH = 0.06  # OKLab; how far the shift of one colour of the palette spreads to others between them
_LEAST_SPREAD = 0.03  # of lightness; below it, differences are not stretched

_POINTS = 16_384  # pixels that stand for all
_ROUNDS = 8  # turns of the axes: the next ones move colours by less than is seen
_KNOTS = 256  # of each curve


@dataclass(frozen=True)
class Palette:
    """K colours of one picture, or of several together.

    Attributes:
        colours: float32 (K, 3), OKLab.
        shares: float64 (K,), of the pixels; they sum to 1.
        ground: float64 (K,): 1 for the colour that is most common along the border beside inside, 0 for colours that
            are inside only.
    """

    colours: np.ndarray
    shares: np.ndarray
    ground: np.ndarray

    @classmethod
    def of(cls, picture: Image.Image) -> Palette:
        """That of one picture of mode RGB."""
        pixels = np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BOX))
        colours = np.array([colour[:3] for colour in palette_of(pixels)], np.float32)
        nearest = _nearest(oklab_of_srgb(pixels), colours)
        inside = nearest[_FRAME:-_FRAME, _FRAME:-_FRAME]
        counts = np.bincount(nearest.ravel(), minlength=len(colours))
        within = np.bincount(inside.ravel(), minlength=len(colours))
        border, middle = (counts - within) / (nearest.size - inside.size), within / inside.size
        outside = border / np.maximum(border + middle, 1e-9)
        return cls(colours, counts / counts.sum(), outside / max(outside.max(), 1e-9))

    @classmethod
    def joined(cls, palettes: Sequence[Palette], weights: Sequence[float]) -> Palette:
        """All colours of several palettes, each palette with a share as large as its weight."""
        parts = [part.shares * weight / sum(weights) for part, weight in zip(palettes, weights, strict=True)]
        return cls(
            np.concatenate([part.colours for part in palettes]),
            np.concatenate(parts),
            np.concatenate([part.ground for part in palettes]),
        )


def recolour(picture: np.ndarray, own: Palette, wanted: Palette) -> np.ndarray:
    """Gives each colour of a picture one of the wanted ones: light stays light, ground stays ground, hues stay near.

    Unbalanced optimal transport between the palettes, by Sinkhorn's scaling: every colour of the picture has to go
    somewhere, while the wanted shares may be missed at a price (Chizat et al. 2018, Mathematics of Computation 87,
    section 3). A picture of a small thing on a wide ground thus keeps its ground, however busy the references are.

    Args:
        picture: float32 (H, W, 3), OKLab.

    Returns:
        float32 (H, W, 3).
    """
    kernel = np.exp(-_costs(own, wanted) / _SMOOTHING) + 1e-12
    rows, columns = np.maximum(own.shares, 1e-6), np.maximum(wanted.shares, 1e-6)
    right = np.ones(len(columns))
    for _ in range(_TURNS):
        left = rows / (kernel @ right)
        right = (columns / (kernel.T @ left)) ** (_SHARES / (_SHARES + _SMOOTHING))
    # Squared, so that a colour that goes to two does not end as the grey between them.
    plan = (left[:, None] * kernel * right) ** 2
    goals = plan / plan.sum(1, keepdims=True) @ wanted.colours
    shifts = (goals - own.colours).astype(np.float32)
    distances = _distances(picture, own.colours)
    nearness = np.exp(-(distances - distances.min(-1, keepdims=True)) / (2 * _REACH**2))
    nearness /= nearness.sum(-1, keepdims=True)
    return np.asarray(picture + nearness @ shifts, np.float32)


def _costs(own: Palette, wanted: Palette) -> np.ndarray:
    """Of bringing each colour of `own` to each of `wanted`: float64 (K, L), 0 for the cheapest of each row."""
    means = [float(part.shares @ part.colours[:, 0]) for part in (own, wanted)]
    spreads = [
        float(np.sqrt(part.shares @ (part.colours[:, 0] - mean) ** 2)) + _LEAST_SPREAD
        for part, mean in zip((own, wanted), means, strict=True)
    ]
    # What counts is how light a colour is beside the others of its picture.
    lightness = (own.colours[:, 0] - means[0]) / spreads[0] * spreads[1] + means[1]
    lightness = lightness.clip(wanted.colours[:, 0].min(), wanted.colours[:, 0].max())
    costs = (lightness[:, None] - wanted.colours[None, :, 0]).astype(np.float64) ** 2
    costs += ((own.colours[:, None, 1:] - wanted.colours[None, :, 1:]) ** 2).sum(2)
    costs += (_GROUND * (own.ground[:, None] - wanted.ground)) ** 2
    return np.asarray(costs - costs.min(1, keepdims=True))


def drawn_colours(pictures: Sequence[np.ndarray], weights: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """Colours of several pictures, from each as many as its weight asks for.

    Args:
        pictures: float32 (H, W, 3), of any sizes.

    Returns:
        float32 (n, 3), about `_POINTS` rows.
    """
    drawn = []
    for picture, weight in zip(pictures, weights, strict=True):
        flat = picture.reshape(-1, 3)
        drawn.append(flat[rng.integers(0, len(flat), max(1, round(_POINTS * weight / sum(weights))))])
    return np.concatenate(drawn)


def with_shares_of(
    points: np.ndarray, picture: np.ndarray, palette: Palette, share: float, rng: np.random.Generator
) -> np.ndarray:
    """The points drawn again, so that a picture that has much of one colour of the palette may keep it.

    Args:
        points: float32 (n, 3). picture: float32 (H, W, 3).
        share: 0 keeps the colours as frequent as in `points`, 1 makes them as frequent as in the picture.

    Returns:
        float32 (n, 3).
    """
    kinds, count = _nearest(points, palette.colours), len(palette.colours)
    here = np.bincount(kinds, minlength=count) / len(points)
    sample = picture.reshape(-1, 3)[:: max(1, picture.size // 3 // _POINTS)]
    there = np.bincount(_nearest(sample, palette.colours), minlength=count) / len(sample)
    chance = ((there + 1e-3) / np.maximum(here, 1e-9))[kinds] ** share
    return np.asarray(points[rng.choice(len(points), len(points), p=chance / chance.sum())])


def transport(picture: np.ndarray, wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Spreads the colours of a picture as the wanted ones are spread, moving each as little as may be.

    Sliced optimal transport: along three axes at a time, turned at random each round, the distributions are brought
    onto each other (Pitie, Kokaram and Dahyot 2007, Computer Vision and Image Understanding 107, section 3; Bonneel et
    al. 2015, Journal of Mathematical Imaging and Vision 51). It is learnt on a sample and kept as curves.

    Args:
        picture: float32 (H, W, 3), OKLab. wanted: float32 (n, 3).

    Returns:
        float32 (H, W, 3).
    """
    flat = picture.reshape(-1, 3).astype(np.float32)
    flat = np.concatenate([flat, flat[rng.integers(0, len(flat), _POINTS)]])  # the sample goes along at the end
    ranks = np.linspace(0, 1, _KNOTS)
    for _ in range(_ROUNDS):
        for axis in np.linalg.qr(rng.normal(size=(3, 3)))[0].astype(np.float32):
            values = flat @ axis
            here, there = np.quantile(values[-_POINTS:], ranks), np.quantile(wanted @ axis, ranks)
            flat += (np.interp(values, here, there) - values).astype(np.float32)[:, None] * axis
    return flat[:-_POINTS].reshape(picture.shape)


def _distances(values: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Squared, of (..., 3) to each of (K, 3), less the square of the value: float32 (..., K)."""
    return np.asarray((colours**2).sum(1) - 2 * values @ colours.T)


def _nearest(values: np.ndarray, colours: np.ndarray) -> np.ndarray:
    return np.asarray(np.argmin(_distances(values, colours), -1))
