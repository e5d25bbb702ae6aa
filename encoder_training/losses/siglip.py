"""SigLIP's sigmoid loss between images and the prompts of their styles."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn.functional import logsigmoid

from encoder_training.losses.gather import gather, mean_over_ranks


class SigLIPLoss(nn.Module):
    """Every image-prompt pair is its own yes/no question (SigLIP, arXiv 2303.15343, section 3.2).

    `1/B * sum over images i, prompts j of -log sigmoid(y_ij * (exp(s) * x_i.t_j + b))`, y = 1 where the two share the
    style, else -1. Scale s and bias b are learned; they start at log 10 and -10 as in the paper.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.bias = nn.Parameter(torch.tensor(-10.0))

    def forward(
        self, images: torch.Tensor, image_styles: torch.Tensor, texts: torch.Tensor, text_styles: torch.Tensor
    ) -> torch.Tensor:
        """
        Args:
            images: float (B, D), rows of unit length, this rank's part.
            image_styles: int64 (B,).
            texts: float (T, D), rows of unit length, this rank's part; the same T on every rank.
            text_styles: int64 (T,).

        Returns:
            scalar. On several ranks it is this rank's share: the mean over ranks is the loss.
        """
        all_texts, all_styles = gather(texts), gather(text_styles)
        logits = (images @ all_texts.T).float() * self.log_scale.exp() + self.bias
        sign = torch.where(image_styles[:, None] == all_styles[None, :], 1.0, -1.0)
        losses = -logsigmoid(sign * logits).sum(1)
        return mean_over_ranks(losses, torch.ones_like(image_styles, dtype=torch.bool))
