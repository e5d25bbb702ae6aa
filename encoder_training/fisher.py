"""Finds the Gaussians of `FisherVectors`: principal axes of patches, then a mixture by expectation maximisation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from encoder_training.words import sample_patches
from stylesearch.encoders.fisher import AXES, SIDE, STRIDES, FisherVectors

_LEAST_VARIANCE = 1e-4
"""Share of the first axis's that is added to all, so that axes of noise are not blown up."""


def fit_gaussians(vectors: FisherVectors, pictures: Sequence[np.ndarray], keep: int = 40_000, seed: int = 0) -> None:
    """Fills the buffers of `vectors`.

    Args:
        pictures: uint8 (S, S, 3) each, of one size; some thousand give stable Gaussians.
        keep: patches for the mixture, per octave.
        seed: of the choice of patches and of the first Gaussians.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    generator = torch.Generator().manual_seed(seed)
    for octave, patches in enumerate(sample_patches(pictures, SIDE, len(STRIDES), generator)):
        axes = _axes(patches)
        described = (patches @ axes.T)[torch.randperm(len(patches), generator=generator)[:keep]]
        mixture = GaussianMixture(
            vectors.weights.shape[1],
            covariance_type="diag",
            reg_covar=1e-2,
            max_iter=40,
            init_params="k-means++",
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the last rounds change little
            mixture.fit(described.double().numpy())
        vectors.axes[octave] = axes
        vectors.weights[octave] = torch.from_numpy(mixture.weights_)
        vectors.means[octave] = torch.from_numpy(mixture.means_)
        vectors.deviations[octave] = torch.from_numpy(mixture.covariances_).sqrt()


def _axes(patches: Tensor) -> Tensor:
    """(AXES, F): patches (M, F) to their first principal axes, each of variance 1."""
    variances, axes = torch.linalg.eigh(torch.cov(patches.T.double()))
    first = variances.flip(0)[:AXES, None]
    scaled: Tensor = axes.T.flip(0)[:AXES] * (first + _LEAST_VARIANCE * first[0]).rsqrt()
    return scaled.float()
