"""Strokes: a picture put together anew from small patches of the references.

Texture optimisation (Kwatra et al. 2005, SIGGRAPH, section 3) under guidance, as in image analogies (Hertzmann et al.
2001, SIGGRAPH): search for each patch of the picture the one of the references that is nearest in looks and in what it
stands for, let the found ones vote on the pixels, and again. Neighbours hand each other what they have found
(PatchMatch, Barnes et al. 2009, SIGGRAPH, section 3.2), so that strokes are copied whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d, fold, pad

PATCH = 7  # pixels along a side
_MIDDLE = PATCH // 2
_FEATURES = 24  # principal components of a patch
_LEARNT_FROM = 4000  # patches of each reference
_AT_ONCE = 2048  # queries: their distances stay in the cache
_NEIGHBOURS = ((0, 1), (0, -1), (1, 0), (-1, 0))
_LEAST_VOTE = 1e-3


@dataclass(frozen=True)
class Matches:
    """For each patch of a picture the one of the pool: int64 (N,), and the squared distance float32 (N,)."""

    patch: Tensor
    cost: Tensor

    def improved(self, patch: Tensor, cost: Tensor) -> Matches:
        """The better of two, for each patch of the picture."""
        nearer = cost < self.cost
        return Matches(torch.where(nearer, patch, self.patch), torch.where(nearer, cost, self.cost))


class Pool:
    """Every patch of the references at one scale, numbered row by row, one reference after the other.

    Args:
        references: float32 (C, H, W) each, all channels that are compared; sides of at least `PATCH`.
        shares: of the references in what is searched; they sum to 1.
        searched: how many patches are searched; the others are found through their neighbours.
    """

    def __init__(
        self, references: Sequence[Tensor], shares: Sequence[float], searched: int, generator: torch.Generator
    ) -> None:
        self._references = references
        self._mean, self._basis = _principal(references, generator)
        described = [self.describe(reference) for reference in references]
        heights, widths = zip(*(features.shape[:2] for features in described), strict=True)
        self._height, self._width = torch.tensor(heights), torch.tensor(widths)
        counts = self._height * self._width
        self._first = counts.cumsum(0) - counts
        self._features = torch.cat([features.flatten(0, 1) for features in described])
        some = [
            first + torch.randperm(count, generator=generator)[: max(1, round(searched * share))]
            for first, count, share in zip(self._first.tolist(), counts.tolist(), shares, strict=True)
        ]
        self._searched = torch.cat(some)
        chosen = self._features[self._searched]
        self._keys, self._squares = chosen.T.contiguous(), chosen.square().sum(1)

    def describe(self, picture: Tensor) -> Tensor:
        """Features of every patch of (C, H, W): float32 (H - p + 1, W - p + 1, F)."""
        return conv2d(picture[None], self._basis)[0].permute(1, 2, 0) - self._mean

    def search(self, queries: Tensor) -> Matches:
        """The nearest of the searched patches, for features (N, F)."""
        rows = [
            torch.addmm(self._squares, part, self._keys, alpha=-2).argmin(1) for part in torch.split(queries, _AT_ONCE)
        ]
        return self.compare(queries, self._searched[torch.cat(rows)])

    def compare(self, queries: Tensor, patch: Tensor) -> Matches:
        """These patches, with their distances to features (N, F)."""
        return Matches(patch, (self._features[patch] - queries).square().sum(1))

    def propagate(self, queries: Tensor, matches: Matches, shape: tuple[int, int], stride: int) -> Matches:
        """Tries for each patch of the picture what lies beside the match of each of its neighbours.

        Args:
            queries: float32 (N, F), of a grid of `shape` patches that are `stride` pixels apart.
        """
        for down, right in _NEIGHBOURS:
            beside = torch.roll(matches.patch.view(shape), (down, right), (0, 1)).reshape(-1)
            reference, y, x = self._place(beside)
            y = (y + down * stride).clamp_min(0).minimum(self._height[reference] - 1)
            x = (x + right * stride).clamp_min(0).minimum(self._width[reference] - 1)
            tried = self.compare(queries, self._first[reference] + y * self._width[reference] + x)
            matches = matches.improved(tried.patch, tried.cost)
        return matches

    def pixels(self, patch: Tensor, channels: int) -> Tensor:
        """The first channels of these patches: float32 (N, channels, p p)."""
        found = torch.empty(len(patch), channels, PATCH * PATCH)
        reference, y, x = self._place(patch)
        for number, picture in enumerate(self._references):
            rows = (reference == number).nonzero()[:, 0]
            found[rows] = _cut(picture[:channels], y[rows], x[rows])
        return found

    def _place(self, patch: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reference, row and column of each patch."""
        reference = torch.bucketize(patch, self._first, right=True) - 1
        rest = patch - self._first[reference]
        return reference, rest // self._width[reference], rest % self._width[reference]


def rebuild(
    picture: Tensor, guide: Tensor, pool: Pool, matches: Matches | None, stride: int, search: bool
) -> tuple[Tensor, Matches]:
    """One round: finds the patches and lets them vote.

    Args:
        picture: float32 (C, H, W). guide: float32 (G, H, W), what the patches are to stand for.
        pool: of references with C + G channels.
        matches: of the round before; None: there was none.
        stride: pixels between patches.
        search: whether to look through the pool, beyond neighbours.

    Returns:
        The picture float32 (C, H, W) anew, and its matches.
    """
    height, width = picture.shape[1:]
    below, beyond = ((PATCH - 2 * _MIDDLE - length) % stride + _MIDDLE for length in (height, width))
    padded = pad(torch.cat([picture, guide])[None], (_MIDDLE, beyond, _MIDDLE, below), mode="replicate")[0]
    grid = pool.describe(padded)[::stride, ::stride]
    shape, queries = (grid.shape[0], grid.shape[1]), grid.flatten(0, 1)
    if matches is not None:
        matches = pool.compare(queries, matches.patch)
    if matches is None or search:
        found = pool.search(queries)
        matches = found if matches is None else matches.improved(found.patch, found.cost)
    for _ in range(2):
        matches = pool.propagate(queries, matches, shape, stride)
    voted = _vote(pool.pixels(matches.patch, len(picture)), matches.cost, padded.shape[1:], stride)
    return voted[:, _MIDDLE : _MIDDLE + height, _MIDDLE : _MIDDLE + width], matches


def _vote(patches: Tensor, cost: Tensor, size: Sequence[int], stride: int) -> Tensor:
    """Mean (C, H, W) of the patches (N, C, p p) that cover a pixel; near matches and middles count more."""
    bell = torch.exp(-((torch.arange(PATCH) - _MIDDLE) ** 2) / (2 * (PATCH / 4) ** 2))
    trust = torch.exp(-cost / cost.median().clamp_min(1e-6)).clamp_min(_LEAST_VOTE)
    votes = trust[:, None, None] * (bell[:, None] * bell).reshape(-1)
    total = fold(votes.flatten(1).T[None], tuple(size), PATCH, stride=stride)[0]
    return fold((patches * votes).flatten(1).T[None], tuple(size), PATCH, stride=stride)[0] / total


def _cut(picture: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Patches of (C, H, W) with their upper left corners at these rows and columns (N,): (N, C, p p)."""
    steps, width = torch.arange(PATCH), picture.shape[2]
    places = (y * width + x)[:, None] + (steps[:, None] * width + steps).reshape(-1)
    return picture.reshape(len(picture), -1)[:, places].transpose(0, 1)


def _principal(references: Sequence[Tensor], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Of patches of the references: their projected mean (F,), and the principal components (F, C, p, p)."""
    drawn = []
    for reference in references:
        y, x = (
            torch.randint(length - PATCH + 1, (_LEARNT_FROM,), generator=generator) for length in reference.shape[1:]
        )
        drawn.append(_cut(reference, y, x).flatten(1))
    sample = torch.cat(drawn)
    mean = sample.mean(0)
    centred = sample - mean
    components = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -_FEATURES:].T
    return components @ mean, components.reshape(_FEATURES, -1, PATCH, PATCH).contiguous()
