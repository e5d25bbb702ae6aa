"""Grain: a small atlas of tileable textures, read at places that only the (style seed, content seed) pair decides.

Reading a shared atlas is far cheaper than drawing fresh noise for every image, gives the same pixels on every device,
and keeps its scale when the image's resolution changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoder_training.renderers.filters import base_grid

ATLAS_SIZE = 256
TEXTURES = ("grain", "clouds", "tooth", "laid", "canvas", "fibre", "streak", "wood", "speckle")


def _filtered(random: np.random.Generator, response: NDArray[np.float64]) -> NDArray[np.float64]:
    """White noise shaped by a frequency response (ATLAS_SIZE, ATLAS_SIZE); periodic, mean 0, standard deviation 1."""
    white = random.standard_normal((ATLAS_SIZE, ATLAS_SIZE))
    noise: NDArray[np.float64] = np.fft.ifft2(np.fft.fft2(white) * response).real
    noise = noise - noise.mean()
    return np.asarray(noise / noise.std())


@lru_cache(maxsize=4)
def atlas(device: str) -> Tensor:
    """(len(TEXTURES) + 4, ATLAS_SIZE, ATLAS_SIZE): `TEXTURES` at mean 0 and deviation 1, then four of uniform noise."""
    random = np.random.default_rng(20260)
    frequency_x, frequency_y = np.meshgrid(np.fft.fftfreq(ATLAS_SIZE), np.fft.fftfreq(ATLAS_SIZE))
    radius = np.hypot(frequency_x, frequency_y) + 1e-9
    steps = np.arange(ATLAS_SIZE) * 2 * np.pi / 4
    weave = np.sin(steps)[:, None] * np.sin(steps)[None] + 0.35 * (np.sin(steps)[:, None] - np.sin(steps)[None])
    laid = np.sin(np.arange(ATLAS_SIZE) * 2 * np.pi / 4)[:, None] * np.ones((1, ATLAS_SIZE))
    clouds = np.where(radius > 1 / 200, radius**-1.6, 0)
    speckle = _filtered(random, np.exp(-((radius / 0.16) ** 2)))
    fibres = 0.6 * _filtered(random, np.exp(-((radius / 0.3) ** 2))) + sum(
        np.clip(
            _filtered(
                random,
                np.exp(
                    -(((frequency_x * np.cos(turn) + frequency_y * np.sin(turn)) / 0.07) ** 2)
                    - ((frequency_y * np.cos(turn) - frequency_x * np.sin(turn)) / 0.4) ** 2
                ),
            )
            - 1.3,
            0,
            None,
        )
        for turn in (0.3, 1.2, 2.1, 2.8)
    )
    fibres = fibres - np.mean(fibres)
    layers = [
        _filtered(random, np.exp(-((radius / 0.35) ** 2))),
        _filtered(random, clouds),
        _filtered(random, np.exp(-((radius / 0.33) ** 2)) * (1 - np.exp(-((radius / 0.1) ** 2)))),
        laid * 0.5 + 0.6 * _filtered(random, np.exp(-((frequency_x / 0.02) ** 2) - (frequency_y / 0.3) ** 2)),
        weave * 0.9 + 0.4 * _filtered(random, np.exp(-((radius / 0.2) ** 2))),
        fibres / fibres.std(),
        _filtered(random, np.exp(-((frequency_x / 0.012) ** 2) - (frequency_y / 0.22) ** 2)),
        _filtered(random, np.exp(-((frequency_x / 0.01) ** 2)) * (np.abs(frequency_y) + 0.01) ** -0.8),
        np.clip(speckle - 1.2, 0, None) * 2.5,
        *random.random((4, ATLAS_SIZE, ATLAS_SIZE)),
    ]
    return torch.tensor(np.stack(layers), dtype=torch.float32).clamp(-3, 3).to(device)


def hashed(seeds: Tensor, salt: int, count: int) -> Tensor:
    """Uniform numbers in [0, 1), (N, count), from int64 seeds (N,)."""
    index = torch.arange(count, device=seeds.device, dtype=torch.int64)
    return _uniform(seeds[:, None] * 6364136223846793005 + (index + salt * 131) * 7046029254386353131)


def _uniform(state: Tensor) -> Tensor:
    """int64 of any shape to uniform float32 in [0, 1): the finaliser of splitmix64 (Steele et al. 2014)."""
    for shift, factor in ((30, -4658895280553007687), (27, -7723592293110705685)):
        state = (state ^ ((state >> shift) & ((1 << (64 - shift)) - 1))) * factor
    return ((state >> 11) & ((1 << 24) - 1)).float() / (1 << 24)


def scattered(seeds: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """A uniform number in [0, 1) for each lattice place: seeds (N,), row and column whole, float (N, 1, S, S)."""
    return _uniform(
        seeds[:, None, None, None] * 6364136223846793005
        + row.long() * 7046029254386353131
        + column.long() * 2862933555777941757
    )


def pair_seeds(style_seeds: Sequence[int], content_seeds: Sequence[int], device: torch.device) -> Tensor:
    """One int64 per image, (N,), that differs for each (style seed, content seed)."""
    pairs = [
        (style * 1_000_003 + content * 7_368_787 + 12_345) % (1 << 62)
        for style, content in zip(style_seeds, content_seeds, strict=True)
    ]
    return torch.tensor(pairs, dtype=torch.int64, device=device)


def read(
    seeds: Tensor, like: Tensor, channel: Tensor | int, scale: Tensor | float, turn: Tensor | float = 0.0, salt: int = 0
) -> Tensor:
    """One texture per image, (N, 1, S, S), at an offset that `seeds` (N,) decide.

    `channel` indexes `TEXTURES`; `scale` is in texels per point (1 = a texel for each 1/128 of the width); `turn` is in
    radians. Numbers or (N,) tensors. `like` gives size, device and dtype.
    """
    count, device = seeds.shape[0], like.device
    channels = torch.as_tensor(channel, device=device).long().reshape(-1).expand(count)
    layers = atlas(str(device))[channels][:, None]
    offset = hashed(seeds, salt, 2)[:, None, None]
    angle = torch.as_tensor(turn, dtype=torch.float32, device=device).reshape(-1, 1, 1).expand(count, 1, 1)
    step = torch.as_tensor(scale, dtype=torch.float32, device=device).reshape(-1, 1, 1) * (128 / ATLAS_SIZE)
    grid = base_grid(like) - 0.5
    along_x, along_y = grid[..., 0], grid[..., 1]
    place = (
        torch.stack(
            [
                (along_x * angle.cos() - along_y * angle.sin()) * step,
                (along_x * angle.sin() + along_y * angle.cos()) * step,
            ],
            -1,
        )
        + offset
    )
    wrapped = place - place.floor()
    edge = wrapped * 2 - 1  # align_corners=True below would skew by one texel; the seam of one texel is invisible
    return torch.nn.functional.grid_sample(
        layers, edge, mode="bilinear", padding_mode="reflection", align_corners=False
    )


def dice(seeds: Tensor, rows: Tensor, columns: Tensor, salt: int = 0) -> Tensor:
    """Four uniform numbers for each lattice cell (N, ..., 4); rows and columns int64 (...)."""
    offset = (hashed(seeds, salt + 77, 2) * ATLAS_SIZE).long()
    shape = (-1,) + (1,) * rows.dim()
    row = (rows[None] + offset[:, 0].reshape(shape)) % ATLAS_SIZE
    column = (columns[None] + offset[:, 1].reshape(shape)) % ATLAS_SIZE
    return atlas(str(seeds.device))[len(TEXTURES) :].permute(1, 2, 0)[row, column]
