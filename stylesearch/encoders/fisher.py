"""Fisher vectors: how a picture's paint, line and grain depart from what is usual.

A mixture of Gaussians says what patches of pictures, or places of a network's maps, look like; a picture is described
by the way in which its own differ from the Gaussians that they belong to (Perronnin, Sanchez and Mensink 2010, section
2; of a network's maps: Cimpoi and others 2015). Where a bag of words counts, this says how things are off, so a few
Gaussians tell much.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize

from stylesearch.encoders.places import EVERYWHERE, Places

AXES = 24
"""Principal axes that are described; all of them, where there are fewer."""


class Mixture(nn.Module):
    """What is usual at one level.

    `encoder_training.fisher` fills the buffers:
        axes: float (A, F), values to whitened principal axes.
        centre: float (A,), the mean of all along these.
        weights, means, deviations: float (K,), (K, A) twice, of the Gaussians.

    Args:
        width: F, numbers at a place.
        gaussians: K.
    """

    axes: Tensor
    centre: Tensor
    weights: Tensor
    means: Tensor
    deviations: Tensor

    def __init__(self, width: int, gaussians: int) -> None:
        super().__init__()
        axes = min(AXES, width)
        self.register_buffer("axes", torch.zeros(axes, width))
        self.register_buffer("centre", torch.zeros(axes))
        self.register_buffer("weights", torch.full((gaussians,), 1 / gaussians))
        self.register_buffer("means", torch.zeros(gaussians, axes))
        self.register_buffer("deviations", torch.ones(gaussians, axes))
        self.dim = gaussians * (2 * axes + 1)

    def forward(self, values: Tensor, places: Places = EVERYWHERE) -> Tensor:
        """(N, H, W, F) to (N, K * (2 A + 1)): roots of shares, then departures from means and deviations."""
        described = places(linear(values, self.axes, -self.centre).permute(0, 3, 1, 2)).flatten(2).transpose(1, 2)
        weights, means, deviations = self.weights, self.means, self.deviations
        precisions = deviations**-2
        constant = weights.log() - deviations.log().sum(1) - (means**2 * precisions).sum(1) / 2
        # Everything side by side, so that there are two products and not one for each term.
        moments = torch.cat([described, described * described, torch.ones_like(described[..., :1])], 2)
        belongs = (moments @ torch.cat([means * precisions, -precisions / 2, constant[:, None]], 1).T).softmax(2)
        sums = belongs.transpose(1, 2) @ moments / described.shape[1]
        first, second, share = sums[..., : means.shape[1]], sums[..., means.shape[1] : -1], sums[..., -1:]
        lies = (first - share * means) / deviations
        spreads = (second - 2 * first * means + share * (means**2 - deviations**2)) * precisions / 2**0.5
        both = torch.cat([lies, spreads], 2) / weights.sqrt()[:, None]
        # Signed roots and unit length keep a picture's commonest patch from hiding the others (sections 3.1 and 3.2).
        levelled = normalize((both.sign() * both.abs().sqrt()).flatten(1), dim=1) * (2 * means.numel()) ** 0.5
        return torch.cat([3 * share[..., 0].sqrt(), levelled], 1)


class FisherVectors(nn.Module):
    """Values at places of several levels, such as octaves or stages, to Fisher vectors side by side.

    Args:
        widths: numbers at a place, for each level.
        gaussians: how many say what is usual at a level.
    """

    def __init__(self, widths: Sequence[int], gaussians: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(Mixture(width, gaussians) for width in widths)
        self.dim: int = sum(level.dim for level in self.levels)  # type: ignore[misc]

    def forward(self, levels: Sequence[Tensor], places: Places = EVERYWHERE) -> Tensor:
        """
        Args:
            levels: float32 (N, H, W, width) each, whatever H and W.
            places: where they are described.

        Returns:
            float32 (N, self.dim), of the order of 1.
        """
        return torch.cat([level(values, places) for level, values in zip(self.levels, levels, strict=True)], 1)
