"""Contrastive batches larger than memory: gradients of the loss are cached, the forward pass is done twice.

GradCache (arXiv 2101.06983): embed the batch in chunks without a graph, take the loss and its gradient with respect to
the embeddings, then embed chunk by chunk again with a graph and send each chunk's cached gradient back through it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


def cached_backward(
    model: nn.Module,
    inputs: torch.Tensor,
    loss_of: Callable[[torch.Tensor], torch.Tensor],
    chunk: int,
) -> torch.Tensor:
    """Accumulates the gradients that `loss_of(model(inputs)).backward()` would, holding one chunk's graph at a time.

    Dropout repeats exactly, because each chunk's random state is restored. A model with batch normalisation sees the
    statistics of its chunk instead of the batch's: for those the two are not equal.

    Args:
        model: inputs (b, ...) to embeddings (b, D). Exchanging gradients with other ranks is left to the caller.
        inputs: (B, ...), this rank's part of the batch.
        loss_of: embeddings (B, D) to a scalar; it may gather from the other ranks. It is called once.
        chunk: rows per pass, >= 1.

    Returns:
        the loss, detached.
    """
    chunks = torch.split(inputs, chunk)
    states, parts = [], []
    with torch.no_grad():
        for part in chunks:
            states.append(_random_state(inputs.device))
            parts.append(model(part))
    embeddings = torch.cat(parts).requires_grad_()
    loss = loss_of(embeddings)
    loss.backward()  # type: ignore[no-untyped-call]
    gradient = torch.zeros_like(embeddings) if embeddings.grad is None else embeddings.grad
    after = _random_state(inputs.device)
    for state, part, share in zip(states, chunks, torch.split(gradient, chunk), strict=True):
        _restore(state, inputs.device)
        model(part).backward(share)
    _restore(after, inputs.device)
    return loss.detach()


def _random_state(device: torch.device) -> tuple[torch.Tensor, torch.Tensor | None]:
    return torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None


def _restore(state: tuple[torch.Tensor, torch.Tensor | None], device: torch.device) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1], device)
