"""Bags of visual words: how often each of a few hundred typical patches of paint, line and grain occurs.

Patches are whitened and assigned to the nearest of K directions that spherical k-means found (Coates and Ng, 2012),
so what counts is a patch's pattern and not its contrast or mean colour.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stylesearch.encoders.places import EVERYWHERE, Places
from stylesearch.encoders.statistics import halved, share

SIDE = 6
"""Side of a patch, pixels of its octave."""

STRIDES = (4, 3, 2)
"""Distance between patches, for each octave; the finest first."""


def patches(maps: Tensor, side: int, stride: int) -> Tensor:
    """Squares of `side` pixels, every `stride`: (N, C, H, W) to (N, rows, columns, C * side * side)."""
    return maps.unfold(2, side, stride).unfold(3, side, stride).permute(0, 2, 3, 1, 4, 5).flatten(3)


class PatchWords(nn.Module):
    """Pictures to histograms over words, and over "nothing there", for each octave.

    `encoder_training.words` fills the buffers:
        filters: float (octaves, K, 3, SIDE, SIDE), whitening and word in one filter.
        thresholds: float (octaves,), the response below which a patch is plain.
    """

    filters: Tensor
    thresholds: Tensor

    def __init__(self, words: int) -> None:
        super().__init__()
        self.register_buffer("filters", torch.zeros(len(STRIDES), words, 3, SIDE, SIDE))
        self.register_buffer("thresholds", torch.zeros(len(STRIDES)))
        self.words = words
        self.dim = len(STRIDES) * (words + 1)

    def forward(self, lab: Tensor, places: Places = EVERYWHERE) -> Tensor:
        """
        Args:
            lab: float32 (N, 3, S, S) from `Lab`, S >= 32.
            places: where patches are counted.

        Returns:
            float32 (N, self.dim), square roots of shares.
        """
        parts = []
        for bank, threshold, stride in zip(self.filters, self.thresholds, STRIDES, strict=True):
            # One product over patches is twice as fast here as a convolution and the maximum of its maps.
            strongest, word = (patches(lab, SIDE, stride) @ bank.flatten(1).T).max(3)
            word = places(torch.where(strongest < threshold, self.words, word)[:, None]).flatten(1)
            parts.append(share(word, torch.ones_like(word, dtype=lab.dtype), self.words + 1))
            lab = halved(lab)
        return torch.cat(parts, 1)
