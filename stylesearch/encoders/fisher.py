"""Fisher vectors of small patches: how a picture's paint, line and grain depart from what is usual.

A mixture of Gaussians says what patches of pictures look like; a picture is described by the way in which its own
patches differ from the Gaussians that they belong to (Perronnin, Sanchez and Mensink 2010, section 2). Where a bag of
words counts patches, this says how they are off, so a few Gaussians tell much.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from stylesearch.encoders.patch_words import patches
from stylesearch.encoders.places import EVERYWHERE, Places
from stylesearch.encoders.statistics import halved

SIDE = 6
"""Side of a patch, pixels of its octave."""

STRIDES = (6, 4, 3, 2)
"""Distance between patches, for each octave; the finest first."""

AXES = 24
"""Principal axes of patches that are described."""


class FisherVectors(nn.Module):
    """Pictures to Fisher vectors, one for each octave, side by side.

    `encoder_training.fisher` fills the buffers:
        axes: float (octaves, AXES, 3 * SIDE * SIDE), patches to whitened principal axes; a patch's mean colour is lost.
        weights, means, deviations: float (octaves, K), (octaves, K, AXES) twice, of the Gaussians.
    """

    axes: Tensor
    weights: Tensor
    means: Tensor
    deviations: Tensor

    def __init__(self, gaussians: int) -> None:
        super().__init__()
        octaves = len(STRIDES)
        self.register_buffer("axes", torch.zeros(octaves, AXES, 3 * SIDE * SIDE))
        self.register_buffer("weights", torch.full((octaves, gaussians), 1 / gaussians))
        self.register_buffer("means", torch.zeros(octaves, gaussians, AXES))
        self.register_buffer("deviations", torch.ones(octaves, gaussians, AXES))
        self.dim = octaves * gaussians * (2 * AXES + 1)

    def forward(self, lab: Tensor, places: Places = EVERYWHERE) -> Tensor:
        """
        Args:
            lab: float32 (N, 3, S, S) from `Lab`, S >= 48.
            places: where patches are described.

        Returns:
            float32 (N, self.dim), of the order of 1.
        """
        parts = []
        for stride, *mixture in zip(STRIDES, self.axes, self.weights, self.means, self.deviations, strict=True):
            described = places((patches(lab, SIDE, stride) @ mixture[0].T).permute(0, 3, 1, 2))
            parts.append(_fisher_vectors(described.flatten(2).transpose(1, 2), *mixture[1:]))
            lab = halved(lab)
        return torch.cat(parts, 1)


def _fisher_vectors(described: Tensor, weights: Tensor, means: Tensor, deviations: Tensor) -> Tensor:
    """(N, P, D) under a mixture of K Gaussians to (N, K * (2 D + 1)): roots of shares, then means and deviations."""
    axes = described.shape[2]
    precisions = deviations**-2
    constant = weights.log() - deviations.log().sum(1) - (means**2 * precisions).sum(1) / 2
    # Everything side by side, so that there are two products and not one for each term.
    moments = torch.cat([described, described * described, torch.ones_like(described[..., :1])], 2)
    belongs = (moments @ torch.cat([means * precisions, -precisions / 2, constant[:, None]], 1).T).softmax(2)
    sums = belongs.transpose(1, 2) @ moments / described.shape[1]
    first, second, share = sums[..., :axes], sums[..., axes:-1], sums[..., -1:]
    lies = (first - share * means) / deviations
    spreads = (second - 2 * first * means + share * (means**2 - deviations**2)) * precisions / 2**0.5
    both = torch.cat([lies, spreads], 2) / weights.sqrt()[:, None]
    # Signed roots and unit length keep a picture's commonest patch from hiding the others (sections 3.1 and 3.2 there).
    levelled = normalize((both.sign() * both.abs().sqrt()).flatten(1), dim=1) * (2 * axes * len(weights)) ** 0.5
    return torch.cat([3 * share[..., 0].sqrt(), levelled], 1)
