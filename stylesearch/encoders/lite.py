"""EfficientNet-Lite0: convolutions that were trained on ImageNet, whose maps tell styles and subjects apart.

The network is that of Tan and Le (2019, table 1) without squeeze-and-excitation, with ReLU6 and with a stem and a head
that do not scale, as Google published it for mobile devices ("EfficientNet-Lite", 2020). Normalisation is folded into
the convolutions: it is frozen here, in training as well.
`encoder_training.pretrained` reads the published weights.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, relu6


class Stage(NamedTuple):
    """A stage of blocks: side of the depthwise kernels, stride of the first, expansion, channels, number of blocks."""

    kernel: int
    stride: int
    expansion: int
    width: int
    depth: int


STEM = 32
"""Channels of the first convolution."""

STAGES = (
    Stage(3, 1, 1, 16, 1),
    Stage(3, 2, 6, 24, 2),
    Stage(5, 2, 6, 40, 2),
    Stage(3, 2, 6, 80, 3),
    Stage(5, 1, 6, 112, 3),
    Stage(5, 2, 6, 192, 4),
    Stage(3, 1, 6, 320, 1),
)
HEAD = 1280
"""Channels of the last convolution, the features that ImageNet's classes were told apart by."""


@cache
def _fused(dtype: torch.dtype) -> bool:
    """Whether oneDNN computes a convolution and the ReLU6 after it in one pass: half of the time of the two."""
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not available or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return False
    # In bfloat16 it refuses processors that only emulate it.
    return dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class Conv(nn.Conv2d):
    """A convolution with bias, padded as TensorFlow's "same" does, and ReLU6 where `active`.

    Maps (N, C, H, W) to (N, outputs, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, *, active: bool = True
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x, padding = self._padded(x)
        if torch.is_inference_mode_enabled() and x.device.type == "cpu" and _fused(x.dtype):
            after, limits = ("hardtanh", [0.0, 6.0]) if self.active else ("none", [])
            out: Tensor = torch.ops.mkldnn._convolution_pointwise(  # what torch.compile makes of these two on a CPU
                x, self.weight, self.bias, padding, self.stride, self.dilation, self.groups, after, limits, ""
            )
            return out
        out = conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        return relu6(out) if self.active else out

    def _padded(self, x: Tensor) -> tuple[Tensor, list[int]]:
        """The maps, and what the convolution itself is to add on either side: more on the right where it is uneven."""
        total = [
            max((-(-size // stride) - 1) * stride + kernel - size, 0)
            for size, stride, kernel in zip(x.shape[2:], self.stride, self.kernel_size, strict=True)
        ]
        if all(each % 2 == 0 for each in total):
            return x, [each // 2 for each in total]
        (top, left), (height, width) = (each // 2 for each in total), total
        if torch.is_grad_enabled():
            return pad(x, (left, width - left, top, height - top)), [0, 0]
        # `pad` fills everything with zeros before it copies, which takes a fifth of the network's time.
        count, channels, rows, columns = x.shape
        shape = (count, channels, rows + height, columns + width)
        out = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        out[:, :, top : top + rows, left : left + columns] = x
        for border in (out[:, :, :top], out[:, :, top + rows :], out[..., :left], out[..., left + columns :]):
            border.zero_()
        return out, [0, 0]


class Block(nn.Module):
    """Expansion, depthwise convolution and projection, around a shortcut where shapes allow (MobileNetV2)."""

    def __init__(self, inputs: int, stage: Stage, stride: int) -> None:
        super().__init__()
        hidden = inputs * stage.expansion
        self.expand = Conv(inputs, hidden) if stage.expansion > 1 else nn.Identity()
        self.depthwise = Conv(hidden, hidden, stage.kernel, stride, hidden)
        self.project = Conv(hidden, stage.width, active=False)
        self._shortcut = stride == 1 and inputs == stage.width

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, width, H / stride, W / stride)."""
        out: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + out if self._shortcut else out


class LiteTrunk(nn.Module):
    """The first stages of EfficientNet-Lite0.

    Args:
        stages: how many, 1 to 7.
    """

    def __init__(self, stages: int = len(STAGES)) -> None:
        super().__init__()
        self.stem = Conv(3, STEM, 3, 2)
        widths = [STEM, *(stage.width for stage in STAGES)]
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(
                    Block(stage.width if block else inputs, stage, 1 if block else stage.stride)
                    for block in range(stage.depth)
                )
            )
            for inputs, stage in zip(widths, STAGES[:stages], strict=False)
        )
        self.widths = tuple(widths[1 : stages + 1])

    def forward(self, images: Tensor) -> list[Tensor]:
        """
        Args:
            images: float (N, 3, H, W) in [0, 1], sRGB; channels last in memory for speed.

        Returns:
            maps (N, widths[i], H', W') after each stage, of 1/2, 1/4, 1/8, 1/16, 1/16, 1/32 and 1/32 of the side.
        """
        x = self.stem((images * 255 - 127) / 128)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class LiteNetwork(nn.Module):
    """The whole network without its classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = LiteTrunk()
        self.head = Conv(STAGES[-1].width, HEAD)

    def forward(self, images: Tensor) -> Tensor:
        """Images, float (N, 3, H, W) in [0, 1], to the means of the head's maps, (N, 1280), all of them 0 or more."""
        return self.head(self.trunk(images)[-1]).mean((2, 3))  # type: ignore[no-any-return]
