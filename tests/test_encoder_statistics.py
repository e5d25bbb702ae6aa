"""Handmade statistics, against the same written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stylesearch.encoders import statistics
from stylesearch.encoders.places import EVERYWHERE
from stylesearch.encoders.statistics import Lab


def picture(side: int, seed: int = 0) -> torch.Tensor:
    """Float32 (2, 3, S, S): noise of which neighbours have something in common, and a plain corner."""
    noise = torch.rand(2, 3, side + 2, side + 2, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.avg_pool2d(noise, 3, 1)
    smooth[:, :, : side // 3, : side // 3] = 0.4
    return smooth


def test_lab_is_cielab_also_in_the_dark() -> None:
    colours = torch.cat([torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16) / 20, torch.zeros(1, 3, 16, 16)])
    rgb = colours.double().permute(0, 2, 3, 1).numpy()
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    matrix = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    ratio = linear @ np.array(matrix).T / (0.95047, 1.0, 1.08883)
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(f, 3, 0)
    expected = np.stack([1.16 * y - 0.16, 5 * (x - y), 2 * (y - z)], 1)
    # The curve of sRGB is a cubic here, which is off by up to 0.004 of linear light: little in the light, more below.
    found = Lab()(colours).double().numpy()
    assert np.abs(found[0] - expected[0]).max() < 0.03
    assert np.abs(found[1] - expected[1]).max() < 0.06
    assert np.abs(found[2]).max() < 1e-5


@pytest.mark.parametrize(("side", "stride"), [(12, 1), (12, 2), (13, 2)])
def test_local_binary_patterns_written_out(side: int, stride: int) -> None:
    lightness = picture(side)[:, 0]
    found = statistics._binary_patterns(lightness, stride, EVERYWHERE)
    for sign, shares in zip((1, -1), found, strict=True):
        for values, row in zip(lightness.numpy(), shares.numpy(), strict=True):
            assert row == pytest.approx(slow_patterns(np.pad(values, 1, "edge") * sign, stride), abs=1e-4)


def slow_patterns(framed: np.ndarray, stride: int) -> np.ndarray:
    ring = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
    counts = np.zeros(10)
    for row in range(1, len(framed) - 1, stride):
        for column in range(1, len(framed) - 1, stride):
            bits = [
                framed[row + down, column + across] > framed[row, column] + np.float32(0.01) for down, across in ring
            ]
            changes = sum(one != other for one, other in zip(bits, bits[1:] + bits[:1], strict=True))
            counts[sum(bits) if changes <= 2 else 9] += 1
    return np.sqrt(counts / (counts.sum() * 1.0001))
