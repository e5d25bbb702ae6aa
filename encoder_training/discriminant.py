"""Where the search for a projection begins: axes along which styles differ more than the pictures of one style do.

Linear discriminant analysis in closed form: principal axes, whitened by the scatter within styles, of which those stay
that tell the means of styles apart (Fisher 1936; Hastie, Tibshirani and Friedman 2009, section 4.3.3). A projection
that is trained from random weights learns the training sets by heart; one that begins here and stays near does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

SHRINKAGE = 1.0
"""Of the scatter within styles: this much of its mean variance is added along every axis."""

_REACH = 4.0  # deviations; what is further out is clipped, as `Projection` does
_SPARE = 200  # axes beyond those asked for, which make the last ones exact


@dataclass(frozen=True)
class Basis:
    """Standardised principal axes.

    Attributes:
        offset, scale: float32 (F,), see `Projection`.
        centre: float32 (F,), mean of the standardised features.
        axes: float32 (F, A), orthonormal columns.
    """

    offset: Tensor
    scale: Tensor
    centre: Tensor
    axes: Tensor

    def to(self, device: torch.device) -> Basis:
        """The same on a device."""
        return Basis(*(tensor.to(device) for tensor in (self.offset, self.scale, self.centre, self.axes)))

    def __call__(self, features: np.ndarray) -> Tensor:
        """Features (N, F) to float32 (N, A)."""
        return self.of(torch.from_numpy(features).float())

    def of(self, features: Tensor) -> Tensor:
        """The same of a tensor, with gradients."""
        return (((features - self.offset) * self.scale).clamp(-_REACH, _REACH) - self.centre) @ self.axes


def principal_axes(sets: Sequence[np.ndarray], weights: Sequence[float], count: int, seed: int = 0) -> Basis:
    """The first principal axes of standardised features.

    Args:
        sets: (N, F) each.
        weights: how much each set counts, however many pictures it has.
        count: how many axes; all of them, where there are fewer features.
        seed: of the start of the iteration that finds them.
    """
    rows = [torch.from_numpy(each).float() for each in sets]
    parts = [torch.full((len(some),), weight / len(some)) for some, weight in zip(rows, weights, strict=True)]
    share = torch.cat(parts)
    share /= share.sum()
    values = torch.cat(rows)
    offset = share @ values
    deviation = (share @ (values - offset).square_()).sqrt_() + 1e-4
    values.sub_(offset).div_(deviation).clamp_(-_REACH, _REACH)
    centre = share @ values
    values.sub_(centre).mul_(share.sqrt()[:, None])
    count = min(count, values.shape[1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = torch.svd_lowrank(values, q=min(count + _SPARE, *values.shape), niter=3)[2]
    return Basis(offset, 1 / deviation, centre, found[:, :count])


def discriminant(values: Tensor, styles: Tensor, weights: Tensor, dim: int) -> Tensor:
    """Axes that tell styles apart, scaled so that pictures of one style scatter alike along each.

    Args:
        values: float32 (N, A), along axes of mean 0.
        styles: int64 (N,), labels from 0 without a gap.
        weights: float32 (N,), how much each picture counts.
        dim: how many axes are wanted; no more than A.

    Returns:
        float32 (A, dim), the most telling first.
    """
    values, weights = values.double(), (weights / weights.sum()).double()
    of_style = torch.zeros(int(styles.max()) + 1, dtype=torch.float64).index_add_(0, styles, weights)
    means = torch.zeros(len(of_style), values.shape[1], dtype=torch.float64)
    means.index_add_(0, styles, weights[:, None] * values).div_(of_style[:, None])
    counts = torch.bincount(styles).double()
    unbiased = weights * (counts / (counts - 1).clamp_min(1))[styles]
    within = values - means[styles]
    variances, axes = torch.linalg.eigh((within * unbiased[:, None]).T @ within)
    whitening = axes * (variances + SHRINKAGE * variances.mean()).rsqrt()
    between = means @ whitening
    between -= of_style @ between
    _, telling = torch.linalg.eigh((between * of_style[:, None]).T @ between)
    found: Tensor = (whitening @ telling.flip(1)[:, :dim]).float()
    return found
