"""What a style is: a family, a palette, a light, a paper, and continuous parameters, all drawn from one seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from torch import Tensor

from encoder_training.renderers.palettes import RGB, sample_palette

if TYPE_CHECKING:
    from encoder_training.renderers.canvas import Canvas

Range = tuple[float, float]

COMMON: Mapping[str, Range] = {
    # Tone: target mean and deviation of lightness, how strictly it is met, colourfulness, casts, pull to the palette.
    "exposure": (0.44, 0.74),
    "contrast": (0.16, 0.28),
    "levelling": (0.4, 0.8),
    "saturation": (0.55, 1.25),
    "warmth": (-0.025, 0.03),
    "tint": (-0.015, 0.015),
    "palette": (0.25, 0.75),
    "palette_softness": (0.006, 0.03),
    # Light: strength of each effect, and where it comes from (radians).
    "side": (0.0, 0.0),
    "angle": (-3.14, 3.14),
    "vignette": (0.0, 0.15),
    "haze": (0.0, 0.2),
    "glow": (0.0, 0.0),
    "spot": (0.0, 0.0),
    # Lines (opacity, width and wobble in points), paper, and the white space that is left.
    "line": (0.0, 0.0),
    "line_width": (0.8, 2.0),
    "line_softness": (0.25, 0.6),
    "wobble": (0.0, 0.5),
    "paper": (0.0, 0.0),
    "paper_scale": (0.7, 1.6),
    "margin": (0.0, 0.0),
    "isolate": (0.0, 0.0),
    "fade": (0.0, 0.04),
}
"""Ranges shared by all families; a family narrows or widens them."""

OPTIONAL = ("line", "margin", "isolate")
"""Treatments that a style may lack: a family gives them a range that starts below 0, and what falls below is 0."""

LIGHTS: Mapping[str, tuple[str, Mapping[str, Range]]] = {
    "even": ("soft even light", {}),
    "side": ("directional side light", {"side": (0.3, 0.6), "contrast": (0.18, 0.26)}),
    "low key": ("dark low-key light", {"exposure": (0.22, 0.36), "vignette": (0.3, 0.6), "contrast": (0.14, 0.22)}),
    "high key": ("bright high-key light", {"exposure": (0.76, 0.88), "contrast": (0.09, 0.15), "vignette": (0.0, 0.0)}),
    "misty": ("pale misty light", {"haze": (0.45, 0.75), "contrast": (0.09, 0.14), "exposure": (0.6, 0.76)}),
    "glowing": ("warm glowing light", {"glow": (0.4, 0.9), "warmth": (0.02, 0.05)}),
    "cool": ("cool northern light", {"warmth": (-0.055, -0.03)}),
    "spotlit": ("focused spotlight", {"spot": (0.5, 0.9), "exposure": (0.36, 0.52)}),
    "stark": ("stark contrasting light", {"contrast": (0.27, 0.36), "levelling": (0.7, 0.95)}),
}
"""Light: its words, and the ranges it replaces."""

PAPERS: Mapping[str, str] = {
    "grain": "smooth",
    "tooth": "toothed",
    "laid": "laid",
    "canvas": "canvas",
    "fibre": "fibrous",
    "speckle": "flecked",
}
"""Paper: texture of the atlas, and its word."""


@dataclass(frozen=True)
class Family:
    """A medium: how it is drawn, in which ranges it varies, and the words for it.

    `texture` and `brushwork` name the parameter that orders their phrases, from its low end to its high end.
    """

    draw: Callable[[Canvas], Tensor]
    identity: tuple[str, ...]
    medium: tuple[str, ...]
    texture: tuple[str, tuple[str, ...]]
    brushwork: tuple[str, tuple[str, ...]]
    ranges: Mapping[str, Range] = field(default_factory=dict)
    moods: tuple[str, ...] = ("muted", "earthy", "pastel", "vivid", "rich", "natural")
    lights: tuple[str, ...] = ("even", "even", "side", "low key", "high key", "misty", "cool")
    papers: tuple[str, ...] = ("grain",)
    dark_ground: float = 0.0
    """Chance of a palette whose ground is dark."""


@dataclass(frozen=True)
class Style:
    """One hand: everything about a picture except what it shows. `sample_style` makes them."""

    seed: int
    family: str
    name: str
    prompt: str
    palette: tuple[RGB, ...]
    light: str
    paper: str
    parameters: tuple[tuple[str, float], ...]

    @cached_property
    def values(self) -> Mapping[str, float]:
        """The continuous parameters by name."""
        return dict(self.parameters)


def draw_parameters(family: Family, random_: random.Random) -> tuple[str, str, tuple[RGB, ...], str, dict[str, float]]:
    """Light, paper, palette, mood and continuous parameters of one new style of a family."""
    light, paper = random_.choice(family.lights), random_.choice(family.papers)
    mood = random_.choice(family.moods)
    dark = random_.random() < family.dark_ground
    ranges = {**COMMON, **family.ranges}
    ranges |= {name: bounds for name, bounds in LIGHTS[light][1].items() if name not in family.ranges}
    values = {name: random_.uniform(*bounds) for name, bounds in ranges.items()}
    values |= {name: max(values[name], 0.0) for name in OPTIONAL}
    return light, paper, sample_palette(random_, mood, dark), mood, values


def ordered(phrases: Sequence[str], value: float, bounds: Range) -> str:
    """The phrase that stands for `value` among phrases ordered from the low to the high end of `bounds`."""
    share = (value - bounds[0]) / max(bounds[1] - bounds[0], 1e-9)
    return phrases[min(int(share * len(phrases)), len(phrases) - 1)]
