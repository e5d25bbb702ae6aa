"""The losses against slow obvious versions, on one rank."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import normalize

from encoder_training.losses import SigLIPLoss, sscl, two_batch_infonce


def unit(rows: int, seed: int, dim: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(rows, dim, generator=generator, dtype=torch.float64), dim=1)


def slow_sscl(z: torch.Tensor, styles: list[int], t: float) -> float:
    losses = []
    for i in range(len(z)):
        denominator = sum(math.exp(float(z[i] @ z[a]) / t) for a in range(len(z)) if a != i)
        positives = [p for p in range(len(z)) if p != i and styles[p] == styles[i]]
        if positives:
            terms = [math.log(math.exp(float(z[i] @ z[p]) / t) / denominator) for p in positives]
            losses.append(-sum(terms) / len(terms))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
@pytest.mark.parametrize("styles", [[0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 2, 3], [4, 1, 4, 1, 4, 9, 9]])
def test_sscl_is_the_formula(styles: list[int], temperature: float) -> None:
    z = unit(len(styles), seed=len(styles))
    fast = sscl(z, torch.tensor(styles), temperature)
    assert fast.item() == pytest.approx(slow_sscl(z, styles, temperature), abs=1e-5)


def test_sscl_without_any_positive_is_zero_and_has_a_gradient() -> None:
    z = unit(4, seed=1).requires_grad_()
    loss = sscl(z, torch.arange(4))
    loss.backward()
    assert loss.item() == 0
    assert z.grad is not None and torch.equal(z.grad, torch.zeros_like(z))


def test_sscl_pulls_a_style_together() -> None:
    raw = torch.nn.Parameter(unit(12, seed=2))
    styles = torch.arange(12) % 3
    optimiser = torch.optim.Adam([raw], lr=0.1)
    for _ in range(60):
        optimiser.zero_grad()
        sscl(normalize(raw, dim=1), styles).backward()
        optimiser.step()
    z = normalize(raw.detach(), dim=1)
    cosines, same = z @ z.T, styles[:, None] == styles[None]
    assert cosines[same].min() > cosines[~same].max()


def test_siglip_is_the_formula() -> None:
    images, texts = unit(5, seed=3), unit(3, seed=4)
    image_styles, text_styles = [0, 0, 1, 2, 7], [0, 1, 2]
    loss = SigLIPLoss().double()
    fast = loss(images, torch.tensor(image_styles), texts, torch.tensor(text_styles))
    slow = 0.0
    for i in range(5):
        for j in range(3):
            sign = 1 if image_styles[i] == text_styles[j] else -1
            slow -= math.log(1 / (1 + math.exp(-sign * (10 * float(images[i] @ texts[j]) - 10)))) / 5
    assert fast.item() == pytest.approx(slow, abs=1e-5)


@pytest.mark.parametrize("temperature", [0.07, 0.3])
def test_two_batch_infonce_is_the_formula(temperature: float) -> None:
    a, b = unit(4, seed=5), unit(6, seed=6)
    a_styles, b_styles = [0, 1, 2, 5], [0, 0, 1, 2, 2, 2]
    fast = two_batch_infonce(a, torch.tensor(a_styles), b, torch.tensor(b_styles), temperature)
    losses = []
    for i in range(4):
        whole = sum(math.exp(float(a[i] @ b[k]) / temperature) for k in range(6))
        own = [
            -math.log(math.exp(float(a[i] @ b[k]) / temperature) / whole)
            for k in range(6)
            if b_styles[k] == a_styles[i]
        ]
        if own:
            losses.append(sum(own) / len(own))
    assert fast.item() == pytest.approx(sum(losses) / len(losses), abs=1e-5)
