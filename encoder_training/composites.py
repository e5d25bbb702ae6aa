"""Pictures whose subject is known, because it was put there: what a masker learns from and is judged by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from encoder_training import renderers
from encoder_training.renderers import Contents
from encoder_training.renderers.filters import blur

KINDS = ("drawn", "placed", "pasted", "empty")
"""A drawn content in one style; a subject on another picture, in one style; a subject of one style pasted on a picture
of another; nothing but background or texture."""
SHARES = (0.3, 0.3, 0.2, 0.2)
_SOFT_EDGE = 0.6  # pixels
_LEAST, _MOST = 0.02, 0.75  # share of the picture that a subject may cover
_HELD_OUT_SEED = 1 << 52


@dataclass(frozen=True)
class Composites:
    """N pictures with what was put there.

    Attributes:
        pixels: uint8 (N, S, S, 3), sRGB.
        masks: uint8 (N, S, S), 255 on the subject.
        kinds: N of `KINDS`.
    """

    pixels: np.ndarray
    masks: np.ndarray
    kinds: tuple[str, ...]


def draw_composites(
    random: np.random.Generator,
    count: int,
    size: int,
    photos: np.ndarray | None = None,
    *,
    held_out: bool = False,
    per_draw: int = 4,
) -> Composites:
    """Draws pictures of all kinds.

    Args:
        random: decides everything.
        count: how many, a multiple of `per_draw`.
        size: side, pixels.
        photos: pictures to use as backgrounds too, uint8 (M, size, size, 3).
        held_out: draw in families that training never sees, instead of all others.
        per_draw: how many are drawn of one kind in a row.
    """
    families = [name for name in renderers.FAMILIES if (name in renderers.HELD_OUT_FAMILIES) == held_out]
    offset = _HELD_OUT_SEED if held_out else 0
    drawn = []
    for _ in range(count // per_draw):
        kind = str(random.choice(KINDS, p=SHARES))
        drawn.append((kind, *_draw(random, kind, per_draw, size, photos, families, offset)))
    pixels = torch.cat([part[1] for part in drawn]).clamp(0, 1).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1)
    masks = torch.cat([part[2] for part in drawn]).clamp(0, 1).mul(255).round().to(torch.uint8)[:, 0]
    return Composites(pixels.numpy(), masks.numpy(), tuple(part[0] for part in drawn for _ in range(per_draw)))


def _draw(
    random: np.random.Generator,
    kind: str,
    count: int,
    size: int,
    photos: np.ndarray | None,
    families: list[str],
    offset: int,
) -> tuple[Tensor, Tensor]:
    def styled(contents: Contents) -> Tensor:
        style = renderers.sample_style(offset + int(random.integers(1 << 40)), families)
        return renderers.render([style] * count, contents, [int(seed) for seed in random.integers(0, 1 << 31, count)])

    if kind == "empty":
        return styled(_background(random, count, size, photos, texture=random.random() < 0.5)), torch.zeros(
            count, 1, size, size
        )
    subjects = _subjects(random, count, size)
    if kind == "drawn":
        return styled(subjects), subjects.subject
    background = _background(random, count, size, photos, texture=random.random() < 0.2)
    subjects = _moved(random, subjects)
    if kind == "placed":
        return styled(over(subjects, background)), subjects.subject
    mask = blur(subjects.subject, _SOFT_EDGE)
    return mask * styled(subjects) + (1 - mask) * styled(background), subjects.subject


def _subjects(random: np.random.Generator, count: int, size: int) -> Contents:
    """Drawn contents in which something stands out."""
    found: list[Contents] = []
    while len(found) < count:
        content = renderers.draw_contents([int(random.integers(1 << 31))], size)
        if _LEAST < content.subject.mean().item() < _MOST:
            found.append(content)
    return _together(found)


def _background(
    random: np.random.Generator, count: int, size: int, photos: np.ndarray | None, *, texture: bool
) -> Contents:
    """Contents without a subject: pieces of pictures so small that they show no thing, or whole ones blurred."""
    if photos is None or random.random() < 0.3:
        contents = renderers.draw_contents([int(seed) for seed in random.integers(0, 1 << 31, count)], size)
        pixels = lerp_subject_away(contents)
    else:
        chosen = photos[random.choice(len(photos), count, replace=False)]
        pixels = torch.from_numpy(chosen).permute(0, 3, 1, 2).float() / 255
    if texture:
        side = max(8, size // int(random.integers(4, 9)))
        top, left = random.integers(0, size - side + 1, 2)
        piece = pixels[:, :, top : top + side, left : left + side]
        piece = torch.cat([torch.cat([piece, piece.flip(3)], 3), torch.cat([piece.flip(2), piece.flip((2, 3))], 3)], 2)
        tiles = -(-size // piece.shape[2])
        pixels = piece.repeat(1, 1, tiles, tiles)[:, :, :size, :size]
    elif photos is not None:
        pixels = blur(pixels, float(random.uniform(2, 10)))
    return renderers.contents_from_images(pixels.contiguous())


def lerp_subject_away(contents: Contents) -> Tensor:
    """Pixels (N, 3, S, S) in which the subject is filled with what surrounds it."""
    rest = 1 - contents.subject
    pixels, weight = contents.pixels * rest, rest
    result = pixels.clone()
    missing = contents.subject
    for radius in (4.0, 12.0, 32.0):
        near, known = blur(pixels, radius), blur(weight, radius)
        filled = near / known.clamp_min(1e-4)
        share = missing * (known > 0.02)
        result = result + share * filled
        missing = missing - share
    return (result + missing * 0.5).clamp(0, 1)


def _moved(random: np.random.Generator, contents: Contents) -> Contents:
    """The same pictures at another size and place; what comes in at the border is nothing."""
    count = len(contents)
    scale = torch.from_numpy(random.uniform(0.6, 1.25, count)).float()
    shift = torch.from_numpy(random.uniform(-0.35, 0.35, (count, 2))).float()
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / scale
    theta[:, :, 2] = shift
    size = list(contents.pixels.shape)
    grid = torch.nn.functional.affine_grid(theta, size, align_corners=False)

    def warp(layer: Tensor) -> Tensor:
        return torch.nn.functional.grid_sample(layer, grid, align_corners=False)

    subject = warp(contents.subject)
    return Contents(
        warp(contents.pixels),
        warp(contents.flat),
        warp(contents.parts),
        warp(contents.edges),
        warp(contents.depth),
        subject,
        contents.captions,
        contents.kinds,
        contents.seeds,
    )


def over(front: Contents, back: Contents) -> Contents:
    """`front`'s subject over `back`, layer by layer."""
    mask = front.subject

    def layer(name: str) -> Tensor:
        one: Tensor = getattr(front, name)
        other: Tensor = getattr(back, name)
        return mask * one + (1 - mask) * other

    return Contents(
        layer("pixels"),
        layer("flat"),
        layer("parts"),
        layer("edges"),
        layer("depth"),
        mask,
        front.captions,
        front.kinds,
        front.seeds,
    )


def _together(parts: list[Contents]) -> Contents:
    def stack(name: str) -> Tensor:
        return torch.cat([getattr(part, name) for part in parts])

    return Contents(
        stack("pixels"),
        stack("flat"),
        stack("parts"),
        stack("edges"),
        stack("depth"),
        stack("subject"),
        tuple(part.captions[0] for part in parts),
        tuple(part.kinds[0] for part in parts),
        tuple(part.seeds[0] for part in parts),
    )


def resized(masks: Tensor, side: int) -> Tensor:
    """Masks (N, S, S) in [0, 1] averaged down to (N, side, side)."""
    return interpolate(masks[:, None], (side, side), mode="bilinear", antialias=True)[:, 0]
