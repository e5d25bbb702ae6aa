"""Bags of visual words: how often each of a few hundred typical patches of paint, line and grain occurs.

Patches are whitened and assigned to the nearest of K directions that spherical k-means found (Coates and Ng, 2012),
so what counts is a patch's pattern and not its contrast or mean colour.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stylesearch.encoders.places import EVERYWHERE, Places
from stylesearch.encoders.statistics import halved, root_shares

SIDE = 6
"""Side of a patch, pixels of its octave."""

STRIDES = (6, 4, 3, 2)
"""Distance between patches, for each octave; the finest first."""

_OCTAVES = 3
"""That have words; the coarsest patches are too few to be counted."""


def patches(lab: Tensor) -> list[Tensor]:
    """Float32 (N, 3, S, S) from `Lab`, S >= 48, to (N, rows, columns, 3 * SIDE * SIDE) for each octave."""
    found = []
    for octave, stride in enumerate(STRIDES):
        lab = halved(lab) if octave else lab
        squares = lab.unfold(2, SIDE, stride).unfold(3, SIDE, stride)
        found.append(squares.permute(0, 2, 3, 1, 4, 5).flatten(3))
    return found


class PatchWords(nn.Module):
    """Patches to histograms over words, and over "nothing there", for each octave.

    `encoder_training.words` fills the buffers:
        filters: float (octaves, K, 3, SIDE, SIDE), whitening and word in one filter.
        thresholds: float (octaves,), the response below which a patch is plain.
    """

    filters: Tensor
    thresholds: Tensor

    def __init__(self, words: int) -> None:
        super().__init__()
        self.register_buffer("filters", torch.zeros(_OCTAVES, words, 3, SIDE, SIDE))
        self.register_buffer("thresholds", torch.zeros(_OCTAVES))
        self.words = words
        self.dim = _OCTAVES * (words + 1)

    def forward(self, octaves: Sequence[Tensor], places: Places = EVERYWHERE) -> Tensor:
        """
        Args:
            octaves: what `patches` cuts.
            places: where patches are counted.

        Returns:
            float32 (N, self.dim), square roots of shares.
        """
        parts = []
        for bank, threshold, cut in zip(self.filters, self.thresholds, octaves[:_OCTAVES], strict=True):
            # One product over patches is twice as fast here as a convolution and the maximum of its maps.
            responses = places((cut @ bank.flatten(1).T).permute(0, 3, 1, 2)).flatten(2).transpose(1, 2)
            strongest = responses.amax(2, keepdim=True)
            says = torch.ge(strongest, threshold).to(responses.dtype)
            # Words are counted where they are the strongest; which one that is, a maximum tells ten times as slowly.
            counts = says.transpose(1, 2) @ torch.eq(responses, strongest, out=torch.empty_like(responses))
            parts.append(root_shares(torch.cat([counts[:, 0], (1 - says).sum(1)], 1), says.shape[1]))
        return torch.cat(parts, 1)
