"""The last layers of `compact`, fitted to features that no longer change: minutes on a CPU.

Linear heads over cached features begin in closed form and go on by SSCL.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, normalize

from encoder_training.discriminant import Basis, discriminant, principal_axes
from encoder_training.losses import sscl_against
from stylesearch.encoders.compact_network import Projection


@dataclass(frozen=True)
class FeatureSet:
    """Features of a set's training pictures.

    Attributes:
        name: of the set.
        features: float (N, F) for each part, as `Compact.features` gives them.
        styles, contents: N labels each.
        prompts: N descriptions of the style.
        weight: how often a batch is drawn from this set, relative to the others.
        groups: N labels, or None; a batch takes its styles from as few groups as it can. Styles drawn over
            the same contents make a group.
    """

    name: str
    features: Mapping[str, np.ndarray]
    styles: Sequence[str]
    contents: Sequence[str]
    prompts: Sequence[str]
    weight: float
    groups: Sequence[str] | None = None


def labels_of(names: Sequence[str]) -> np.ndarray:
    """int64 (N,), from 0 without a gap, equal where names are."""
    return np.unique(np.array(names), return_inverse=True)[1]


class _Draws:
    """Anchors and a gallery of one set: whole styles, so that every anchor has all of its own."""

    def __init__(self, data: FeatureSet, values: Tensor) -> None:
        self.values = values
        self.styles = labels_of(data.styles)
        self._groups = labels_of(data.groups if data.groups is not None else [""] * len(data.styles))

    def draw(self, random: np.random.Generator, anchors: int, gallery: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the gallery, and where in it the anchors are; its styles are of as few groups as can be."""
        rows: list[np.ndarray] = []
        for group in random.permutation(int(self._groups.max()) + 1):
            members = np.flatnonzero(self._groups == group)
            order = random.permutation(int(self.styles.max()) + 1)[self.styles[members]]
            members = members[np.argsort(order, kind="stable")]
            rows.append(members[: gallery - sum(map(len, rows))])
            if sum(map(len, rows)) >= gallery:
                break
        found = np.concatenate(rows)
        return found, random.permutation(len(found))[:anchors]


def fit_projection(
    projection: Projection,
    part: str,
    sets: Sequence[FeatureSet],
    steps: int = 600,
    axes: int = 1024,
    anchors: int = 192,
    gallery: int = 3072,
    learning_rate: float = 0.02,
    drop: float = 0.3,
    temperature: float = 0.07,
    seed: int = 0,
) -> float:
    """Fits the projection of one part: a discriminant in closed form, then SSCL from there.

    Every step is of one set, so its negatives are hard; anchors are compared with thousands of its pictures at once.

    Args:
        projection: changed in place.
        part: whose features it takes.
        sets: rendered ones (those with groups) take part in SSCL alone: the scatter within their styles is not that of
            real ones.
        axes: principal axes that it is fitted along.
        steps, anchors, gallery, learning_rate, drop, temperature, seed: of SSCL; the rate is relative to the mean
            magnitude of the closed form, the drop is the share of the axes that is left out at each step.

    Returns:
        the mean loss of the last tenth of the steps.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    share = np.array([data.weight for data in sets]) / sum(data.weight for data in sets)
    basis = principal_axes([data.features[part] for data in sets], share.tolist(), axes, seed)
    draws = [_Draws(data, basis(data.features[part])) for data in sets]
    start = closed_form([draw.values for draw in draws], sets, projection.linear.out_features)
    matrix = nn.Parameter(start / start.abs().mean())
    optimiser = torch.optim.AdamW([matrix], lr=learning_rate, weight_decay=0, betas=(0.9, 0.98))
    losses = []
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = learning_rate * _schedule(step, steps, 30)
        each = draws[int(random.choice(len(sets), p=share))]
        rows, places = each.draw(random, anchors, gallery)
        embedded = normalize(dropout(each.values[rows], drop) @ matrix, dim=1)
        labels, asking = torch.from_numpy(each.styles[rows]), torch.from_numpy(places)
        own = asking[:, None] == torch.arange(len(rows))
        loss = sscl_against(embedded[asking], labels[asking], embedded, labels, own, temperature)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    _fold(projection, basis, matrix.detach())
    return float(np.mean(losses[-max(steps // 10, 1) :]))


def closed_form(values: Sequence[Tensor], sets: Sequence[FeatureSet], dim: int) -> Tensor:
    """The discriminant of the styles of several sets, of real ones where there are some.

    Args:
        values: float32 (N, A) for each set, its pictures along some axes.
        sets: their labels and weights.
        dim: columns that are wanted.

    Returns:
        float32 (A, dim).
    """
    real = [place for place, data in enumerate(sets) if data.groups is None] or list(range(len(sets)))
    labels, weights, first = [], [], 0
    for place in real:
        own = labels_of(sets[place].styles)
        labels.append(torch.from_numpy(own) + first)
        weights.append(torch.full((len(own),), sets[place].weight / len(own)))
        first += int(own.max()) + 1
    return discriminant(torch.cat([values[place] for place in real]), torch.cat(labels), torch.cat(weights), dim)


def _fold(projection: Projection, basis: Basis, matrix: Tensor) -> None:
    """Axes and matrix become one layer, of the size of its weights that float16 holds best."""
    weight = basis.axes @ matrix
    weight /= weight.square().mean().sqrt() * 10
    projection.offset, projection.scale = basis.offset, basis.scale
    with torch.no_grad():
        projection.linear.weight.copy_(weight.T)
        projection.linear.bias.copy_(-basis.centre @ weight)
    projection.requires_grad_(False)


def _schedule(step: int, steps: int, warmup: int) -> float:
    return min(1.0, (step + 1) / warmup) * (1 + math.cos(math.pi * step / steps)) / 2
