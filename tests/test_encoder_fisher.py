"""Fisher vectors against sums written out, and the Gaussians that they are taken under."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, interpolate

from encoder_training.fisher import fit_gaussians
from stylesearch.encoders.fisher import AXES, SIDE, STRIDES, FisherVectors
from stylesearch.encoders.places import Places
from stylesearch.encoders.statistics import halved

SIZE = 64


def smooth(count: int, seed: int = 0) -> Tensor:
    """Float (N, 3, SIZE, SIZE)."""
    coarse = torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed))
    return interpolate(coarse, (SIZE, SIZE), mode="bicubic").clamp(0, 1)


@pytest.fixture(scope="module")
def fitted() -> FisherVectors:
    vectors = FisherVectors(3)
    pixels = (smooth(200) * 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    fit_gaussians(vectors, list(pixels))
    return vectors


def written_out(vectors: FisherVectors, lab: Tensor) -> np.ndarray:
    """One picture (3, S, S), patch after patch and Gaussian after Gaussian."""
    parts = []
    for octave, stride in enumerate(STRIDES):
        axes, means, deviations = (
            buffer[octave].double().numpy() for buffer in (vectors.axes, vectors.means, vectors.deviations)
        )
        weights = vectors.weights[octave].double().numpy()
        starts = range(0, lab.shape[1] - SIDE + 1, stride)
        patches = [
            lab[:, y : y + SIDE, x : x + SIDE].double().flatten().numpy() @ axes.T for y in starts for x in starts
        ]
        likely = np.empty((len(patches), len(weights)))
        for row, patch in enumerate(patches):
            off = (patch - means) / deviations
            logs = np.log(weights) - np.log(deviations).sum(1) - (off**2).sum(1) / 2
            likely[row] = np.exp(logs - logs.max())
        belongs = likely / likely.sum(1, keepdims=True)
        lies = np.zeros((len(weights), AXES))
        spreads = np.zeros((len(weights), AXES))
        for k, weight in enumerate(weights):
            for patch, share in zip(patches, belongs[:, k], strict=True):
                off = (patch - means[k]) / deviations[k]
                lies[k] += share * off / len(patches) / np.sqrt(weight)
                spreads[k] += share * (off**2 - 1) / len(patches) / np.sqrt(2 * weight)
        both = np.concatenate([lies, spreads], 1).ravel()
        both = np.sign(both) * np.sqrt(np.abs(both))
        parts += [3 * np.sqrt(belongs.mean(0)), both / np.linalg.norm(both) * np.sqrt(len(both))]
        lab = halved(lab[None])[0]
    return np.concatenate(parts)


def test_equal_to_sums_written_out(fitted: FisherVectors) -> None:
    lab = smooth(2, seed=1)
    found = fitted(lab).numpy()
    assert found.shape == (2, fitted.dim) and found.dtype == np.float32
    for one, picture in zip(found, lab, strict=True):
        np.testing.assert_allclose(one, written_out(fitted, picture), atol=2e-3)


def test_mean_colour_does_not_count_and_contrast_does(fitted: FisherVectors) -> None:
    lab = smooth(1, seed=2)
    tinted = lab + torch.tensor([0.1, -0.2, 0.05])[:, None, None]
    assert cosine_similarity(fitted(lab), fitted(tinted)) > 0.9999
    assert cosine_similarity(fitted(lab), fitted(lab / 2)) < 0.95


def test_only_kept_places_are_described(fitted: FisherVectors) -> None:
    lab = smooth(1, seed=3)
    kept = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    kept[:, : SIZE // 2] = True
    other = lab.clone()
    other[..., SIZE // 2 + 8 :] = 0.5  # patches across the edge reach over it
    whole, part = fitted(lab), fitted(lab, Places(kept))
    assert not torch.allclose(whole, part, atol=0.1)
    finest = slice(3, 3 + 3 * 2 * AXES)  # coarser octaves have too few places here
    assert torch.allclose(part[:, finest], fitted(other, Places(kept))[:, finest], atol=1e-4)


def test_axes_are_uncorrelated_and_the_same_every_time(fitted: FisherVectors) -> None:
    again = FisherVectors(3)
    pixels = (smooth(200) * 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    fit_gaussians(again, list(pixels))
    for name, buffer in fitted.named_buffers():
        assert torch.equal(buffer, dict(again.named_buffers())[name]), name
    assert torch.allclose(fitted.weights.sum(1), torch.ones(len(STRIDES)), atol=1e-5)
    # A Gaussian's patches have the mixture's mean of 0 and a variance of 1 along each axis.
    mean = (fitted.weights[..., None] * fitted.means).sum(1)
    variance = (fitted.weights[..., None] * (fitted.deviations**2 + fitted.means**2)).sum(1) - mean**2
    assert variance[:, :4].sub(1).abs().max() < 0.2
