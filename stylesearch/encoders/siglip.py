"""SigLIP's vision tower under the tensor names of Hugging Face's `SiglipVisionModel`.

Its own few lines, because a checkpoint in that layout then loads as it lies, and its encoders need no package beyond
torch. Zhai et al., "Sigmoid Loss for Language Image Pre-Training" (arXiv 2303.15343); sizes of the published towers:
Alabdulmohsin et al., "Getting ViT in Shape" (arXiv 2305.13035).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from stylesearch.encoders.checkpoints import fill, require
from stylesearch.errors import EncoderError

PIXEL_MEAN = PIXEL_STD = (0.5, 0.5, 0.5)

_EPSILON = 1e-6  # of every layer normalisation
_HEAD_WIDTH = 64  # ViT-B and ViT-L
_HEADS = {1152: 16, 1536: 16}  # SO400M, giant-opt
# SO400M/14 is trained on 384 pixels, of which 27 patches of 14 see 378.
_IMAGE_SIZE = {(14, 27): 384}

_PATCHES, _POSITIONS = "embeddings.patch_embedding.weight", "embeddings.position_embedding.weight"
_INNER = "encoder.layers.0.mlp.fc1.weight"


@dataclass(frozen=True, slots=True)
class SiglipSizes:
    """What tells one SigLIP tower from another.

    Attributes:
        width: length of a token, and of the pooled output.
        depth: transformer blocks.
        heads: attention heads.
        inner: width of the hidden layer in each block's MLP.
        patch: side of a patch in pixels.
        grid: patches along a side.
    """

    width: int
    depth: int
    heads: int
    inner: int
    patch: int
    grid: int

    @property
    def image_size(self) -> int:
        """Side of the square picture in pixels."""
        return _IMAGE_SIZE.get((self.patch, self.grid), self.patch * self.grid)

    @classmethod
    def of(cls, state: Mapping[str, torch.Tensor], source: Path) -> SiglipSizes:
        """Reads the sizes off the tensors of a checkpoint; the number of heads, which none shows, off the width.

        Raises:
            EncoderError: the tensors are of no SigLIP tower.
        """
        require(state, (_PATCHES, _POSITIONS, _INNER), source, "vision tower of SigLIP")
        patches, positions, inner = state[_PATCHES], state[_POSITIONS], state[_INNER]
        if patches.ndim != 4 or positions.ndim != 2 or isqrt(len(positions)) ** 2 != len(positions):
            raise EncoderError(
                f"'{source}' holds no vision tower of SigLIP: {_PATCHES} is {tuple(patches.shape)} and must have 4 "
                f"axes, {_POSITIONS} is {tuple(positions.shape)} and must be (a square number, width)."
            )
        width = len(patches)
        if width not in _HEADS and width % _HEAD_WIDTH:
            raise EncoderError(
                f"'{source}': a SigLIP tower of width {width} is not known. Widths are multiples of {_HEAD_WIDTH}, or "
                f"one of: {', '.join(map(str, _HEADS))}."
            )
        blocks = [key.split(".")[2] for key in state if key.startswith("encoder.layers.")]
        return cls(
            width=width,
            depth=1 + max(int(block) for block in blocks if block.isdigit()),
            heads=_HEADS.get(width, width // _HEAD_WIDTH),
            inner=len(inner),
            patch=patches.shape[-1],
            grid=isqrt(len(positions)),
        )


class SiglipTower(nn.Module):
    """Pictures to pooled vectors, or to the hidden states of chosen layers."""

    def __init__(self, sizes: SiglipSizes) -> None:
        super().__init__()
        self.embeddings = _Embeddings(sizes)
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList(_Block(sizes) for _ in range(sizes.depth))})
        self.post_layernorm = nn.LayerNorm(sizes.width, _EPSILON)
        self.head = _AttentionPool(sizes)

    @property
    def layers(self) -> nn.ModuleList:
        """The transformer blocks, first to last."""
        layers: nn.ModuleList = self.encoder["layers"]  # type: ignore[assignment]
        return layers

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Args: pixels float (N, 3, S, S). Returns: (N, width), what transformers calls `pooler_output`."""
        pooled: torch.Tensor = self.head(self.tokens(pixels))
        return pooled

    def tokens(self, pixels: torch.Tensor) -> torch.Tensor:
        """Args: pixels float (N, 3, S, S). Returns: (N, grid * grid, width), row by row, what `head` pools."""
        tokens = self.embeddings(pixels)
        for layer in self.layers:
            tokens = layer(tokens)
        normed: torch.Tensor = self.post_layernorm(tokens)
        return normed

    def parts(self, pixels: torch.Tensor) -> torch.Tensor:
        """Each token pooled as if it were the only one, so that it lies where pooled pictures lie.

        The idea of MaskCLIP (Zhou et al., "Extract Free Dense Labels from CLIP", arXiv 2112.01071), 3.3: of the last
        attention, which would mix all places, the values alone.

        Args:
            pixels: float (N, 3, S, S).

        Returns:
            (N, grid, grid, width).
        """
        tokens = self.tokens(pixels)
        alone: torch.Tensor = self.head(tokens.flatten(0, 1)[:, None])
        side = isqrt(tokens.shape[1])
        return alone.reshape(len(tokens), side, side, -1)

    def hidden_states(self, pixels: torch.Tensor, wanted: Collection[int]) -> dict[int, torch.Tensor]:
        """The tokens (N, grid * grid, width) after chosen layers.

        Args:
            pixels: float (N, 3, S, S).
            wanted: as the index into transformers' `hidden_states`: 0 is before the first layer, `depth` (or -1) after
                the last. Layers after the last one wanted are not computed.
        """
        places = {index: index % (len(self.layers) + 1) for index in wanted}
        tokens = self.embeddings(pixels)
        found = {0: tokens}
        for place, layer in enumerate(self.layers[: max(places.values())], start=1):
            tokens = layer(tokens)
            if place in places.values():
                found[place] = tokens
        return {index: found[place] for index, place in places.items()}


def load_siglip_tower(state: Mapping[str, torch.Tensor], source: Path) -> tuple[SiglipTower, SiglipSizes]:
    """Builds the tower that a checkpoint holds.

    Args:
        state: of a `SiglipVisionModel`, whose names begin with "vision_model." before transformers 5; or of a whole
            `SiglipModel`, whose text tower is left out.
        source: what the tensors are called in errors.

    Raises:
        EncoderError: the tensors are not those of one SigLIP vision tower.
    """
    vision = {
        key.removeprefix("vision_model."): tensor
        for key, tensor in state.items()
        if not key.startswith("text_model.") and key not in ("logit_scale", "logit_bias")
    }
    vision.pop("embeddings.position_ids", None)  # 0, 1, 2, ...: transformers 4 saved them for a while
    sizes = SiglipSizes.of(vision, source)
    with torch.device("meta"):
        tower = SiglipTower(sizes)
    return fill(tower, vision, source), sizes


class _Embeddings(nn.Module):
    def __init__(self, sizes: SiglipSizes) -> None:
        super().__init__()
        self.patch_embedding = nn.Conv2d(3, sizes.width, sizes.patch, sizes.patch)
        self.position_embedding = nn.Embedding(sizes.grid**2, sizes.width)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        patches: torch.Tensor = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        return patches + self.position_embedding.weight


class _Block(nn.Module):
    def __init__(self, sizes: SiglipSizes) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(sizes.width, _EPSILON)
        self.self_attn = _Attention(sizes)
        self.layer_norm2 = nn.LayerNorm(sizes.width, _EPSILON)
        self.mlp = _Mlp(sizes)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        tokens = tokens + self.self_attn(self.layer_norm1(tokens))
        mixed: torch.Tensor = tokens + self.mlp(self.layer_norm2(tokens))
        return mixed


class _Attention(nn.Module):
    def __init__(self, sizes: SiglipSizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(sizes.width, sizes.width) for _ in range(4))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        query, key, value = (
            project(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        out: torch.Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return out


class _Mlp(nn.Module):
    def __init__(self, sizes: SiglipSizes) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(sizes.width, sizes.inner), nn.Linear(sizes.inner, sizes.width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.fc2(functional.gelu(self.fc1(tokens), approximate="tanh"))
        return out


class _AttentionPool(nn.Module):
    """One learnt query, the probe, asks all tokens."""

    def __init__(self, sizes: SiglipSizes) -> None:
        super().__init__()
        self.probe = nn.Parameter(torch.empty(1, 1, sizes.width))
        self.attention = nn.MultiheadAttention(sizes.width, sizes.heads, batch_first=True)
        self.layernorm = nn.LayerNorm(sizes.width, _EPSILON)
        self.mlp = _Mlp(sizes)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        probe = self.probe.expand(len(tokens), -1, -1)
        asked = self.attention(probe, tokens, tokens, need_weights=False)[0]
        pooled: torch.Tensor = asked + self.mlp(self.layernorm(asked))
        return pooled[:, 0]
