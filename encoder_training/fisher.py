"""Finds the Gaussians of `FisherVectors`: principal axes, then a mixture by expectation maximisation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from encoder_training.words import PER_PICTURE, sample_patches
from stylesearch.encoders.compact_network import Compact, described
from stylesearch.encoders.fisher import FisherVectors, Mixture

_LEAST_VARIANCE = 1e-4
"""Share of the first axis's that is added to all, so that axes of noise are not blown up."""

_BATCH = 4


def fit_gaussians(vectors: FisherVectors, levels: Sequence[Tensor], keep: int = 40_000, seed: int = 0) -> None:
    """Fills the buffers of `vectors`.

    Args:
        levels: float32 (M, width) each, values at places of some thousand pictures.
        keep: places for the mixture, per level.
        seed: of the choice of places and of the first Gaussians.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    generator = torch.Generator().manual_seed(seed)
    for level, values in zip(vectors.levels, levels, strict=True):
        assert isinstance(level, Mixture)  # noqa: S101 - for the type checker
        level.axes, level.centre = _axes(values, len(level.centre))
        chosen = values[torch.randperm(len(values), generator=generator)[:keep]]
        mixture = GaussianMixture(
            len(level.weights),
            covariance_type="diag",
            reg_covar=1e-2,
            max_iter=40,
            init_params="k-means++",
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the last rounds change little
            mixture.fit((chosen @ level.axes.T - level.centre).double().numpy())
        level.weights = torch.from_numpy(mixture.weights_).float()
        level.means = torch.from_numpy(mixture.means_).float()
        level.deviations = torch.from_numpy(mixture.covariances_).sqrt().float()


def fit_patches(tower: Compact, pictures: Sequence[np.ndarray]) -> None:
    """Fits a tower's Fisher vectors of patches to pictures, uint8 (S, S, 3) each, of one size."""
    vectors = tower.parts["patches"]
    assert isinstance(vectors, FisherVectors)  # noqa: S101 - for the type checker
    fit_gaussians(vectors, sample_patches(pictures, len(vectors.levels), torch.Generator().manual_seed(0)))


def fit_maps(tower: Compact, pictures: Sequence[np.ndarray]) -> None:
    """Fits the Fisher vectors of a trained trunk's maps to pictures, uint8 (S, S, 3) each, of one size."""
    vectors = tower.parts["maps"]
    assert isinstance(vectors, FisherVectors)  # noqa: S101 - for the type checker
    generator = torch.Generator().manual_seed(0)
    found: list[list[Tensor]] = [[] for _ in vectors.levels]
    tower.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(pictures), _BATCH):
            images = torch.from_numpy(np.stack(pictures[start : start + _BATCH])).permute(0, 3, 1, 2).float() / 255
            for level, values in zip(found, described(tower.maps(images)), strict=True):
                for places in values.flatten(1, 2):
                    level.append(places[torch.randperm(len(places), generator=generator)[:PER_PICTURE]])
    fit_gaussians(vectors, [torch.cat(level) for level in found])


def _axes(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """(count, F) and (count,): values (M, F) to their first principal axes, each of mean 0 and variance 1."""
    variances, axes = torch.linalg.eigh(torch.cov(values.T.double()))
    first = variances.flip(0)[:count, None]
    # Where all pictures are plain and alike, nothing varies along any axis.
    scaled = axes.T.flip(0)[:count] * (first + _LEAST_VARIANCE * first[0]).clamp_min(1e-12).rsqrt()
    return scaled.float(), (scaled @ values.double().mean(0)).float()
