"""The last layers of `compact`, fitted to features that no longer change: minutes on a CPU.

The linear head is trained by SSCL and the text tower by the SigLIP loss, both over cached features.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import dropout, normalize

from encoder_training.losses import SigLIPLoss, sscl
from stylesearch.encoders.compact_network import Projection, TextTower


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


class _Draws:
    """P styles x K rows of one set; of icons and the like over the same few contents."""

    def __init__(self, data: FeatureSet) -> None:
        self._contents = np.array(data.contents)
        self._distinct = np.unique(self._contents)
        rows: dict[str, dict[str, list[int]]] = {}
        groups = data.groups if data.groups is not None else [""] * len(data.styles)
        for row, (group, style) in enumerate(zip(groups, data.styles, strict=True)):
            rows.setdefault(group, {}).setdefault(style, []).append(row)
        self._groups = [[np.array(found) for found in styles.values() if len(found) > 1] for styles in rows.values()]

    def draw(self, random: np.random.Generator, styles: int, images: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows, and a label for each that is equal for rows of one style."""
        picked: list[np.ndarray] = []
        shared = random.choice(self._distinct, min(images + 3, len(self._distinct)), replace=False)
        for group in random.permutation(len(self._groups)):
            for style in random.permutation(len(self._groups[group])):
                rows = self._groups[group][style]
                common = rows[np.isin(self._contents[rows], shared)]
                picked.append(random.permutation(common if len(common) > 1 else rows)[:images])
                if len(picked) == styles:
                    break
            if len(picked) == styles:
                break
        return np.concatenate(picked), np.repeat(np.arange(len(picked)), [len(rows) for rows in picked])


def standardisation(features: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """(offset, scale) that give every feature mean 0 and deviation 1 over several sets, each set counting alike."""
    means = np.stack([values.mean(0, dtype=np.float64) for values in features])
    squares = np.stack([np.square(values, dtype=np.float64).mean(0) for values in features])
    offset = means.mean(0)
    deviation = np.sqrt(np.maximum(squares.mean(0) - offset**2, 0)) + 1e-4
    return torch.from_numpy(offset).float(), torch.from_numpy(1 / deviation).float()


def fit_projection(
    projection: Projection,
    part: str,
    sets: Sequence[FeatureSet],
    steps: int = 1000,
    styles_per_batch: int = 64,
    images_per_style: int = 4,
    learning_rate: float = 5e-4,
    drop: float = 0.3,
    temperature: float = 0.07,
    seed: int = 0,
) -> float:
    """Trains the projection of one part; every batch is of one set, so its negatives are hard.

    Returns:
        the mean loss of the last tenth of the steps.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    projection.offset, projection.scale = standardisation([data.features[part] for data in sets])
    projection.linear.reset_parameters()
    draws = [_Draws(data) for data in sets]
    share = np.array([data.weight for data in sets]) / sum(data.weight for data in sets)
    optimiser = torch.optim.AdamW(projection.parameters(), lr=learning_rate, weight_decay=0.01, betas=(0.9, 0.98))
    losses = []
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = learning_rate * _schedule(step, steps)
        chosen = int(random.choice(len(sets), p=share))
        rows, labels = draws[chosen].draw(random, styles_per_batch, images_per_style)
        features = torch.from_numpy(sets[chosen].features[part][rows]).float()
        with torch.autocast("cpu", torch.bfloat16):
            projected = projection.linear(dropout(projection.standardised(features), drop))
        loss = sscl(normalize(projected.float(), dim=1), torch.from_numpy(labels), temperature)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    projection.requires_grad_(False)
    return float(np.mean(losses[-max(steps // 10, 1) :]))


def _schedule(step: int, steps: int, warmup: int = 50) -> float:
    return min(1.0, (step + 1) / warmup) * (1 + math.cos(math.pi * step / steps)) / 2


def fit_text_tower(
    tower: TextTower,
    sets: Sequence[tuple[Sequence[str], Sequence[str], np.ndarray, float]],
    steps: int = 3000,
    styles_per_batch: int = 128,
    learning_rate: float = 2e-3,
    seed: int = 0,
) -> float:
    """Trains a text tower towards the image embeddings, which stay as they are.

    Args:
        tower: changed in place.
        sets: (styles, prompts, embeddings float32 (N, D), weight) each; a batch mixes all of them by weight.
        steps, styles_per_batch, learning_rate, seed: of the run.

    Returns:
        the mean loss of the last tenth of the steps.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    loss_of = SigLIPLoss()
    parameters = [*tower.parameters(), *loss_of.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.01, betas=(0.9, 0.98))
    rows = [_rows_by_style(styles) for styles, _, _, _ in sets]
    share = np.array([weight for *_, weight in sets]) / sum(weight for *_, weight in sets)
    losses = []
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate * _schedule(step, steps)
        images, texts = [], []
        for chosen in random.choice(len(sets), styles_per_batch, p=share):
            found = rows[chosen][random.integers(len(rows[chosen]))]
            row = int(random.choice(found))
            images.append(sets[chosen][2][row])
            texts.append(shortened(random, sets[chosen][1][row]))
        # Equal texts are one style to the loss.
        labels = torch.tensor([texts.index(text) for text in texts])
        loss = loss_of(torch.from_numpy(np.stack(images)).float(), labels, tower(texts), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return float(np.mean(losses[-max(steps // 10, 1) :]))


def _rows_by_style(styles: Sequence[str]) -> list[list[int]]:
    rows: dict[str, list[int]] = {}
    for row, style in enumerate(styles):
        rows.setdefault(style, []).append(row)
    return list(rows.values())


def shortened(random: np.random.Generator, prompt: str) -> str:
    """Some of a prompt's phrases in any order, as people type them: "ink wash, muted grey palette"."""
    phrases = [phrase.strip() for phrase in prompt.split(",")]
    kept = random.permutation(len(phrases))[: random.integers(1, len(phrases) + 1)]
    text = ", ".join(phrases[i] for i in kept)
    opening = "in the style of "
    return text[len(opening) :] if text.lower().startswith(opening) and random.random() < 0.5 else text
