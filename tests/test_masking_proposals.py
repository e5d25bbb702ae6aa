"""Which of many proposed masks make the subject of a picture."""

from __future__ import annotations

import pytest
import torch

from stylesearch.masking.base import STANDS_OUT
from stylesearch.masking.proposals import grid, subject_of

SIDE = 64


def disc(x: float, y: float, radius: float) -> torch.Tensor:
    """Logits that are above 0 within a disc; x, y and radius as shares of the side."""
    steps = (torch.arange(SIDE) + 0.5) / SIDE
    distance = ((steps[:, None] - y) ** 2 + (steps[None] - x) ** 2).sqrt()
    return torch.where(distance < radius, 9.0, -9.0)


def overlap(values: torch.Tensor, logits: torch.Tensor) -> float:
    a, b = values > 0.5, logits > 0
    return float((a & b).sum() / (a | b).sum())


def test_grid_is_even_and_within() -> None:
    points = grid(4, 100)
    assert points.shape == (16, 2)
    assert points[0].tolist() == [12.5, 12.5]
    assert points[1].tolist() == [37.5, 12.5]  # x first
    assert points[-1].tolist() == [87.5, 87.5]


def test_thing_in_the_middle_is_the_subject_and_what_is_around_it_is_not() -> None:
    thing = disc(0.5, 0.5, 0.25)
    subject = subject_of(torch.stack([-thing, thing, disc(0.05, 0.05, 0.1)]), torch.tensor([0.99, 0.9, 0.95]))
    assert overlap(subject.values, thing) == 1
    assert subject.confidence >= STANDS_OUT


def test_two_things_alike_are_one_subject_and_the_same_mask_twice_counts_once() -> None:
    left, right = disc(0.3, 0.5, 0.18), disc(0.7, 0.5, 0.18)
    subject = subject_of(torch.stack([left, left, right]), torch.full((3,), 0.9))
    assert overlap(subject.values, torch.maximum(left, right)) == 1


@pytest.mark.parametrize(
    "logits",
    [
        torch.full((3, SIDE, SIDE), 9.0),  # all of it
        torch.stack([disc(x, 0.5, 0.04) for x in (0.2, 0.5, 0.8)]),  # crumbs
        torch.linspace(-1, 1, SIDE).expand(3, SIDE, SIDE),  # moves with the threshold
    ],
    ids=["everything", "crumbs", "gradient"],
)
def test_where_nothing_stands_out_it_says_so(logits: torch.Tensor) -> None:
    subject = subject_of(logits, torch.full((3,), 0.95))
    assert subject.confidence < STANDS_OUT
    assert float(subject.values.max()) <= 1


def test_what_the_model_itself_doubts_is_left_out() -> None:
    subject = subject_of(disc(0.5, 0.5, 0.3)[None], torch.tensor([0.5]))
    assert subject.confidence == 0
    assert float(subject.values.abs().sum()) == 0
