"""Image filters with one strength per image, so that a batch of many styles is one call.

Lengths are in points: 1/128 of the image's width, so that a picture keeps its look at every resolution.
All images are float32 (N, C, S, S).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import Tensor

POINTS = 128
_LEVEL_SIGMA = 0.87
"""Standard deviation, in cells, of box pooling + 3x3 binomial + bilinear enlargement: sqrt(1/12 + 1/2 + 1/6)."""


def luma(image: Tensor) -> Tensor:
    """(N, 3, S, S) sRGB to (N, 1, S, S), Rec. 601 weights."""
    return 0.299 * image[:, :1] + 0.587 * image[:, 1:2] + 0.114 * image[:, 2:]


def lerp(first: Tensor | float, second: Tensor | float, weight: Tensor | float) -> Tensor:
    """`first` at weight 0, `second` at weight 1."""
    return torch.as_tensor(first + (second - first) * weight)


def smoothstep(low: Tensor | float, high: Tensor | float, value: Tensor) -> Tensor:
    """0 below `low`, 1 above `high`, a cubic between; `low > high` falls instead of rising."""
    position = ((value - low) / (high - low)).clamp(0, 1)
    return position * position * (3 - 2 * position)


def levels(tone: Tensor) -> Tensor:
    """(N, 1, S, S) with its mean at 0.5 and about two deviations to either side spread over [0, 1]."""
    mean, spread = tone.mean((2, 3), keepdim=True), tone.std((2, 3), keepdim=True)
    return (0.5 + (tone - mean) / (spread * 3.8 + 0.02)).clamp(0, 1)


def binomial(image: Tensor) -> Tensor:
    """3x3 binomial blur (1 2 1), replicated borders."""
    padded = functional.pad(image, (1, 1, 1, 1), mode="replicate")
    rows = padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]
    return (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 16


def blur(image: Tensor, sigma: Tensor | float) -> Tensor:
    """Nearly Gaussian blur of `sigma` points: a number, or (N, 1, 1, 1) with one per image.

    Blends neighbouring levels of a pyramid, so the cost does not grow with sigma and no image depends on its batch.
    """
    size = image.shape[-1]
    strength = torch.as_tensor(sigma, dtype=image.dtype, device=image.device).reshape(-1, 1, 1, 1) * (size / POINTS)
    level = (strength / _LEVEL_SIGMA).clamp_min(1e-3).log2()
    level = torch.where(level < 0, (strength / _LEVEL_SIGMA).clamp(0, 1) - 1, level).clamp(-1, math.log2(size) - 1)
    lowest, highest = math.floor(float(level.min())), math.ceil(float(level.max()))
    result = torch.zeros_like(image)
    for index in range(lowest, highest + 1):
        weight = (1 - (level - index).abs()).clamp_min(0)
        if index < 0:
            result = result + weight * image
            continue
        reduced = image if index == 0 else functional.avg_pool2d(image, 2**index, ceil_mode=True)
        reduced = binomial(reduced)
        if index:
            reduced = functional.interpolate(reduced, size=(size, size), mode="bilinear", align_corners=False)
        result = result + weight * reduced
    return result


def gradient(image: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences per point along x and y, each of the shape of `image`."""
    scale = image.shape[-1] / POINTS / 2
    padded = functional.pad(image, (1, 1, 1, 1), mode="replicate")
    return (
        (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) * scale,
        (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) * scale,
    )


def tangents(gray: Tensor, sigma: Tensor | float) -> tuple[Tensor, Tensor]:
    """Unit directions along the edges of (N, 1, S, S), from the structure tensor smoothed over `sigma` points.

    Returns the direction (N, 2, S, S) as (x, y), and the coherence (N, 1, S, S) in [0, 1] (1: one clear direction).
    """
    along_x, along_y = gradient(binomial(gray))
    tensor = blur(torch.cat([along_x * along_x, along_x * along_y, along_y * along_y], 1), sigma)
    xx, xy, yy = tensor[:, :1], tensor[:, 1:2], tensor[:, 2:]
    angle = 0.5 * torch.atan2(2 * xy, xx - yy) + math.pi / 2
    spread = ((xx - yy).square() + 4 * xy.square()).sqrt()
    return torch.cat([angle.cos(), angle.sin()], 1), spread / (xx + yy + 1e-5)


def base_grid(image: Tensor) -> Tensor:
    """Pixel centres of `image` as (1, S, S, 2), x then y in [0, 1]."""
    size = image.shape[-1]
    axis = (torch.arange(size, device=image.device, dtype=image.dtype) + 0.5) / size
    return torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)[None]


def sample(image: Tensor, grid: Tensor, mode: str = "bilinear") -> Tensor:
    """Reads (N, C, S, S) at positions (N, H, W, 2) in [0, 1]; outside, the border repeats."""
    return functional.grid_sample(image, grid * 2 - 1, mode=mode, padding_mode="border", align_corners=False)


def warp(image: Tensor, shift: Tensor) -> Tensor:
    """Reads each pixel of `image` at its own place plus `shift` (N, 2, S, S) in points."""
    return sample(image, base_grid(image) + shift.permute(0, 2, 3, 1) / POINTS)


def along(image: Tensor, direction: Tensor, length: Tensor | float, steps: int = 3) -> Tensor:
    """Line integral convolution: the mean along directions (N, 2, S, S), `length` points to either side."""
    grid = base_grid(image)
    offset = (direction * torch.as_tensor(length, device=image.device)).permute(0, 2, 3, 1) / (POINTS * steps)
    total = image
    for step in range(1, steps + 1):
        total = total + sample(image, grid + offset * step) + sample(image, grid - offset * step)
    return total / (2 * steps + 1)


def kuwahara(image: Tensor, radius: Tensor | float, sharpness: float = 4.0) -> Tensor:
    """Generalised Kuwahara filter of six sectors (Papari et al. 2007): flattens areas, keeps edges.

    `radius` is in points, a number or (N, 1, 1, 1).
    """
    reach = torch.as_tensor(radius, dtype=image.dtype, device=image.device).reshape(-1, 1, 1, 1)
    gray = luma(image) if image.shape[1] == 3 else image.mean(1, keepdim=True)
    moments = blur(torch.cat([image, gray, gray * gray], 1), reach * 0.5)
    spread = (moments[:, -1:] - moments[:, -2:-1].square()).clamp_min(0).sqrt()
    stack = torch.cat([moments[:, :-2], spread], 1)
    grid = base_grid(image)
    total, weights = torch.zeros_like(image), torch.zeros_like(gray)
    for sector in range(6):
        angle = sector * math.pi / 3
        step = torch.tensor([math.cos(angle), math.sin(angle)], device=image.device) * (reach / POINTS)
        shifted = sample(stack, (grid + step).expand(image.shape[0], -1, -1, -1))
        weight = (shifted[:, -1:] * 20 + 0.05).pow(-sharpness)
        total, weights = total + shifted[:, :-1] * weight, weights + weight
    return total / weights


def contour(gray: Tensor, sigma: Tensor | float, threshold: float = 0.012) -> Tensor:
    """Soft lines in [0, 1] on the dark side of edges: a thresholded difference of Gaussians (XDoG, Winnemoller)."""
    width = torch.as_tensor(sigma, dtype=gray.dtype, device=gray.device).reshape(-1, 1, 1, 1)
    response = blur(gray, width * 1.8) - blur(gray, width)
    return smoothstep(threshold * 0.5, threshold * 2.5, response)


def stroke(edges: Tensor, width: Tensor | float, softness: Tensor | float = 0.35) -> Tensor:
    """Redraws thin lines (N, 1, S, S) `width` points wide with round ends; softness 0.1 is ink, 1 is chalk."""
    half = torch.as_tensor(width, dtype=edges.dtype, device=edges.device).reshape(-1, 1, 1, 1) * 0.5
    spread = half.clamp_min(0.45) * 0.9
    mass = 0.75 / (math.sqrt(2 * math.pi) * (spread.square() + 0.1).sqrt())
    level = mass * torch.exp(-half.square() / (2 * spread.square()))
    return smoothstep(level * (1 - softness), level * (1 + softness), blur(edges, spread))
