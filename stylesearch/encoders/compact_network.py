"""The network behind `compact`: shallow convolutions with second-order pooling, and handmade statistics beside them.

Style lives in what textures, lines and colours do together, so every stage of the trunk is pooled by the correlations
between its channels (Gatys et al. 2015; bilinear pooling, Lin et al. 2015), and the last one by attention as well.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, normalize, relu

from stylesearch.encoders.fisher import FisherVectors
from stylesearch.encoders.patch_words import PatchWords
from stylesearch.encoders.places import EVERYWHERE, Places
from stylesearch.encoders.statistics import Lab, Statistics


@dataclass(frozen=True)
class CompactConfig:
    """Sizes of a compact encoder; a manifest carries them.

    Attributes:
        image_size: side of the square that is encoded, pixels.
        trunk_dim: how much of an embedding comes from the convolutional trunk; 0: there is no trunk.
        statistics_dim: how much of it comes from the handmade statistics; 0: there are none.
        words_dim: how much of it comes from the bag of visual words; 0: there is none.
        words: size of its vocabulary.
        fisher_dim: how much of it comes from Fisher vectors; 0: there are none.
        gaussians: how many describe what patches of an octave look like.
        trunk_share, words_share, fisher_share: how much of the cosine of two pictures each of them decides; statistics
            decide the rest. Without one of the parts, the others keep their proportions.
        widths: channels of the stages; each halves the resolution.
        depths: residual blocks of each stage.
        projections: channels whose correlations are pooled, for each stage.
        text_buckets: rows of the hashed vocabulary.
        text_width: width of the text tower.
    """

    image_size: int = 192
    trunk_dim: int = 128
    statistics_dim: int = 160
    words_dim: int = 96
    words: int = 256
    fisher_dim: int = 0
    gaussians: int = 48
    trunk_share: float = 0.3
    words_share: float = 0.2
    fisher_share: float = 0.0
    widths: tuple[int, ...] = (32, 64, 128, 256)
    depths: tuple[int, ...] = (0, 1, 2, 1)
    projections: tuple[int, ...] = (24, 32, 32, 32)
    text_buckets: int = 16384
    text_width: int = 96

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return self.trunk_dim + self.statistics_dim + self.words_dim + self.fisher_dim

    def to_json(self) -> dict[str, Any]:
        """Plain values for a manifest."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> CompactConfig:
        """The inverse of `to_json`; JSON's lists become tuples again."""
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**plain)


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
    """The convolutional part: images to features."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        widths = config.widths
        self.stem = ConvNorm(3, widths[0], 5, 2)
        self.downs = nn.ModuleList(ConvNorm(a, b, 3, 2) for a, b in pairwise(widths))
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width) for _ in range(depth)))
            for width, depth in zip(widths, config.depths, strict=True)
        )
        self.pools = nn.ModuleList(map(CorrelationPool, widths, config.projections))
        self.attention = AttentionPool(widths[-1])
        self.dim = sum(pool.dim for pool in self.pools) + widths[-1]  # type: ignore[misc]

    def forward(self, images: Tensor, places: Places = EVERYWHERE) -> Tensor:
        """
        Args:
            images: float (N, 3, S, S) in [0, 1], channels last in memory for speed.
            places: where maps are pooled.

        Returns:
            float32 (N, self.dim).
        """
        x = relu(self.stem((images - 0.5) * 4))
        pooled = []
        for stage, blocks in enumerate(self.stages):
            if stage:
                x = relu(self.downs[stage - 1](x))
            x = blocks(x)
            pooled.append(self.pools[stage](places(x)))
        return torch.cat([*pooled, self.attention(places(x))], 1)


class Projection(nn.Module):
    """Features to unit vectors: standardised with the training data's means and deviations, then one linear layer."""

    offset: Tensor
    scale: Tensor

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("offset", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.linear = nn.Linear(width, dim, bias=False)

    def standardised(self, features: Tensor) -> Tensor:
        """(N, width) with every feature of the order of 1; what is far out is clipped."""
        return ((features - self.offset) * self.scale).clamp(-4, 4)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, width) to unit rows (N, dim)."""
        return normalize(self.linear(self.standardised(features)).float(), dim=1)


class Compact(nn.Module):
    """The image tower. Each part has its own projection: one over both would learn the training sets by heart."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        self.lab = Lab()
        self.parts = nn.ModuleDict()
        if config.trunk_dim:
            self.parts["trunk"] = Trunk(config)
        if config.statistics_dim:
            self.parts["statistics"] = Statistics()
        if config.words_dim:
            self.parts["words"] = PatchWords(config.words)
        if config.fisher_dim:
            self.parts["fisher"] = FisherVectors(config.gaussians)
        dims = {name: getattr(config, f"{name}_dim") for name in self.parts}
        self.projections = nn.ModuleDict(
            {name: Projection(part.dim, dims[name]) for name, part in self.parts.items()}  # type: ignore[arg-type]
        )
        shares = {"trunk": config.trunk_share, "words": config.words_share, "fisher": config.fisher_share}
        shares["statistics"] = 1 - sum(shares.values())
        total = sum(shares[name] for name in self.parts)
        self._factors = {name: (shares[name] / total) ** 0.5 for name in self.parts}

    def features(
        self, images: Tensor, parts: Sequence[str] | None = None, places: Places = EVERYWHERE
    ) -> dict[str, Tensor]:
        """What the projections see: images, float (N, 3, S, S) in [0, 1], to float32 (N, width) for each part.

        `parts` names those wanted; None: all. `places` is where they pool.
        """
        wanted = list(self.parts) if parts is None else parts
        found = {}
        if "trunk" in wanted:
            trunk = self.parts["trunk"]
            compute = next(trunk.parameters()).dtype
            found["trunk"] = trunk(images.to(compute, memory_format=torch.channels_last), places)
        handmade = [name for name in wanted if name != "trunk"]
        if handmade:
            # Histograms want float32, whatever the trunk computes in.
            with torch.autocast(images.device.type, enabled=False):
                lab = self.lab(images.float())
                found |= {name: self.parts[name](lab, places) for name in handmade}
        return found

    def embed_features(self, features: Mapping[str, Tensor]) -> Tensor:
        """Features of all parts to unit rows (N, dim)."""
        vectors = [self._factors[name] * self.projections[name](features[name]) for name in self.parts]
        return torch.cat(vectors, 1)

    def forward(self, images: Tensor, places: Places = EVERYWHERE) -> Tensor:
        """Images, float (N, 3, S, S) in [0, 1], to unit rows (N, dim); `places` is where they are looked at."""
        return self.embed_features(self.features(images, places=places))


_WORD = re.compile(r"[a-z0-9]+")


def tokens(text: str) -> list[str]:
    """Words and, so that unseen words still mean something, the trigrams of their letters."""
    words = _WORD.findall(text.lower())
    framed = [f"<{word}>" for word in words]
    return words + [frame[i : i + 3] for frame in framed for i in range(len(frame) - 2)]


class TextTower(nn.Module):
    """Style descriptions to the image tower's space: a bag of hashed words and trigrams, then a small MLP."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.buckets = config.text_buckets
        self.bag = nn.EmbeddingBag(config.text_buckets, config.text_width, mode="mean")
        self.layers = nn.Sequential(
            nn.Linear(config.text_width, 2 * config.dim), nn.GELU(), nn.Linear(2 * config.dim, config.dim)
        )

    def forward(self, texts: list[str]) -> Tensor:
        """N texts to unit rows, float32 (N, dim)."""
        ids: list[int] = []
        offsets: list[int] = []
        for text in texts:
            offsets.append(len(ids))
            # CRC-32 is the same in every process and version, unlike `hash`.
            ids += [zlib.crc32(token.encode()) % self.buckets for token in tokens(text) or [""]]
        device = self.bag.weight.device
        bagged = self.bag(torch.tensor(ids, device=device), torch.tensor(offsets, device=device))
        return normalize(self.layers(bagged).float(), dim=1)
