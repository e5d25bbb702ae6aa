"""Palettes and the perceptual colour space they live in.

Everything that compares or mixes colours does so in OKLab (B. Ottosson, "A perceptual color space for image
processing", 2020): equal steps look equal, so that 'muted' or 'high key' mean the same for every hue.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import torch
from torch import Tensor

RGB = tuple[float, float, float]

PALETTE_SIZE = 6
"""Colours in a palette, by role: ground, dark, main, second, accent, light."""

_LMS = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
_FROM_LAB = (
    (1.0, 0.3963377774, 0.2158037573),
    (1.0, -0.1055613458, -0.0638541728),
    (1.0, -0.0894841775, -1.2914855480),
)
_FROM_LMS = (
    (4.0767416621, -3.3077115913, 0.2309699292),
    (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.7076147010),
)

COLOUR_NAMES: dict[str, str] = {
    "black": "#101010",
    "charcoal": "#36383c",
    "grey": "#808080",
    "silver": "#b9bcc0",
    "white": "#fafafa",
    "ivory": "#f6efdc",
    "cream": "#f3e3b5",
    "sand": "#d8bf91",
    "tan": "#bf9463",
    "ochre": "#c68a1f",
    "umber": "#6b4a2b",
    "sepia": "#704214",
    "chocolate": "#4a2a1a",
    "rust": "#a8431a",
    "terracotta": "#cb6b4c",
    "brick red": "#9c3228",
    "crimson": "#b3122f",
    "scarlet": "#e5301e",
    "coral": "#fb7a62",
    "salmon": "#f7a58c",
    "rose": "#e0608a",
    "pink": "#f7b3c8",
    "magenta": "#d81b84",
    "plum": "#702963",
    "violet": "#7c3fc0",
    "lavender": "#b9a3e3",
    "indigo": "#35308f",
    "navy": "#152251",
    "cobalt": "#1f4fb5",
    "azure": "#2f8ff0",
    "sky blue": "#8cc8ef",
    "slate blue": "#5b7391",
    "cyan": "#1fd0e0",
    "teal": "#0f7f80",
    "turquoise": "#3fc8b5",
    "mint": "#a6e8c4",
    "emerald": "#0f9d58",
    "forest green": "#1f5a2e",
    "olive": "#7a7a2a",
    "sage": "#9caf88",
    "lime": "#a5d610",
    "chartreuse": "#cfe043",
    "yellow": "#fbdc23",
    "gold": "#dba511",
    "amber": "#ffb01f",
    "orange": "#f57d14",
    "peach": "#fcc79c",
    "mauve": "#9c7a97",
    "burgundy": "#5f1227",
    "bottle green": "#10392f",
}


def _mix(image: Tensor, matrix: Sequence[Sequence[float]]) -> Tensor:
    if image.dim() == 4:  # three multiply-adds per channel are several times faster here than a 1x1 convolution
        red, green, blue = image[:, :1], image[:, 1:2], image[:, 2:]
        return torch.cat([red * a + green * b + blue * c for a, b, c in matrix], 1)
    return image @ torch.tensor(matrix, dtype=image.dtype, device=image.device).T


def to_oklab(rgb: Tensor) -> Tensor:
    """sRGB in [0, 1], (N, 3, H, W) or (..., 3), to OKLab of the same shape: L in [0, 1], a and b about ±0.3.

    A square stands for the sRGB curve: it costs a tenth, and both directions agree.
    """
    linear = rgb.clamp(0, 1).square()
    return _mix(_mix(linear, _LMS).clamp_min(1e-6).pow(1 / 3), _LAB)


def from_oklab(lab: Tensor) -> Tensor:
    """OKLab to sRGB clipped to [0, 1]; the inverse of `to_oklab` inside the gamut."""
    return _mix(_mix(lab, _FROM_LAB).pow(3), _FROM_LMS).clamp(1e-6, 1).sqrt()


def _oklch(lightness: float, chroma: float, hue: float) -> RGB:
    lab = torch.tensor([lightness, chroma * math.cos(hue), chroma * math.sin(hue)])
    red, green, blue = from_oklab(lab).tolist()
    return red, green, blue


def _hex(text: str) -> RGB:
    return int(text[1:3], 16) / 255, int(text[3:5], 16) / 255, int(text[5:7], 16) / 255


_NAMES = tuple(COLOUR_NAMES)
_NAMED_LAB = to_oklab(torch.tensor([_hex(COLOUR_NAMES[name]) for name in _NAMES]))


def colour_name(colour: RGB) -> str:
    """The nearest of `COLOUR_NAMES` in OKLab."""
    lab = to_oklab(torch.tensor(colour))
    return _NAMES[int((_NAMED_LAB - lab).square().sum(-1).argmin())]


_HARMONIES: dict[str, tuple[float, float, float]] = {  # hue offsets in turns of second, accent and dark
    "monochrome": (0.01, 0.02, 0.0),
    "analogous": (0.08, -0.09, 0.05),
    "complementary": (0.05, 0.5, 0.45),
    "split": (0.42, 0.58, 0.0),
    "triad": (0.333, 0.667, 0.62),
    "tetrad": (0.25, 0.5, 0.75),
    "warm-cool": (0.47, 0.06, 0.5),
}
_MOODS: dict[
    str, tuple[float, float, float, float]
] = {  # chroma low, chroma high, lightness of dark, lightness of main
    "muted": (0.02, 0.06, 0.30, 0.58),
    "earthy": (0.04, 0.09, 0.26, 0.52),
    "pastel": (0.05, 0.10, 0.48, 0.80),
    "vivid": (0.14, 0.24, 0.28, 0.62),
    "rich": (0.09, 0.15, 0.20, 0.48),
    "neon": (0.20, 0.30, 0.14, 0.68),
    "grey": (0.0, 0.012, 0.20, 0.52),
    "natural": (0.06, 0.12, 0.24, 0.60),
}
MOODS = tuple(_MOODS)


def sample_palette(random_: random.Random, mood: str, dark_ground: bool = False) -> tuple[RGB, ...]:
    """`PALETTE_SIZE` sRGB colours in [0, 1] (ground, dark, main, second, accent, light) of one harmony and mood."""
    low, high, dark_level, main_level = _MOODS[mood]
    hue = random_.random()
    if mood == "earthy":
        hue = random_.uniform(0.06, 0.24)
    second, accent, dark = _HARMONIES[random_.choice(tuple(_HARMONIES))]

    def colour(level: float, turn: float, gain: float) -> RGB:
        chroma = random_.uniform(low, high) * gain
        return _oklch(min(max(level, 0.06), 0.985), chroma, 2 * math.pi * (hue + turn + random_.uniform(-0.03, 0.03)))

    shift = random_.uniform(-0.08, 0.08)
    ground_turn = random_.choice((0.0, second, accent))
    ground_level = random_.uniform(0.10, 0.34) if dark_ground else random_.uniform(0.86, 0.985)
    return (
        colour(ground_level, ground_turn, random_.choice((0.12, 0.3, 0.55))),
        colour(dark_level + shift / 2, dark, 0.7),
        colour(main_level + shift, 0.0, 1.0),
        colour(main_level + shift + random_.choice((-0.14, 0.12, 0.2)), second, 1.0),
        colour(main_level + random_.uniform(-0.05, 0.16), accent, 1.15),
        colour(random_.uniform(0.84, 0.95), random_.choice((0.0, second)), 0.45),
    )
