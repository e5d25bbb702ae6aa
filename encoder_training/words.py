"""Finds the vocabulary of `PatchWords`: whitening and spherical k-means over patches (Coates and Ng, 2012)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize, unfold

from stylesearch.encoders.compact_network import Compact
from stylesearch.encoders.patch_words import SIDE, PatchWords
from stylesearch.encoders.statistics import Lab

PER_PICTURE = 60
"""Random patches of a picture, per octave."""

PLAIN = 0.2
"""A patch is plain if its strongest response is under this share of the median norm of all patches."""


def fit_words(
    tower: Compact, pictures: Sequence[np.ndarray], rounds: int = 12, keep: int = 40_000, seed: int = 0
) -> None:
    """Fills the vocabulary of a tower.

    Args:
        pictures: uint8 (S, S, 3) each, of one size; some thousand give stable words.
        rounds: of k-means.
        keep: patches for k-means, per octave.
        seed: of the choice of patches and first words.
    """
    vocabulary = tower.parts["words"]
    assert isinstance(vocabulary, PatchWords)  # noqa: S101 - for the type checker
    generator = torch.Generator().manual_seed(seed)
    filters, thresholds = [], []
    for octave in sample_patches(pictures, len(vocabulary.filters), generator):
        values, vectors = torch.linalg.eigh(octave.T @ octave / len(octave))
        whitening = vectors @ torch.diag((values.clamp(min=0) + 1e-3).rsqrt()) @ vectors.T
        white = octave @ whitening
        norms = white.norm(dim=1)
        # Plain patches have no pattern; their whitened noise would make words of its own.
        clear = white[norms > norms.median() / 2] if (norms > norms.median() / 2).any() else white
        chosen = torch.randperm(len(clear), generator=generator)[:keep]
        words = _spherical_k_means(normalize(clear[chosen], dim=1), vocabulary.words, rounds, generator)
        filters.append(_centred(words @ whitening).view(-1, 3, SIDE, SIDE))
        thresholds.append(norms.median() * PLAIN)
    vocabulary.filters, vocabulary.thresholds = torch.stack(filters), torch.stack(thresholds)


def sample_patches(pictures: Sequence[np.ndarray], octaves: int, generator: torch.Generator) -> list[Tensor]:
    """For each octave, float32 (M, 3 * SIDE * SIDE): some patches of every picture without their mean colour."""
    found: list[list[Tensor]] = [[] for _ in range(octaves)]
    to_lab = Lab()
    for picture in pictures:
        lab = to_lab(torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255)
        for octave in found:
            here = unfold(lab, SIDE, stride=SIDE // 2)[0].T
            octave.append(here[torch.randperm(len(here), generator=generator)[:PER_PICTURE]])
            lab = avg_pool2d(lab, 2)
    return [_centred(torch.cat(octave)) for octave in found]


def _centred(patches: Tensor) -> Tensor:
    channels = patches.view(len(patches), 3, -1)
    return (channels - channels.mean(2, keepdim=True)).flatten(1)


def _spherical_k_means(unit: Tensor, count: int, rounds: int, generator: torch.Generator) -> Tensor:
    """(count, F) unit rows; words that nobody chose begin again at a random patch."""

    def random_rows() -> Tensor:
        return unit[torch.randint(len(unit), (count,), generator=generator)]

    words = random_rows()
    for _ in range(rounds):
        nearest = (unit @ words.T).argmax(1)
        sizes = torch.bincount(nearest, minlength=count)
        sums = torch.zeros_like(words).index_add_(0, nearest, unit)
        words = normalize(torch.where(sizes[:, None] > 3, sums, random_rows()), dim=1)
    return words
