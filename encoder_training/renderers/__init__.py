"""Procedural style renderers: any content drawn in tens of thousands of hands, offline, on any device.

`sample_style` draws a style from a seed; `draw_contents` and `contents_from_images` give contents; `render` draws
contents in styles. Everything follows from (style seed, content seed), never from the batch.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from encoder_training.renderers import craft, displays, drawing, icons, paint, photo, press, vector
from encoder_training.renderers.canvas import Canvas
from encoder_training.renderers.contents import Contents, contents_from_images, draw_contents
from encoder_training.renderers.prompts import style_name, style_prompt
from encoder_training.renderers.style import Family, Style, draw_parameters

__all__ = [
    "FAMILIES",
    "HELD_OUT_FAMILIES",
    "Contents",
    "Style",
    "contents_from_images",
    "draw_contents",
    "render",
    "sample_style",
]

_TABLE: MappingProxyType[str, Family] = MappingProxyType(
    {
        **paint.FAMILIES,
        **drawing.FAMILIES,
        **press.FAMILIES,
        **vector.FAMILIES,
        **icons.FAMILIES,
        **photo.FAMILIES,
        **displays.FAMILIES,
        **craft.FAMILIES,
    }
)

FAMILIES: tuple[str, ...] = tuple(_TABLE)
"""Every medium that can be drawn."""

HELD_OUT_FAMILIES: tuple[str, ...] = (
    "gouache",
    "crayon",
    "woodblock",
    "duotone_icon",
    "instant_photo",
    "stained_glass",
)
"""Families that training never sees, for the open retrieval benchmark."""
_CACHED_PIXELS = 32_768
"""Pixels that a processor draws at once: few enough that the intermediate images stay in its cache."""


def sample_style(seed: int, families: Sequence[str] | None = None) -> Style:
    """The style of `seed`: a family of `families` (default: all), and everything else about it.

    Raises:
        ValueError: a family that is not in `FAMILIES`.
    """
    chosen = FAMILIES if families is None else tuple(families)
    if unknown := sorted(set(chosen) - set(FAMILIES)):
        raise ValueError(f"no renderer family '{unknown[0]}'; the families are {', '.join(FAMILIES)}")
    random_ = random.Random(seed * 1_000_003 + 17)
    name = random_.choice(chosen)
    family = _TABLE[name]
    light, paper, palette, mood, values = draw_parameters(family, random_)
    prompt = style_prompt(family, light, paper, palette, mood, values, random_)
    return Style(seed, name, style_name(name, palette, seed), prompt, palette, light, paper, tuple(values.items()))


@torch.no_grad()
def render(styles: Sequence[Style], contents: Contents, seeds: Sequence[int]) -> Tensor:
    """Draws content i in styles[i]: float32 (N, 3, S, S) sRGB in [0, 1], on the contents' device.

    seeds: N content seeds; with the style's seed they decide strokes and grain, so a picture does not depend on the
    batch that it is drawn in.

    Raises:
        ValueError: `styles`, `contents` and `seeds` differ in length.
    """
    if not len(styles) == len(contents) == len(seeds):
        counts = f"{len(styles)} styles, {len(contents)} contents and {len(seeds)} seeds"
        raise ValueError(f"one style and one seed for each content: got {counts}")
    images = torch.empty_like(contents.pixels)
    chunk = max(_CACHED_PIXELS // contents.pixels[0, 0].numel(), 1) if images.device.type == "cpu" else len(styles)
    groups: dict[str, list[int]] = {}
    for row, style in enumerate(styles):
        groups.setdefault(style.family, []).append(row)
    for family, rows in groups.items():
        for start in range(0, len(rows), chunk):
            part = rows[start : start + chunk]
            canvas = Canvas([styles[row] for row in part], contents.select(part), [seeds[row] for row in part])
            images[torch.as_tensor(part, device=images.device)] = canvas.finished(_TABLE[family].draw(canvas))
    return images
