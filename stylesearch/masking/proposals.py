"""From many proposed masks of one picture to its subject: which of them are salient, and what they make together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_LEAST_IOU = 0.7  # predicted; SAM's own automatic generator takes 0.88 of every part, a subject is harder
_LEAST_STABILITY = 0.8
_STABILITY_OFFSET = 1.0  # of logits; Kirillov et al. 2023, section 5
_SHARES = 0.01, 0.9  # of the picture; what is larger is the background
_MOST_BORDER = 0.5  # of the frame of the picture that a subject may cover
_FULL_AREA = 0.1  # share of the picture from which on a mask gains nothing by being larger
_SAME = 0.7  # overlap from which on two masks are one
_JOINS = 0.6  # of the best salience, from which on another mask belongs to the subject


@dataclass(frozen=True)
class Subject:
    """What stands out of one picture.

    Attributes:
        values: float32 (h, w) in [0, 1].
        confidence: salience of its best part, in [0, 1]; 0 where nothing was salient.
    """

    values: Tensor
    confidence: float


def grid(count: int, size: int) -> Tensor:
    """The centres of `count` x `count` equal squares of a picture, float32 (count * count, 2), x before y, pixels."""
    steps = (torch.arange(count, dtype=torch.float32) + 0.5) * (size / count)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], 1)


def subject_of(logits: Tensor, predicted_iou: Tensor) -> Subject:
    """Merges the salient ones of the masks that were proposed for one picture.

    Salient is what the model is sure of, what does not move with the threshold, and what lies in the middle, is not
    tiny, and does not cover the frame. The best mask and those nearly as salient make the subject.

    Args:
        logits: float (M, h, w), above 0 on what a mask covers.
        predicted_iou: float (M,), what the model thinks of its own masks.
    """
    logits, predicted_iou = logits.float(), predicted_iou.float().clamp(0, 1)
    covered = logits > 0
    share = covered.float().mean((1, 2))
    kept = (
        (predicted_iou >= _LEAST_IOU)
        & (_stability(logits) >= _LEAST_STABILITY)
        & (share >= _SHARES[0])
        & (share <= _SHARES[1])
        & (_border(covered) <= _MOST_BORDER)
    )
    if not kept.any():
        return Subject(torch.zeros(logits.shape[1:]), 0.0)
    logits, covered, share = logits[kept], covered[kept], share[kept]
    area = (share / _FULL_AREA).clamp(max=1).sqrt()
    salience = predicted_iou[kept] * _centrality(covered) * area * (1 - _border(covered))
    chosen = _distinct(covered, salience)
    best = salience[chosen[0]]
    chosen = [index for index in chosen if salience[index] >= _JOINS * best]
    return Subject(logits[chosen].sigmoid().amax(0).cpu(), float(best))


def _stability(logits: Tensor) -> Tensor:
    inner = (logits > _STABILITY_OFFSET).sum((1, 2))
    outer = (logits > -_STABILITY_OFFSET).sum((1, 2))
    return inner / outer.clamp_min(1)


def _border(covered: Tensor) -> Tensor:
    frame = torch.cat([covered[:, 0], covered[:, -1], covered[:, 1:-1, 0], covered[:, 1:-1, -1]], 1)
    return frame.float().mean(1)


def _centrality(covered: Tensor) -> Tensor:
    """1 for a mask at the very centre, 0 for one in the corners."""
    height, width = covered.shape[1:]
    y = torch.linspace(-1, 1, height, device=covered.device)[:, None]
    x = torch.linspace(-1, 1, width, device=covered.device)[None]
    near = 1 - ((x**2 + y**2) / 2).sqrt()
    return (covered * near).sum((1, 2)) / covered.sum((1, 2)).clamp_min(1)


def _distinct(covered: Tensor, salience: Tensor) -> list[int]:
    """Masks from the most salient down, without those that are nearly one that came before."""
    flat = covered.flatten(1).float()
    both = flat @ flat.T
    size = flat.sum(1)
    overlap = both / (size[:, None] + size[None] - both).clamp_min(1)
    chosen: list[int] = []
    for index in salience.argsort(descending=True, stable=True).tolist():
        if not chosen or overlap[index, chosen].max() < _SAME:
            chosen.append(index)
    return chosen
