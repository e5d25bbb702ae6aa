"""A batch done in chunks with cached gradients is the batch done at once."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from encoder_training.losses import sscl
from encoder_training.losses.cached import cached_backward


class TinyEncoder(nn.Module):
    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(12, 32), nn.GELU(), nn.Dropout(dropout), nn.Linear(32, 8))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return normalize(self.layers(inputs), dim=1)


@pytest.mark.parametrize("chunk", [1, 5, 24, 100])
def test_cached_gradients_equal_the_plain_ones(chunk: int) -> None:
    inputs, styles = torch.randn(24, 12, generator=torch.Generator().manual_seed(1)), torch.arange(24) % 6
    plain, cached = TinyEncoder(), TinyEncoder()
    loss = sscl(plain(inputs), styles)
    loss.backward()
    same = cached_backward(cached, inputs, lambda z: sscl(z, styles), chunk)
    assert same.item() == pytest.approx(loss.item(), abs=1e-6)
    for slow, fast in zip(plain.parameters(), cached.parameters(), strict=True):
        assert slow.grad is not None and fast.grad is not None
        torch.testing.assert_close(fast.grad, slow.grad, rtol=0, atol=1e-5)


def test_dropout_repeats_in_the_second_pass() -> None:
    inputs, styles = torch.randn(16, 12, generator=torch.Generator().manual_seed(2)), torch.arange(16) % 4
    plain, cached = TinyEncoder(dropout=0.5), TinyEncoder(dropout=0.5)
    torch.manual_seed(3)
    parts = torch.cat([plain(part) for part in inputs.split(4)])
    sscl(parts, styles).backward()
    torch.manual_seed(3)
    cached_backward(cached, inputs, lambda z: sscl(z, styles), chunk=4)
    for slow, fast in zip(plain.parameters(), cached.parameters(), strict=True):
        assert slow.grad is not None and fast.grad is not None
        torch.testing.assert_close(fast.grad, slow.grad, rtol=0, atol=1e-5)


def test_parameters_of_the_loss_get_their_gradient_once() -> None:
    inputs, styles = torch.randn(8, 12, generator=torch.Generator().manual_seed(4)), torch.arange(8) % 2
    gradients = []
    for chunk in (8, 2):
        scale = nn.Parameter(torch.tensor(0.07))
        cached_backward(TinyEncoder(), inputs, lambda z, s=scale: sscl(z, styles, s), chunk)  # type: ignore[misc]
        assert scale.grad is not None
        gradients.append(scale.grad.item())
    assert gradients[0] == pytest.approx(gradients[1], rel=1e-4)
