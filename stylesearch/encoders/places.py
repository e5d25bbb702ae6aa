"""Where in a picture a network pools its maps: everywhere, or in a part of any shape."""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

_LEAST = 16  # places; fewer have no statistics


class Places:
    """Picks the places of maps that are to be pooled, whatever their resolution.

    Args:
        kept: bool (S, S) over the square that maps are of; None: all of it.
    """

    def __init__(self, kept: Tensor | None = None) -> None:
        self._kept = kept

    def __call__(self, maps: Tensor) -> Tensor:
        """
        Args:
            maps: (N, C, H, W); N is 1 where only a part is kept.

        Returns:
            the maps as they are, or (1, C, P, 1) with the P places of which half or more is kept; all of them where
            these would be too few.
        """
        if self._kept is None:
            return maps
        here = _at(self._kept, *maps.shape[2:])
        return maps[:, :, here, None] if int(here.sum()) >= _LEAST else maps


EVERYWHERE = Places()


def pool_kept(pool: Callable[[Tensor], Tensor], tokens: Tensor, kept: np.ndarray) -> Tensor:
    """Pools the tokens of kept places alone.

    Args:
        pool: maps (1, T, width) to (1, D), whatever T.
        tokens: (N, grid * grid, width), row by row from the top.
        kept: bool (N, S, S).

    Returns:
        (N, D); of all tokens of a picture where of none half or more is kept.
    """
    side = isqrt(tokens.shape[1])
    pooled = []
    for own, place in zip(tokens, torch.from_numpy(kept).to(tokens.device), strict=True):
        here = _at(place, side, side).flatten()
        pooled.append(pool(own[None, here] if here.any() else own[None]))
    return torch.cat(pooled)


def _at(kept: Tensor, height: int, width: int) -> Tensor:
    """bool (S, S) to (height, width): places of which half or more is kept."""
    return interpolate(kept[None, None].float(), (height, width), mode="area")[0, 0] >= 0.5
