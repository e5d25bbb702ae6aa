"""StyleExpert's contrastive loss from one batch to another, independently drawn."""

from __future__ import annotations

import torch

from encoder_training.losses.gather import gather, mean_over_ranks


def two_batch_infonce(
    anchors: torch.Tensor,
    anchor_styles: torch.Tensor,
    others: torch.Tensor,
    other_styles: torch.Tensor,
    temperature: float = 0.07,
) -> torch.Tensor:
    """InfoNCE from batch A to batch B (StyleExpert, arXiv 2603.16649, style encoder).

    For an anchor a: the mean over all b of its style in B of `-log(exp(a.b / t) / sum over b' in B of exp(a.b' / t))`,
    averaged over the anchors whose style occurs in B. An image drawn into both batches is its own positive, as there.

    Args:
        anchors: float (A, D), rows of unit length, this rank's part of batch A.
        anchor_styles: int64 (A,).
        others: float (B, D), rows of unit length, this rank's part of batch B.
        other_styles: int64 (B,).
        temperature: t > 0.

    Returns:
        scalar. On several ranks it is this rank's share: the mean over ranks is the loss.
    """
    everyone, labels = gather(others), gather(other_styles)
    log_probability = ((anchors @ everyone.T).float() / temperature).log_softmax(1)
    positives = anchor_styles[:, None] == labels[None, :]
    count = positives.sum(1)
    losses = -log_probability.masked_fill(~positives, 0).sum(1) / count.clamp(min=1)
    return mean_over_ranks(losses, count > 0)
