"""What a renderer draws on: one batch of a family, its parameters as tensors, and the content in the style's tones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from encoder_training.renderers.contents import Contents
from encoder_training.renderers.filters import base_grid, blur, gradient, lerp, luma, smoothstep, stroke, tangents, warp
from encoder_training.renderers.palettes import from_oklab, to_oklab
from encoder_training.renderers.style import Style
from encoder_training.renderers.texture import TEXTURES, hashed, pair_seeds, read

GROUND_COLOUR, DARK, MAIN, SECOND_COLOUR, ACCENT_COLOUR, LIGHT = range(6)


class Canvas:
    """N images of one family. `canvas["name"]` is a style parameter as (N, 1, 1, 1)."""

    def __init__(self, styles: Sequence[Style], contents: Contents, seeds: Sequence[int]) -> None:
        self.contents = contents
        self.device = contents.pixels.device
        self.size = contents.pixels.shape[-1]
        self.count = len(styles)
        self._names = {name: column for column, (name, _) in enumerate(styles[0].parameters)}
        self._values = torch.tensor(
            [[value for _, value in style.parameters] for style in styles], dtype=torch.float32, device=self.device
        )
        self.palette = torch.tensor([style.palette for style in styles], dtype=torch.float32, device=self.device)
        self.paper_channel = torch.tensor([TEXTURES.index(style.paper) for style in styles], device=self.device)
        self.style_seeds = torch.tensor([style.seed for style in styles], dtype=torch.int64, device=self.device)
        self.seeds = pair_seeds([style.seed for style in styles], seeds, self.device)

    def __getitem__(self, name: str) -> Tensor:
        return self._values[:, self._names[name], None, None, None]

    def colour(self, role: int) -> Tensor:
        """A palette colour as (N, 3, 1, 1): GROUND_COLOUR, DARK, MAIN, SECOND_COLOUR, ACCENT_COLOUR or LIGHT."""
        return self.palette[:, role, :, None, None]

    def texture(self, name: str, scale: Tensor | float = 1.0, turn: Tensor | float = 0.0, salt: int = 0) -> Tensor:
        """A texture of the atlas, (N, 1, S, S), mean 0 and deviation 1, at a place that each image decides."""
        return read(self.seeds, self.contents.pixels, TEXTURES.index(name), _flat(scale), _flat(turn), salt)

    def chance(self, salt: int) -> Tensor:
        """One uniform number for each image, (N, 1, 1, 1)."""
        return hashed(self.seeds, salt, 1)[:, :, None, None]

    def habit(self, salt: int) -> Tensor:
        """One uniform number for each style, (N, 1, 1, 1)."""
        return hashed(self.style_seeds, salt, 1)[:, :, None, None]

    @cached_property
    def _place(self) -> tuple[Tensor, Tensor]:
        grid = base_grid(self.contents.pixels) - 0.5
        return grid[..., 0][:, None], grid[..., 1][:, None]

    @property
    def x(self) -> Tensor:
        """(1, 1, S, S), -0.5 at the left border to 0.5 at the right."""
        return self._place[0]

    @property
    def y(self) -> Tensor:
        """(1, 1, S, S), -0.5 at the top to 0.5 at the bottom."""
        return self._place[1]

    @cached_property
    def jitter(self) -> Tensor:
        """The unsteadiness of the hand: displacement (N, 2, S, S) in points, of size `wobble`."""
        return (
            torch.cat([self.texture("clouds", 1.4, salt=91), self.texture("clouds", 1.4, salt=92)], 1) * self["wobble"]
        )

    @cached_property
    def _lab(self) -> Tensor:
        return to_oklab(self.contents.pixels)

    @cached_property
    def picture(self) -> Tensor:
        """The shaded content (N, 3, S, S) in the style's palette, tone and light."""
        return self._graded(self._lab)

    @cached_property
    def flat(self) -> Tensor:
        """The content's local colours (N, 3, S, S) in the style's palette, tone and light."""
        return self._graded(to_oklab(self.contents.flat))

    @cached_property
    def tone(self) -> Tensor:
        """Lightness of `picture`, (N, 1, S, S) in [0, 1]."""
        return luma(self.picture)

    @cached_property
    def flow(self) -> tuple[Tensor, Tensor]:
        """Direction along the edges (N, 2, S, S), and its coherence (N, 1, S, S)."""
        return tangents(luma(self.contents.pixels), 3.0)

    def lines(self, width: Tensor | float | None = None, softness: Tensor | float | None = None) -> Tensor:
        """Outlines of the content, (N, 1, S, S) in [0, 1], drawn by the style's hand."""
        edges = stroke(
            self.contents.edges,
            self["line_width"] if width is None else width,
            self["line_softness"] if softness is None else softness,
        )
        return warp(edges, self.jitter)

    def _graded(self, lab: Tensor) -> Tensor:
        mean, spread = self._lab.mean((2, 3), keepdim=True), self._lab[:, :1].std((2, 3), keepdim=True)
        palette = to_oklab(self.palette)
        level = (lab[:, :1] - mean[:, :1]) / (spread + 0.03) * self["contrast"] + self["exposure"]
        level = lerp(lab[:, :1], level, self["levelling"])
        cast = torch.cat([self["tint"], self["warmth"]], 1)
        pull = self["palette"]
        home = palette[:, MAIN:LIGHT, 1:].mean(1)[:, :, None, None]
        hue = (lab[:, 1:] - mean[:, 1:] * pull * 0.7) * self["saturation"] + home * pull * 0.5 + cast
        level = self._lit(level)
        distance = (level - palette[:, :, 0, None, None]).square() + 1.5 * (
            (hue[:, :1] - palette[:, :, 1, None, None]).square() + (hue[:, 1:] - palette[:, :, 2, None, None]).square()
        )
        weight = (-distance / self["palette_softness"]).softmax(1)
        nearest = torch.einsum("nkhw,nkc->nchw", weight, palette)
        level = lerp(level, nearest[:, :1], pull * 0.35)
        hue = lerp(hue, nearest[:, 1:], pull)
        level = 0.5 + 0.5 * torch.tanh((level - 0.5) * 2.5) / 0.98
        level = lerp(level, 0.12 + 0.8 * level, self["fade"] * 5)
        image = from_oklab(torch.cat([level, hue], 1))
        if float(self["haze"].max()) > 0:
            image = lerp(image, self.colour(LIGHT), self["haze"] * self.contents.depth.square() * 0.9)
        if float(self["glow"].max()) > 0:
            bloom = blur((image - 0.55).clamp_min(0), 7.0)
            image = 1 - (1 - image) * (1 - bloom * self["glow"] * 1.3).clamp(0, 1)
        return image

    def _lit(self, level: Tensor) -> Tensor:
        angle = self["angle"]
        ramp = self.x * angle.cos() + self.y * angle.sin()
        radius = (self.x.square() + self.y.square()) * 2
        centre_x, centre_y = (self.habit(3) - 0.5) * 0.4, (self.habit(4) - 0.6) * 0.4
        pool = torch.exp(-((self.x - centre_x).square() + (self.y - centre_y).square()) / 0.07)
        return level * (1 + self["side"] * ramp) * (1 - self["vignette"] * radius) * (1 + self["spot"] * (pool - 0.55))

    def relief(self, depth: Tensor | float = 2.0) -> Tensor:
        """Lambert shading (N, 1, S, S), about 0 and within ±1, as if each area swelled between its outlines."""
        height = 1 - blur(self.contents.edges, depth).clamp(0, 1) * 2.5 + blur(luma(self.contents.pixels), depth) * 0.8
        return self.shading(height)

    def shading(self, height: Tensor) -> Tensor:
        """Slope of a height field (N, 1, S, S) towards the style's light, about 0."""
        slope_x, slope_y = gradient(height)
        return torch.tanh(-(slope_x * self["angle"].cos() + slope_y * self["angle"].sin()) * 4)

    def outlined(self, image: Tensor) -> Tensor:
        """`image` with the style's outlines drawn over it in the dark colour, where it has any."""
        if float(self["line"].max()) <= 0:
            return image
        return lerp(image, self.colour(DARK) * 0.7, self.lines() * self["line"])

    def finished(self, image: Tensor) -> Tensor:
        """`image` on its paper: white space left around it, the grain of the sheet."""
        ground = self.colour(GROUND_COLOUR)
        if float(self["isolate"].max()) > 0:
            keep = smoothstep(0.25, 0.6, blur(self.contents.subject, 2.0) + 0.12 * self.texture("clouds", 1.0, salt=41))
            image = lerp(image, ground, self["isolate"] * (1 - keep))
        if float(self["margin"].max()) > 0:
            border = 0.5 - torch.maximum(self.x.abs(), self.y.abs()) + 0.02 * self.texture("clouds", 1.5, salt=42)
            bare = smoothstep(self["margin"] + 0.01, self["margin"] * 0.7, border)
            image = lerp(image, ground, bare * (self["margin"] > 0))
        if float(self["paper"].max()) > 0:
            sheet = read(self.seeds, image, self.paper_channel, _flat(self["paper_scale"]), 0.0, 43)
            image = image * (1 + self["paper"] * sheet * 0.35) + self["paper"] * sheet * 0.05
        return image.clamp(0, 1)


def _flat(value: Tensor | float) -> Tensor | float:
    return value.reshape(-1) if isinstance(value, Tensor) else value
