"""Style-supervised contrastive learning: images of one style prompt attract, all others repel."""

from __future__ import annotations

import torch

from encoder_training.losses.gather import gather, mean_over_ranks, rank


def sscl(embeddings: torch.Tensor, styles: torch.Tensor, temperature: float = 0.07) -> torch.Tensor:
    """Supervised contrastive loss with the style as the class (MegaStyle, arXiv 2604.08364; SupCon, arXiv 2004.11362,
    equation 2).

    For an anchor i with the positives P(i), every other image of its style in the batch of all ranks:
    `-1/|P(i)| * sum over p in P(i) of log(exp(z_i.z_p / t) / sum over a != i of exp(z_i.z_a / t))`, averaged over the
    anchors that have a positive.

    Args:
        embeddings: float (B, D), rows of unit length, this rank's part of the batch.
        styles: int64 (B,), style label per image, comparable across ranks.
        temperature: t > 0.

    Returns:
        scalar. On several ranks it is this rank's share: the mean over ranks is the loss.
    """
    everyone, labels = gather(embeddings), gather(styles)
    own = torch.arange(len(embeddings), device=embeddings.device) + rank() * len(embeddings)
    self_pairs = own[:, None] == torch.arange(len(labels), device=labels.device)[None, :]
    return sscl_against(embeddings, styles, everyone, labels, self_pairs, temperature)


def sscl_against(
    anchors: torch.Tensor,
    styles: torch.Tensor,
    gallery: torch.Tensor,
    labels: torch.Tensor,
    own: torch.Tensor,
    temperature: float = 0.07,
) -> torch.Tensor:
    """`sscl` of some anchors, with positives and negatives from a gallery.

    The gallery may be remembered from earlier steps (XBM, arXiv 1912.06798).

    Args:
        anchors: float (B, D), rows of unit length.
        styles: int64 (B,), their labels.
        gallery: float (G, D), rows of unit length.
        labels: int64 (G,), theirs.
        own: bool (B, G), where the gallery holds the anchor's own picture.
        temperature: t > 0.

    Returns:
        scalar, see `sscl`.
    """
    logits = (anchors @ gallery.T).float() / temperature
    log_probability = logits - logits.masked_fill(own, -torch.inf).logsumexp(1, keepdim=True)
    positives = (styles[:, None] == labels[None, :]) & ~own
    count = positives.sum(1)
    losses = -log_probability.masked_fill(~positives, 0).sum(1) / count.clamp(min=1)
    return mean_over_ranks(losses, count > 0)
