"""The words of a style, in the template of MegaStyle (arXiv 2604.08364, section 3): identity, colours, light, medium,
texture, brushwork; about 32 words."""

from __future__ import annotations

import random

from encoder_training.renderers.palettes import RGB, colour_name
from encoder_training.renderers.style import COMMON, LIGHTS, PAPERS, Family, ordered

_MOOD_WORDS = {
    "muted": "muted",
    "earthy": "earthy",
    "pastel": "pastel",
    "vivid": "vivid saturated",
    "rich": "rich deep",
    "neon": "luminous neon",
    "grey": "neutral grey",
    "natural": "natural",
}


def colours_of(palette: tuple[RGB, ...]) -> list[str]:
    """Names of the ground, main, second and accent colours, each once."""
    return list(dict.fromkeys(colour_name(palette[role]) for role in (2, 3, 4, 0)))


def style_prompt(
    family: Family,
    light: str,
    paper: str,
    palette: tuple[RGB, ...],
    mood: str,
    values: dict[str, float],
    random_: random.Random,
) -> str:
    """The style prompt of one style."""
    ranges = {**COMMON, **family.ranges}
    names = colours_of(palette)
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
    colours = f"{_MOOD_WORDS[mood]} palette of {listed}"
    warmth = values["warmth"]
    light_words = LIGHTS[light][0] + (
        " with a warm cast"
        if warmth > 0.02 and light != "glowing"
        else " with a cool cast"
        if warmth < -0.015 and light != "cool"
        else ""
    )
    texture, brushwork = (
        ordered(phrases, values[name], ranges[name]) for name, phrases in (family.texture, family.brushwork)
    )
    ground = f" on {PAPERS[paper]} paper" if ranges["paper"][1] > 0 and values["paper"] > 0.03 else ""
    return (
        f"In the style of {random_.choice(family.identity)}, {colours}, {light_words}, "
        f"{random_.choice(family.medium)}{ground}, {texture}, {brushwork}"
    )


def style_name(family: str, palette: tuple[RGB, ...], seed: int) -> str:
    """A short title that is also a good name for a folder, as in "risograph-teal-coral-0137"."""
    names = colours_of(palette)
    return "-".join([family, *names[:2], f"{seed % 10_000:04d}"]).replace(" ", "-").replace("_", "-")
