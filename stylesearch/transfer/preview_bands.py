"""How strong the detail of each size is: bands of a Laplacian pyramid (Burt and Adelson 1983) brought onto others'."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

_FINE = 3  # bands of strokes, grain and outlines; what is coarser is the picture itself
_NOISE = 0.004  # standard deviation, OKLab: less than is seen
_MOST_GAIN, _LEAST_GAIN = 2.0, 0.8
_LEAST_SIDE = 24  # pixels of what is taken apart any further
_KNOTS, _SAMPLE = 128, 20_000


def match_bands(
    picture: Tensor, references: Sequence[Tensor], shares: Sequence[float], generator: torch.Generator
) -> Tensor:
    """Spreads the coefficients of each band as those of the references are spread.

    Heeger and Bergen 1995 (SIGGRAPH, "Pyramid-based texture analysis/synthesis", section 3), between pictures as
    Sunkavalli et al. 2010 (SIGGRAPH, "Multi-scale image harmonization"): edges get the strength of the references'
    edges. Seeded noise, which is not seen in itself, becomes their grain where the picture is flat. Coarse bands are
    only weakened, as a line drawing asks for: strengthened, they would be halos.

    Args:
        picture: float32 (C, H, W).
        references: float32 (C, h, w) each, of any sizes.
        shares: of the references; they sum to 1.

    Returns:
        float32 (C, H, W).
    """
    bands = pyramid(picture + _NOISE * torch.randn(picture.shape, generator=generator))
    others = [pyramid(reference) for reference in references]
    for number, band in enumerate(bands[:-1]):
        wanted = [other[min(number, len(other) - 1)] for other in others]
        matched = torch.stack([_spread_as(band[c], [one[c] for one in wanted], shares) for c in range(len(band))])
        if number >= _FINE:
            matched = band * (matched.abs() / band.abs().clamp_min(1e-5)).clamp_max(1)
        bands[number] = matched
    gain = _spread(others, -1, shares) / bands[-1].std((1, 2), keepdim=True).clamp_min(1e-4)
    mean = bands[-1].mean((1, 2), keepdim=True)
    bands[-1] = mean + (bands[-1] - mean) * gain.clamp_max(1)
    return collapse(bands)


def match_contrast(picture: Tensor, references: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """Gives each of the fine bands the standard deviation that it has in the references, within bounds.

    Arguments and result as for `match_bands`; nothing random, and flat parts stay flat.
    """
    bands, others = pyramid(picture), [pyramid(reference) for reference in references]
    for number in range(min(_FINE, len(bands) - 1)):
        gain = _spread(others, number, shares) / bands[number].std((1, 2), keepdim=True).clamp_min(1e-4)
        bands[number] = bands[number] * gain.clamp(_LEAST_GAIN, _MOST_GAIN)
    return collapse(bands)


def pyramid(picture: Tensor) -> list[Tensor]:
    """Bands of (C, H, W) from fine to coarse, each half as large as the one before, and last what is left."""
    bands = []
    while min(picture.shape[1:]) >= _LEAST_SIDE:
        small = _half(picture)
        bands.append(picture - _enlarged(small, picture))
        picture = small
    return [*bands, picture]


def collapse(bands: Sequence[Tensor]) -> Tensor:
    """The picture whose pyramid this is."""
    picture = bands[-1]
    for band in reversed(bands[:-1]):
        picture = band + _enlarged(picture, band)
    return picture


def _half(picture: Tensor) -> Tensor:
    taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    padded = pad(picture[:, None], (2, 2, 2, 2), mode="replicate")
    return conv2d(padded, (taps[:, None] * taps)[None, None], stride=2)[:, 0]


def _enlarged(picture: Tensor, like: Tensor) -> Tensor:
    return interpolate(picture[None], like.shape[1:], mode="bilinear", align_corners=False)[0]


def _spread(pyramids: Sequence[Sequence[Tensor]], number: int, shares: Sequence[float]) -> Tensor:
    """Mean standard deviation (C, 1, 1) of one band."""
    bands = [bands[min(number, len(bands) - 1)] for bands in pyramids]
    return torch.stack([share * band.std((1, 2)) for band, share in zip(bands, shares, strict=True)]).sum(0)[
        :, None, None
    ]


def _spread_as(band: Tensor, wanted: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """One channel (H, W) with the mean of the quantiles of others."""
    here = _quantiles(band)
    there = np.sum([share * _quantiles(one) for one, share in zip(wanted, shares, strict=True)], 0)
    return torch.from_numpy(np.interp(band.numpy(), here, there).astype(np.float32))


def _quantiles(band: Tensor) -> np.ndarray:
    flat = band.reshape(-1)
    return np.asarray(np.quantile(flat[:: max(1, len(flat) // _SAMPLE)].numpy(), np.linspace(0, 1, _KNOTS)))
