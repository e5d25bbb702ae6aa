"""The network of the embedded masker: a small U-Net with a second head that says whether anything stands out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu


@dataclass(frozen=True)
class MaskConfig:
    """Sizes of a masker; a manifest carries them.

    Attributes:
        image_size: side of the square that is looked at, pixels; a multiple of 2 to the power of the stages.
        widths: channels of the stages; each halves the resolution. Masks have half of the picture's.
        depths: residual blocks of each stage.
        head: channels in which the stages are put together again.
    """

    image_size: int = 160
    widths: tuple[int, ...] = (24, 48, 96, 128, 160)
    depths: tuple[int, ...] = (0, 1, 1, 1, 2)
    head: int = 32

    def to_json(self) -> dict[str, Any]:
        """Plain values for a manifest."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> MaskConfig:
        """The inverse of `to_json`; JSON's lists become tuples again."""
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**plain)


class _ConvNorm(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs, momentum=0.05)
        )


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = _ConvNorm(width, width), _ConvNorm(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return relu(x + self.second(relu(self.first(x))))


class MaskNet(nn.Module):
    """Pictures to masks, and to whether anything stands out."""

    def __init__(self, config: MaskConfig) -> None:
        super().__init__()
        self.config = config
        widths, head = config.widths, config.head
        self.downs = nn.ModuleList(_ConvNorm(a, b, 5 if a == 3 else 3, 2) for a, b in pairwise((3, *widths)))
        self.stages = nn.ModuleList(
            nn.Sequential(*(_Block(width) for _ in range(depth)))
            for width, depth in zip(widths, config.depths, strict=True)
        )
        # What is a subject depends on the whole picture: the deepest stage sees its own mean everywhere.
        self.context = nn.Linear(widths[-1], widths[-1])
        self.sides = nn.ModuleList(nn.Conv2d(width, head, 1) for width in widths)
        self.merges = nn.ModuleList(_ConvNorm(head, head) for _ in widths[:-1])
        self.mask = nn.Conv2d(head, 1, 1)
        self.stands_out = nn.Linear(2 * widths[-1], 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """
        Args:
            images: float (N, 3, S, S) in [0, 1].

        Returns:
            float32 logits (N, S / 2, S / 2) of the mask, and (N,) of whether anything stands out.
        """
        x = (images - 0.5) * 4
        maps = []
        for down, stage in zip(self.downs, self.stages, strict=True):
            x = stage(relu(down(x)))
            maps.append(x)
        whole = torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
        x = maps[-1] + self.context(maps[-1].mean((2, 3)))[:, :, None, None]
        x = self.sides[-1](x)
        for side, merge, finer in zip(self.sides[-2::-1], self.merges, maps[-2::-1], strict=True):
            x = relu(merge(interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False) + side(finer)))
        return self.mask(x)[:, 0].float(), self.stands_out(whole)[:, 0].float()
