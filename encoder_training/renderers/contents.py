"""Contents: what a picture shows, apart from how it is drawn, as the layers that every renderer reads."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from encoder_training.renderers.content_icons import draw_icon
from encoder_training.renderers.content_scenes import draw_scene
from encoder_training.renderers.filters import base_grid, blur, contour, kuwahara, lerp, levels, luma, smoothstep
from encoder_training.renderers.palettes import from_oklab, to_oklab
from encoder_training.renderers.sketch import ACCENT, BODY, GROUND, SECOND, Sketch, oversampling, rasterise

PARTS = 4
"""Channels of `Contents.parts`: ground, body, second, accent."""


@dataclass(frozen=True)
class Contents:
    """A batch of N pictures of S x S pixels, float32, all layers in [0, 1].

    pixels (N, 3, S, S): the shaded picture in natural colours. flat (N, 3, S, S): local colours without shading.
    parts (N, 4, S, S): soft masks that sum to 1 (ground, body, second, accent), for styles that fill areas.
    edges (N, 1, S, S): thin lines along the outlines. depth (N, 1, S, S): 0 near, 1 far.
    subject (N, 1, S, S): 1 on what the picture is about. captions: objects and relations, no style.
    kinds: "scene", "icon" or "image". seeds: of the drawn content; images count from 0.
    """

    pixels: Tensor
    flat: Tensor
    parts: Tensor
    edges: Tensor
    depth: Tensor
    subject: Tensor
    captions: tuple[str, ...]
    kinds: tuple[str, ...]
    seeds: tuple[int, ...]

    def __len__(self) -> int:
        return self.pixels.shape[0]

    def select(self, rows: Sequence[int]) -> Contents:
        """The pictures at `rows`, in that order; a row may come more than once."""
        index = torch.as_tensor(rows, dtype=torch.int64, device=self.pixels.device)
        return Contents(
            self.pixels[index],
            self.flat[index],
            self.parts[index],
            self.edges[index],
            self.depth[index],
            self.subject[index],
            captions=tuple(self.captions[row] for row in rows),
            kinds=tuple(self.kinds[row] for row in rows),
            seeds=tuple(self.seeds[row] for row in rows),
        )


def sketch_content(seed: int) -> Sketch:
    """The drawing of a content seed: two scenes for each icon."""
    random_ = random.Random(seed * 2_654_435_761 + 97)
    return draw_icon(random_) if random_.random() < 1 / 3 else draw_scene(random_)


def draw_contents(seeds: Sequence[int], size: int, device: str | torch.device = "cpu") -> Contents:
    """Procedural scenes and icons, one per seed, of `size` x `size` pixels; a seed gives one picture at every size."""
    sketches = [sketch_content(seed) for seed in seeds]
    layers = [_layers(sketch, size, torch.device(device)) for sketch in sketches]
    pixels, flat, parts, edges, depth, subject = (torch.stack(column) for column in zip(*layers, strict=True))
    return Contents(
        pixels,
        flat,
        parts,
        edges,
        depth,
        subject,
        tuple(sketch.caption for sketch in sketches),
        tuple(sketch.kind for sketch in sketches),
        tuple(seeds),
    )


def _layers(sketch: Sketch, size: int, device: torch.device) -> tuple[Tensor, ...]:
    """pixels, flat, parts, edges, depth, subject of one sketch, each (C, size, size)."""
    factor = oversampling(size)
    inked, filled, centre = (torch.from_numpy(layer.copy()).to(device) for layer in rasterise(sketch, size))
    rows: list[tuple[float, ...]] = [(*sketch.ground, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0)]
    shading = [(0.0, 0.0, 0.0)]
    for shape in sketch.shapes[:255]:
        roles = [float(shape.part == part) for part in (GROUND, BODY, SECOND, ACCENT)]
        rows.append((*shape.colour, *roles, shape.depth, float(shape.subject)))
        corners = np.asarray(shape.points)
        middle, reach = corners.mean(0), max(float(np.ptp(corners, axis=0).max()) / 2, 1e-3)
        slope_x, slope_y = shape.shade[0] / reach, shape.shade[1] / reach
        shading.append((slope_x, slope_y, -(slope_x * middle[0] + slope_y * middle[1])))
    table = torch.tensor(rows, dtype=torch.float32, device=device)
    pooled = _pooled(table, inked, factor)
    nearest = inked[factor // 2 :: factor, factor // 2 :: factor].long()
    slope = torch.tensor(shading, dtype=torch.float32, device=device)[nearest]
    grid = base_grid(pooled[None])[0]
    shade = slope[..., 0] * grid[..., 0] + slope[..., 1] * grid[..., 1] + slope[..., 2]
    flat, parts = pooled[:3], pooled[3:7]
    edges = torch.maximum(_boundaries(filled, size * factor), (centre > 0).float())
    edges = edges.view(size, factor, size, factor).mean((1, 3))[None]
    return (flat * (1 + shade)).clamp(0, 1), flat, parts, edges, pooled[7:8], pooled[8:9]


def _pooled(table: Tensor, labels: Tensor, factor: int) -> Tensor:
    """Looks labels (W, W) up in table (K, C), averaged over `factor` x `factor` cells: (C, W / factor, W / factor)."""
    total = sum(table[labels[row::factor, column::factor].long()] for row in range(factor) for column in range(factor))
    return (torch.as_tensor(total) / factor**2).permute(2, 0, 1).contiguous()


def _boundaries(labels: Tensor, width: int) -> Tensor:
    """1 within about half a line of a change of label, (W, W) uint8 to (W, W) float32."""
    reach = max(round(width * 0.75 / 128), 1)
    result = torch.zeros(labels.shape, device=labels.device)
    before, after = reach // 2, reach - reach // 2
    size = labels.shape[0]
    for first, second in ((labels[:, :-reach], labels[:, reach:]), (labels[:-reach], labels[reach:])):
        changed = (first != second).float()
        if changed.shape[0] == size:
            result[:, before : size - after] = torch.maximum(result[:, before : size - after], changed)
        else:
            result[before : size - after] = torch.maximum(result[before : size - after], changed)
    return result


def contents_from_images(images: Tensor) -> Contents:
    """Photographs or artworks as contents: images (N, 3, S, S) float32 sRGB in [0, 1]; the other layers are derived.

    Lines come from differences of Gaussians, flat colours from edge-keeping smoothing and soft steps of lightness, the
    subject from contrast with the border and nearness to the centre.
    """
    count = images.shape[0]
    calm = kuwahara(images, 1.0)
    lab = to_oklab(kuwahara(calm, 1.6))
    steps = 6.0
    level = lab[:, :1] * steps
    whole = (level - 0.5).round()
    stairs = (whole + 0.5 + 0.5 * torch.tanh(6 * (level - 0.5 - whole)) / torch.tanh(torch.tensor(3.0))) / steps
    flat_lab = torch.cat([lerp(lab[:, :1], stairs.clamp(0, 1), 0.85), lab[:, 1:]], 1)
    gray = luma(calm)
    gain = 0.2 / (gray.std((2, 3), keepdim=True) + 0.05)
    edges = torch.maximum(contour(gray * gain, 0.55), contour(chroma(lab) * 1.5, 0.7))
    subject = _subject(lab)
    dark = smoothstep(0.75, 0.25, levels(gray))
    accent = smoothstep(0.08, 0.16, chroma(lab)) * 0.8 * (1 - dark)
    body = dark * (1 - accent)
    second = (1 - body - accent) * smoothstep(0.72, 0.5, levels(gray))
    parts = torch.cat([1 - body - accent - second, body, second, accent], 1)
    height = base_grid(images)[..., 1][:, None].expand(count, 1, -1, -1)
    depth = (1 - 0.55 * height - 0.45 * subject).clamp(0, 1)
    return Contents(
        images,
        from_oklab(flat_lab),
        parts,
        edges,
        depth,
        subject,
        captions=("",) * count,
        kinds=("image",) * count,
        seeds=tuple(range(count)),
    )


def chroma(lab: Tensor) -> Tensor:
    """Colourfulness (N, 1, S, S) of OKLab (N, 3, S, S)."""
    return (lab[:, 1:2].square() + lab[:, 2:].square() + 1e-9).sqrt()


def _subject(lab: Tensor) -> Tensor:
    """(N, 3, S, S) OKLab to a soft mask (N, 1, S, S) of what differs from the border and lies towards the middle."""
    border = torch.cat([lab[..., :6].flatten(2), lab[..., -6:].flatten(2), lab[..., :6, :].flatten(2)], 2)
    mean, spread = border.mean(2)[..., None, None], border.std(2)[..., None, None]
    distance = ((lab - mean) / (spread + 0.04)).square().sum(1, keepdim=True).sqrt()
    centre = (base_grid(lab) - torch.tensor([0.5, 0.55], device=lab.device)).square().sum(-1)[:, None]
    score = blur(distance * torch.exp(-centre / 0.16), 3.5)
    return smoothstep(0.22, 0.5, score / score.amax((2, 3), keepdim=True).clamp_min(1e-3))
