"""Batches that lie on several ranks, seen as one.

Every loss here is a mean over all anchors of all ranks. A rank computes the part of its own anchors against all
embeddings, scaled so that the MEAN of the ranks' losses is the loss of the whole batch: averaging the gradients over
the ranks then gives the gradient of the whole batch.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist


def world_size() -> int:
    """Ranks in the default process group; 1 outside of one."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process's rank; 0 outside a process group."""
    return dist.get_rank() if world_size() > 1 else 0


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, local: torch.Tensor) -> torch.Tensor:
        ctx.rows = local.shape[0]
        parts = [torch.empty_like(local) for _ in range(world_size())]
        dist.all_gather(parts, local.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        # Each rank's loss reaches our rows: their gradients add up. `all_reduce` and a slice work on every backend,
        # `reduce_scatter` does not.
        total = grads[0].contiguous().clone()
        dist.all_reduce(total)
        return total[rank() * ctx.rows : (rank() + 1) * ctx.rows]


def gather(local: torch.Tensor) -> torch.Tensor:
    """Stacks the tensors of all ranks in rank order, with gradients.

    Args:
        local: (B, ...), the same shape on every rank.

    Returns:
        (B * ranks, ...); `local` itself on one rank.
    """
    if world_size() == 1:
        return local
    if local.requires_grad:
        return _Gather.apply(local)  # type: ignore[no-any-return]
    parts = [torch.empty_like(local) for _ in range(world_size())]
    dist.all_gather(parts, local.contiguous())
    return torch.cat(parts)


def mean_over_ranks(losses: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Mean of the counted anchors of all ranks, as this rank's share.

    Args:
        losses: float (B,), one per local anchor.
        counted: bool (B,), the anchors that have a loss at all.

    Returns:
        scalar; its mean over the ranks is the mean over all counted anchors. Zero if there are none.
    """
    count = counted.sum().to(losses.dtype)
    if world_size() > 1:
        dist.all_reduce(count)
    total = torch.where(counted, losses, torch.zeros_like(losses)).sum()
    return total * world_size() / count.clamp(min=1)
