"""Fisher vectors against sums written out, and the Gaussians that they are taken under."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, interpolate

from encoder_training.fisher import fit_gaussians, fit_maps, fit_patches
from encoder_training.words import fit_words
from stylesearch.encoders.compact_network import Compact, CompactConfig, described
from stylesearch.encoders.fisher import AXES, FisherVectors, Mixture
from stylesearch.encoders.patch_words import SIDE, STRIDES, patches
from stylesearch.encoders.places import Places
from stylesearch.encoders.statistics import halved

SIZE = 64
GAUSSIANS = 3
CONFIG = CompactConfig(
    image_size=SIZE, words=8, gaussians=GAUSSIANS, widths=(8, 16, 32), depths=(0, 1, 0), projections=(4, 4, 4)
)


def smooth(count: int, seed: int = 0) -> Tensor:
    """Float (N, 3, SIZE, SIZE)."""
    coarse = torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed))
    return interpolate(coarse, (SIZE, SIZE), mode="bicubic").clamp(0, 1)


def fitted_tower() -> Compact:
    torch.manual_seed(0)
    tower = Compact(CONFIG)
    pixels = list((smooth(200) * 255).to(torch.uint8).permute(0, 2, 3, 1).numpy())
    fit_words(tower, pixels)
    fit_patches(tower, pixels)
    fit_maps(tower, pixels)
    return tower


@pytest.fixture(scope="module")
def tower() -> Compact:
    return fitted_tower()


@pytest.fixture(scope="module")
def of_patches(tower: Compact) -> FisherVectors:
    vectors = tower.parts["patches"]
    assert isinstance(vectors, FisherVectors)
    return vectors


def written_out(mixture: Mixture, values: Tensor) -> np.ndarray:
    """Values (P, F) of one picture, place after place and Gaussian after Gaussian."""
    axes, centre, weights, means, deviations = (
        buffer.double().numpy()
        for buffer in (mixture.axes, mixture.centre, mixture.weights, mixture.means, mixture.deviations)
    )
    described = [value @ axes.T - centre for value in values.double().numpy()]
    likely = np.empty((len(described), len(weights)))
    for row, value in enumerate(described):
        off = (value - means) / deviations
        logs = np.log(weights) - np.log(deviations).sum(1) - (off**2).sum(1) / 2
        likely[row] = np.exp(logs - logs.max())
    belongs = likely / likely.sum(1, keepdims=True)
    lies, spreads = np.zeros_like(means), np.zeros_like(means)
    for k, weight in enumerate(weights):
        for value, share in zip(described, belongs[:, k], strict=True):
            off = (value - means[k]) / deviations[k]
            lies[k] += share * off / len(described) / np.sqrt(weight)
            spreads[k] += share * (off**2 - 1) / len(described) / np.sqrt(2 * weight)
    both = np.concatenate([lies, spreads], 1).ravel()
    both = np.sign(both) * np.sqrt(np.abs(both))
    return np.concatenate([3 * np.sqrt(belongs.mean(0)), both / np.linalg.norm(both) * np.sqrt(len(both))])


def test_of_patches_equal_to_sums_written_out(of_patches: FisherVectors) -> None:
    lab = smooth(2, seed=1)
    found = of_patches(patches(lab)).numpy()
    assert found.shape == (2, of_patches.dim) and found.dtype == np.float32
    for one, picture in zip(found, lab, strict=True):
        parts = []
        for mixture, stride in zip(of_patches.levels, STRIDES, strict=True):
            assert isinstance(mixture, Mixture)
            starts = range(0, picture.shape[1] - SIDE + 1, stride)
            cut = [picture[:, y : y + SIDE, x : x + SIDE].flatten() for y in starts for x in starts]
            parts.append(written_out(mixture, torch.stack(cut)))
            picture = halved(picture[None])[0]
        np.testing.assert_allclose(one, np.concatenate(parts), atol=2e-3)


def test_of_maps_equal_to_sums_written_out(tower: Compact) -> None:
    images = smooth(2, seed=1)
    with torch.inference_mode():
        found = tower.features(images, ["maps"])["maps"].numpy()
        _, finer, coarser = tower.maps(images)
    of_maps = tower.parts["maps"]
    assert isinstance(of_maps, FisherVectors) and found.shape == (2, of_maps.dim)
    for one, fine, coarse in zip(found, finer, coarser, strict=True):
        parts = []
        for mixture, maps in zip(of_maps.levels, (fine[:, ::2, ::2], coarse), strict=True):
            assert isinstance(mixture, Mixture)
            parts.append(written_out(mixture, maps.flatten(1).T))
        np.testing.assert_allclose(one, np.concatenate(parts), atol=5e-3)


def test_mean_colour_does_not_count_and_contrast_does(of_patches: FisherVectors) -> None:
    lab = smooth(1, seed=2)
    tinted = lab + torch.tensor([0.1, -0.2, 0.05])[:, None, None]
    plain, tinted, paler = (of_patches(patches(each)) for each in (lab, tinted, lab / 2))
    assert cosine_similarity(plain, tinted) > 0.9999
    assert cosine_similarity(plain, paler) < 0.95


def test_only_kept_places_are_described(of_patches: FisherVectors) -> None:
    lab = smooth(1, seed=3)
    kept = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    kept[:, : SIZE // 2] = True
    other = lab.clone()
    other[..., SIZE // 2 + 8 :] = 0.5  # patches across the edge reach over it
    whole, part, part_of_other = (
        of_patches(patches(each), places)
        for each, places in ((lab, Places()), (lab, Places(kept)), (other, Places(kept)))
    )
    assert not torch.allclose(whole, part, atol=0.1)
    finest = slice(GAUSSIANS, GAUSSIANS * (2 * AXES + 1))  # the coarsest octaves have too few places here
    assert torch.allclose(part[:, finest], part_of_other[:, finest], atol=1e-4)


def test_fitted_the_same_every_time(tower: Compact) -> None:
    again = dict(fitted_tower().named_buffers())
    for name, buffer in tower.named_buffers():
        torch.testing.assert_close(buffer, again[name], rtol=1e-3, atol=1e-4, msg=name)


def test_axes_are_uncorrelated_and_the_first_tell_most() -> None:
    random = torch.Generator().manual_seed(0)
    values = torch.randn(2000, 6, generator=random) @ torch.randn(6, 30, generator=random)
    values += torch.randn(2000, 30, generator=random) / 4 + 5
    vectors = FisherVectors([30], 2)
    fit_gaussians(vectors, [values])
    mixture = vectors.levels[0]
    assert isinstance(mixture, Mixture) and mixture.axes.shape == (AXES, 30)
    along = values @ mixture.axes.T - mixture.centre
    assert torch.allclose(along.mean(0), torch.zeros(AXES), atol=1e-3)
    spread = torch.cov(along.T)
    assert torch.allclose(spread, spread.diag().diag(), atol=1e-3)
    assert spread.diag()[:6].sub(1).abs().max() < 0.01 and spread.diag().min() > 0.7, "noise is blown up a little less"
    assert torch.linalg.norm(mixture.axes[0]) < torch.linalg.norm(mixture.axes[-1]) / 4, "it was wide before"


def test_pictures_that_are_plain_and_alike_have_numbers_too() -> None:
    vectors = FisherVectors([30], 2)
    fit_gaussians(vectors, [torch.full((200, 30), 0.7)])
    assert all(buffer.isfinite().all() for buffer in vectors.buffers())
    assert vectors([torch.full((1, 6, 6, 30), 0.7)]).isfinite().all()


def test_mixtures_have_the_mean_and_spread_of_what_they_were_fitted_to(tower: Compact) -> None:
    for part in ("patches", "maps"):
        for mixture in tower.parts[part].levels:  # type: ignore[union-attr]
            weights, means = mixture.weights, mixture.means
            assert torch.isclose(weights.sum(), torch.ones(()), atol=1e-5)
            # A Gaussian's places have the mixture's mean of 0 and a variance of 1 along each axis.
            mean = (weights[:, None] * means).sum(0)
            variance = (weights[:, None] * (mixture.deviations**2 + means**2)).sum(0) - mean**2
            assert mean.abs().max() < 0.1 and variance[:4].sub(1).abs().max() < 0.2


def test_narrow_maps_have_fewer_axes() -> None:
    vectors = FisherVectors([8], 2)
    values = torch.randn(500, 8, generator=torch.Generator().manual_seed(0)) * 3 + 5
    fit_gaussians(vectors, [values])
    assert vectors.dim == 2 * (2 * 8 + 1)
    assert vectors([values.view(5, 10, 10, 8)]).shape == (5, vectors.dim)


def test_the_finest_maps_are_thinned() -> None:
    maps = [torch.zeros(2, width, side, side) for width, side in ((8, 32), (16, 16), (32, 8))]
    assert [values.shape for values in described(maps)] == [(2, 8, 8, 16), (2, 8, 8, 32)]


def test_every_part_pools_where_it_is_told_to(tower: Compact) -> None:
    kept = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    kept[:, : SIZE // 2] = True
    with torch.inference_mode():
        whole, part = (tower.features(smooth(1, seed=4), places=places) for places in (Places(), Places(kept)))
    for name in ("trunk", "statistics", "words", "patches", "maps"):
        assert not torch.allclose(whole[name], part[name], atol=1e-2), name


@pytest.mark.parametrize("sizes", [{"trunk_dim": 0}, {"widths": (8,), "depths": (0,), "projections": (4,)}])
def test_maps_want_a_trunk_of_two_stages(sizes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no maps without a trunk"):
        CompactConfig(**sizes)


def test_shares_of_the_parts() -> None:
    all_but_statistics = CompactConfig(trunk_share=0.05, words_share=0.55, patches_share=0.3, maps_share=0.1)
    assert all_but_statistics.shares["statistics"] == 0
    for part in ("words_share", "patches_share"):
        with pytest.raises(ValueError, match="none may be below 0"):
            CompactConfig(**{part: 0.9})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one must be above"):
        CompactConfig(statistics_dim=0, trunk_dim=0, maps_dim=0, patches_dim=0, words_share=0)
