"""The convolutions of `compact`: shallow stages, each pooled by what its channels do together.

Style lives in what textures, lines and colours do together, so every stage is pooled by the correlations between its
channels (Gatys et al. 2015; bilinear pooling, Lin et al. 2015), and the last one by attention as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, relu

from stylesearch.encoders.places import EVERYWHERE, Places


class ConvNorm(nn.Module):
    """Convolution and batch normalisation, which keeps the contrast between pictures that other norms remove."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs, momentum=0.05)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(x))
        return out


class Block(nn.Module):
    """Two 3 by 3 convolutions around a shortcut; starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = ConvNorm(width, width), ConvNorm(width, width)
        nn.init.zeros_(self.second.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        return relu(x + self.second(relu(self.first(x))))


class CorrelationPool(nn.Module):
    """Means of all channels, and means, deviations and correlations of a few projected ones.

    Maps (N, C, H, W) to float32 (N, self.dim), whatever H and W.
    """

    pairs: Tensor

    def __init__(self, width: int, projected: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(width, projected, 1, bias=False)
        self.register_buffer("pairs", torch.triu_indices(projected, projected), persistent=False)
        self.dim = width + projected + projected * (projected + 1) // 2

    def forward(self, x: Tensor) -> Tensor:
        values, projected = (maps.permute(0, 2, 3, 1).flatten(1, 2) for maps in (x, self.project(x)))
        points = values.shape[1]
        # Means as products with a row of ones: in bfloat16 these are several times faster than `mean`, both ways.
        ones = values.new_full((len(x), 1, points), 1 / 64)
        mean = torch.bmm(ones, values)[:, 0].float() * (64 / points)
        centre = torch.bmm(ones.to(projected.dtype), projected) * (64 / points)
        centred = projected - centre
        covariance = (centred.transpose(1, 2) @ centred).float() / points
        deviation = (torch.diagonal(covariance, dim1=1, dim2=2) + 1e-3).sqrt()
        correlation = covariance / (deviation[:, :, None] * deviation[:, None, :])
        row, column = self.pairs
        second = torch.where(row == column, deviation.log()[:, row], correlation[:, row, column])
        return torch.cat([_levelled(mean), _levelled(centre[:, 0].float()), 2 * second], 1)


class AttentionPool(nn.Module):
    """Each head averages its share of the channels where it looks. Maps (N, C, H, W) to float32 (N, C)."""

    def __init__(self, width: int, heads: int = 8) -> None:
        super().__init__()
        self.score, self.value = nn.Conv2d(width, heads, 1), nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.score(x).flatten(2).float().softmax(2)
        values = self.value(x).flatten(2).float().unflatten(1, (weights.shape[1], -1))
        return _levelled(torch.einsum("nhp,nhcp->nhc", weights, values).flatten(1))


def _levelled(x: Tensor) -> Tensor:
    return layer_norm(x, x.shape[1:])


class Trunk(nn.Module):
    """The convolutional part: images to maps, and maps to features.

    Args:
        widths: channels of the stages.
        depths: residual blocks of each.
        projections: channels whose correlations are pooled, of each.
    """

    def __init__(self, widths: Sequence[int], depths: Sequence[int], projections: Sequence[int]) -> None:
        super().__init__()
        self.stem = ConvNorm(3, widths[0], 5, 2)
        self.downs = nn.ModuleList(ConvNorm(a, b, 3, 2) for a, b in pairwise(widths))
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width) for _ in range(depth))) for width, depth in zip(widths, depths, strict=True)
        )
        self.pools = nn.ModuleList(map(CorrelationPool, widths, projections))
        self.attention = AttentionPool(widths[-1])
        self.dim = sum(pool.dim for pool in self.pools) + widths[-1]  # type: ignore[misc]

    def forward(self, images: Tensor) -> list[Tensor]:
        """
        Args:
            images: float (N, 3, S, S) in [0, 1], channels last in memory for speed.

        Returns:
            (N, C, H, W) of each stage, each half as high and wide as the one before.
        """
        x = relu(self.stem((images - 0.5) * 4))
        maps = []
        for stage, blocks in enumerate(self.stages):
            if stage:
                x = relu(self.downs[stage - 1](x))
            x = blocks(x)
            maps.append(x)
        return maps

    def pooled(self, maps: Sequence[Tensor], places: Places = EVERYWHERE) -> Tensor:
        """Maps of all stages to float32 (N, self.dim); `places` is where they are pooled."""
        found = [pool(places(x)) for pool, x in zip(self.pools, maps, strict=True)]
        return torch.cat([*found, self.attention(places(maps[-1]))], 1)
