"""Colours in bins, so that a database finds pictures by colour: 51 boxes of lightness, chroma and hue in OKLab.

A picture has one whole number, in which the bit of a bin is set where one of its colours lies in that bin. A family of
colours ("red") is some of the bins; what is near a given colour lies in some bins, and is then looked at exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from stylesearch.facets import COLOURS
from stylesearch.palette import oklab_of_srgb

# What a colour must take of a picture's area for the picture to be found by it.
LEAST_SHARE = 0.05

# How far from a given colour, in OKLab, another one is still taken for it: about eight just noticeable differences.
NEAR = 0.08

_NEUTRAL = 0.035  # chroma below which a colour is a shade of grey
_CREAM = 0.055  # and below which it is still white, where it is as light as the last step of
_GREYS = (0.3, 0.55, 0.75, 0.9)
_NEARLY_BLACK = 0.2
_LIGHT = 0.6
_VIVID = 0.09
_NEARLY_BLACK_BIN, _CREAM_BIN, _FIRST_HUE_BIN = 5, 6, 7

# Hues in degrees where one sector ends and the next begins, and the families of its dark and muted, dark and vivid,
# light and muted, light and vivid colours. The primaries of sRGB lie at 29, 110, 142, 195, 264 and 328 degrees.
_SECTORS = (
    (15, 45, "brown", "red", "pink", "red"),
    (45, 78, "brown", "brown", "brown", "orange"),
    (78, 115, "brown", "green", "yellow", "yellow"),
    (115, 150, "green", "green", "green", "green"),
    (150, 180, "green", "green", "green", "green"),
    (180, 215, "teal", "teal", "teal", "teal"),
    (215, 245, "blue", "blue", "blue", "blue"),
    (245, 280, "blue", "blue", "blue", "blue"),
    (280, 312, "purple", "purple", "purple", "purple"),
    (312, 340, "purple", "purple", "pink", "pink"),
    (340, 375, "purple", "pink", "pink", "pink"),
)


class _Box(NamedTuple):
    """What holds a bin: ranges of lightness, chroma and hue (degrees; the end may lie beyond 360)."""

    family: str
    lightness: tuple[float, float]
    chroma: tuple[float, float]
    hue: tuple[float, float] = (0, 360)


def _boxes() -> list[_Box]:
    steps = (-1.0, *_GREYS, 2.0)
    greys = ("black", "grey", "grey", "grey", "white")
    boxes = [_Box(greys[step], (steps[step], steps[step + 1]), (0, _NEUTRAL)) for step in range(len(greys))]
    boxes.append(_Box("black", (-1, _NEARLY_BLACK), (_NEUTRAL, 1)))
    boxes.append(_Box("white", (_GREYS[-1], 2), (_NEUTRAL, _CREAM)))
    for start, end, *families in _SECTORS:
        lights, chromas = ((_NEARLY_BLACK, _LIGHT), (_LIGHT, 2.0)), ((_NEUTRAL, _VIVID), (_VIVID, 1.0))
        kinds = [(light, chroma) for light in lights for chroma in chromas]
        boxes += [_Box(family, *kind, (start, end)) for family, kind in zip(families, kinds, strict=True)]
    return boxes


_BOXES = _boxes()


def bin_of(lab: np.ndarray) -> np.ndarray:
    """The bin of each colour.

    Args:
        lab: float (..., 3), OKLab.

    Returns:
        int64 (...), 0 to 50.
    """
    light, chroma = lab[..., 0], np.hypot(lab[..., 1], lab[..., 2])
    hue = (np.degrees(np.arctan2(lab[..., 2], lab[..., 1])) - _SECTORS[0][0]) % 360
    ends = [end - _SECTORS[0][0] for _, end, *_ in _SECTORS]
    sector = np.minimum(np.searchsorted(ends, hue, side="right"), len(_SECTORS) - 1)
    coloured = _FIRST_HUE_BIN + 4 * sector + 2 * (light >= _LIGHT) + (chroma >= _VIVID)
    cream = (light >= _GREYS[-1]) & (chroma < _CREAM)
    coloured = np.where(light < _NEARLY_BLACK, _NEARLY_BLACK_BIN, np.where(cream, _CREAM_BIN, coloured))
    return np.where(chroma < _NEUTRAL, np.searchsorted(_GREYS, light, side="right"), coloured)


def bins_of(palette: np.ndarray) -> int:
    """The bins that a picture has, as bits.

    Args:
        palette: float (N, 4), OKLab and the share of the area.
    """
    return mask(bin_of(palette[palette[:, 3] >= LEAST_SHARE, :3]).tolist())


def bins_of_family(name: str) -> int:
    """The bins of one of `stylesearch.facets.COLOURS`, as bits."""
    return mask(number for number, box in enumerate(_BOXES) if box.family == name)


def family_of(bin_number: int) -> str:
    """The family of colours that a bin belongs to."""
    return _BOXES[bin_number].family


def lab_of(text: str) -> np.ndarray:
    """OKLab, float32 (3,), of a colour as the web writes it ("#2f67c5")."""
    return oklab_of_srgb(np.array(list(bytes.fromhex(text.removeprefix("#")))))


def bins_near(lab: np.ndarray) -> int:
    """The bins that hold every colour within `NEAR` of one, and perhaps others, as bits.

    Args:
        lab: float (3,), OKLab.
    """
    light, chroma = float(lab[0]), math.hypot(*lab[1:])
    hue = math.degrees(math.atan2(lab[2], lab[1]))
    reach = math.degrees(math.asin(NEAR / chroma)) if chroma > NEAR else 180.0
    return mask(
        number
        for number, box in enumerate(_BOXES)
        if _overlap(box.lightness, light, NEAR) and _overlap(box.chroma, chroma, NEAR) and _turn(box.hue, hue, reach)
    )


def near(palettes: np.ndarray, lab: np.ndarray) -> np.ndarray:
    """Which colours are near one and take enough of the picture.

    Args:
        palettes: float (N, 4), OKLab and the share of the area.
        lab: float (3,), OKLab.

    Returns:
        bool (N,).
    """
    distances = ((palettes[:, :3].astype(np.float32) - lab) ** 2).sum(1)
    return np.asarray((palettes[:, 3] >= LEAST_SHARE) & (distances <= NEAR**2))


def mask(bins: Iterable[int]) -> int:
    """The bits of these bins."""
    bits = 0
    for number in bins:
        bits |= 1 << number
    return bits


def _overlap(span: tuple[float, float], middle: float, reach: float) -> bool:
    return span[0] <= middle + reach and middle - reach <= span[1]


def _turn(span: tuple[float, float], hue: float, reach: float) -> bool:
    return any(_overlap(span, hue + turn, reach) for turn in (-360, 0, 360, 720))


FAMILY_BINS = {name: bins_of_family(name) for name in COLOURS}
