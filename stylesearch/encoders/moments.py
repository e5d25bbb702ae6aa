"""What the channels of a network's maps do alone and together, wherever in a picture it is: its style, by and large.

Means and deviations of channels are what style transfer matches (Huang and Belongie 2017, AdaIN), and what they do
together are the Gram matrices of Gatys and others (2015), here as correlations, so that no strong channel hides others.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stylesearch.encoders.places import EVERYWHERE, Places

DESCRIBED = slice(1, 6)
"""Stages of EfficientNet-Lite0 whose moments are taken; the first adds nothing."""

CORRELATED = slice(2, 5)
"""Those whose correlations are taken; of fewer channels they tell little, of more they are too many."""

_LEAST_VARIANCE = 1e-6


class Moments(nn.Module):
    """Means and deviations of all channels.

    Args:
        widths: channels of each stage.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.dim = 2 * sum(widths)

    def forward(self, stages: Sequence[Tensor], places: Places = EVERYWHERE) -> Tensor:
        """
        Args:
            stages: float32 (N, width, H, W) each, whatever H and W.
            places: where they are pooled.

        Returns:
            float32 (N, self.dim), for each stage its means, then its deviations.
        """
        parts = []
        for maps in stages:
            values = places(maps).flatten(2)
            mean = values.mean(2)
            spread = (values - mean[..., None]).square().mean(2)
            parts += [mean, (spread + _LEAST_VARIANCE).sqrt()]
        return torch.cat(parts, 1)


class Correlations(nn.Module):
    """Correlations between the channels of a stage, each pair once.

    Args:
        widths: channels of each stage.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.dim = sum(width * (width - 1) // 2 for width in widths)

    def forward(self, stages: Sequence[Tensor], places: Places = EVERYWHERE) -> Tensor:
        """
        Args:
            stages: float32 (N, width, H, W) each, whatever H and W.
            places: where they are pooled.

        Returns:
            float32 (N, self.dim) in [-1, 1]: signed roots nearly, so that weak correlations count beside strong ones.
        """
        parts = []
        for maps in stages:
            values = places(maps).flatten(2)
            centred = values - values.mean(2, keepdim=True)
            covariance = centred @ centred.transpose(1, 2) / centred.shape[2]
            scale = (torch.diagonal(covariance, dim1=1, dim2=2) + _LEAST_VARIANCE).rsqrt()
            correlation = covariance * scale[:, :, None] * scale[:, None, :]
            row, column = torch.triu_indices(covariance.shape[1], covariance.shape[1], 1, device=maps.device)
            parts.append(correlation[:, row, column])
        all_pairs = torch.cat(parts, 1)
        return all_pairs * (all_pairs.abs() + 0.01).rsqrt()
