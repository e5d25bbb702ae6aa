"""`csd:PATH`: Contrastive Style Descriptors (Somepalli et al., arXiv 2404.01292).

A CLIP ViT-L/14 whose projection is replaced by two: `last_layer_style`, which is used, and `last_layer_content`, which
is not. PATH is the published training checkpoint ("model_state_dict", prefix "module."), a bare state dict of it, or
safetensors; the layout is that of `CSD/model.py` in learn2phoenix/CSD, around OpenAI's `VisionTransformer`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import torch
from torch import nn

from stylesearch.encoders.checkpoints import checkpoint_file, fill, read_state, require
from stylesearch.encoders.compute import TorchEncoder
from stylesearch.errors import EncoderError
from stylesearch.images import Preprocess

# `transforms_branch0` in CSD/loss_utils.py, which is CLIP's own.
PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)

_HEAD_WIDTH = 64  # of every CLIP ViT
_PATCHES, _POSITIONS = "backbone.conv1.weight", "backbone.positional_embedding"
_INNER, _STYLE = "backbone.transformer.resblocks.0.mlp.c_fc.weight", "last_layer_style"


class CsdEncoder(TorchEncoder):
    """The style descriptor of CSD.

    Args:
        name: `csd:PATH`; see the module's docstring.
        dtype: see `device_and_dtype`.

    Raises:
        EncoderError: no such file, or a checkpoint of another network.
    """

    def __init__(self, name: str, dtype: str | None = None) -> None:
        path = checkpoint_file(name, name.partition(":")[2])
        # The content head is a matrix or, with --content_proj_head custom, a module.
        state = {key: tensor for key, tensor in read_state(path).items() if not key.startswith("last_layer_content")}
        sizes = CsdSizes.of(state, path)
        with torch.device("meta"):
            network = CsdNetwork(sizes)
        preprocess = Preprocess(sizes.patch * sizes.grid, "crop", "bicubic")
        super().__init__(
            f"csd:{path}", fill(network, state, path), preprocess, PIXEL_MEAN, PIXEL_STD, dtype, identity=(sizes,)
        )


@dataclass(frozen=True, slots=True)
class CsdSizes:
    """What tells a CSD of ViT-L/14 from one of ViT-B/16.

    Attributes:
        width: length of a token.
        depth: transformer blocks.
        inner: width of the hidden layer in each block's MLP.
        patch: side of a patch in pixels.
        grid: patches along a side.
        out: length of a style vector.
    """

    width: int
    depth: int
    inner: int
    patch: int
    grid: int
    out: int

    @classmethod
    def of(cls, state: Mapping[str, torch.Tensor], source: Path) -> CsdSizes:
        """Reads the sizes off the tensors.

        Raises:
            EncoderError: the tensors are of no CSD.
        """
        require(state, (_PATCHES, _POSITIONS, _INNER, _STYLE), source, "CSD model")
        patches, positions, style = state[_PATCHES], state[_POSITIONS], state[_STYLE]
        grid = isqrt(max(0, len(positions) - 1))
        if patches.ndim != 4 or grid**2 + 1 != len(positions) or style.ndim != 2 or len(patches) % _HEAD_WIDTH:
            raise EncoderError(
                f"'{source}' holds no CSD model: {_PATCHES} is {tuple(patches.shape)}, {_POSITIONS} is "
                f"{tuple(positions.shape)}, {_STYLE} is {tuple(style.shape)}. ViT-L/14 has (1024, 3, 14, 14), "
                "(257, 1024) and (1024, 768)."
            )
        blocks = [key.split(".")[3] for key in state if key.startswith("backbone.transformer.resblocks.")]
        return cls(
            width=len(patches),
            depth=1 + max(int(block) for block in blocks if block.isdigit()),
            inner=len(state[_INNER]),
            patch=patches.shape[-1],
            grid=grid,
            out=style.shape[1],
        )


class CsdNetwork(nn.Module):
    """Pictures to style vectors, under the tensor names of CSD's checkpoints."""

    def __init__(self, sizes: CsdSizes) -> None:
        super().__init__()
        self.backbone = _ClipTower(sizes)
        self.last_layer_style = nn.Parameter(torch.empty(sizes.width, sizes.out))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Args: pixels float (N, 3, S, S). Returns: (N, out), not of unit length."""
        style: torch.Tensor = self.backbone(pixels) @ self.last_layer_style
        return style


class _ClipTower(nn.Module):
    """OpenAI's CLIP ViT without its projection."""

    def __init__(self, sizes: CsdSizes) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, sizes.width, sizes.patch, sizes.patch, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(sizes.width))
        self.positional_embedding = nn.Parameter(torch.empty(sizes.grid**2 + 1, sizes.width))
        self.ln_pre = nn.LayerNorm(sizes.width)
        self.transformer = nn.ModuleDict({"resblocks": nn.Sequential(*(_Block(sizes) for _ in range(sizes.depth)))})
        self.ln_post = nn.LayerNorm(sizes.width)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        patches = self.conv1(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(patches), 1, -1)
        tokens = self.ln_pre(torch.cat([first, patches], dim=1) + self.positional_embedding)
        features: torch.Tensor = self.ln_post(self.transformer["resblocks"](tokens)[:, 0])
        return features


class _Block(nn.Module):
    def __init__(self, sizes: CsdSizes) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(sizes.width)
        self.attn = nn.MultiheadAttention(sizes.width, sizes.width // _HEAD_WIDTH, batch_first=True)
        self.ln_2 = nn.LayerNorm(sizes.width)
        self.mlp = nn.ModuleDict(
            {"c_fc": nn.Linear(sizes.width, sizes.inner), "c_proj": nn.Linear(sizes.inner, sizes.width)}
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        calm = self.ln_1(tokens)
        tokens = tokens + self.attn(calm, calm, calm, need_weights=False)[0]
        inner = self.mlp["c_fc"](self.ln_2(tokens))
        out: torch.Tensor = tokens + self.mlp["c_proj"](inner * torch.sigmoid(1.702 * inner))  # CLIP's QuickGELU
        return out
