"""The network behind `compact`: shallow convolutions, and descriptions of colour, line and grain beside them."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from stylesearch.encoders.fisher import FisherVectors
from stylesearch.encoders.patch_words import SIDE, STRIDES, PatchWords, patches
from stylesearch.encoders.places import EVERYWHERE, Places
from stylesearch.encoders.statistics import Lab, Statistics
from stylesearch.encoders.trunk import Trunk


@dataclass(frozen=True)
class CompactConfig:
    """Sizes of a compact encoder; a manifest carries them.

    Attributes:
        image_size: side of the square that is encoded, pixels.
        trunk_dim: how much of an embedding comes from the convolutional trunk; 0: there is no trunk.
        statistics_dim: how much of it comes from the handmade statistics; 0: there are none.
        words_dim: how much of it comes from the bag of visual words; 0: there is none.
        words: size of its vocabulary.
        patches_dim: how much of it comes from Fisher vectors of patches; 0: there are none.
        maps_dim: how much of it comes from Fisher vectors of the trunk's maps; 0: there are none.
        gaussians: how many of them say what is usual at an octave or stage.
        trunk_share, words_share, patches_share, maps_share: how much of the cosine of two pictures each of them
            decides; statistics decide the rest. Without one of the parts, the others keep their proportions.
        widths: channels of the stages; each halves the resolution.
        depths: residual blocks of each stage.
        projections: channels whose correlations are pooled, for each stage.
        text_buckets: rows of the hashed vocabulary.
        text_width: width of the text tower.

    Raises:
        ValueError: maps without stages of a trunk to take them from, or shares that leave nothing for a part to decide.
    """

    image_size: int = 192
    trunk_dim: int = 64
    statistics_dim: int = 128
    words_dim: int = 64
    words: int = 256
    patches_dim: int = 64
    maps_dim: int = 64
    gaussians: int = 48
    trunk_share: float = 0.15
    words_share: float = 0.15
    patches_share: float = 0.1
    maps_share: float = 0.15
    widths: tuple[int, ...] = (32, 64, 128, 256)
    depths: tuple[int, ...] = (0, 1, 2, 1)
    projections: tuple[int, ...] = (24, 32, 32, 32)
    text_buckets: int = 16384
    text_width: int = 96

    def __post_init__(self) -> None:
        if self.maps_dim and not (self.trunk_dim and len(self.widths) > 1):
            raise ValueError(
                f"maps_dim is {self.maps_dim}, trunk_dim {self.trunk_dim} and widths {self.widths}, but there are no "
                "maps without a trunk of two stages or more"
            )
        shares = self.shares
        if min(shares.values()) < 0 or not sum(shares.values()):
            raise ValueError(f"Shares of the parts are {shares}; none may be below 0, and one must be above")

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return self.trunk_dim + self.statistics_dim + self.words_dim + self.patches_dim + self.maps_dim

    @property
    def shares(self) -> dict[str, float]:
        """How much of the cosine each part decides that is there, in sum at most 1; statistics have what is left."""
        given = {name: getattr(self, f"{name}_share") for name in ("trunk", "words", "patches", "maps")}
        left = round(1 - sum(given.values()), 9)  # without what rounding leaves of 0
        there = {name: share for name, share in given.items() if getattr(self, f"{name}_dim")}
        return {**there, "statistics": left} if self.statistics_dim else there

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


def described(maps: Sequence[Tensor]) -> list[Tensor]:
    """Of the trunk's maps, what Fisher vectors are taken of: float32 (N, H, W, C) for each stage but the first.

    Of the finest, every other place of a row and column tells as much as all.
    """
    finest, *coarser = (values.permute(0, 2, 3, 1) for values in maps[1:])
    return [values.float() for values in (finest[:, ::2, ::2], *coarser)]


class Compact(nn.Module):
    """The image tower. Each part has its own projection: one over both would learn the training sets by heart."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        self.lab = Lab()
        parts: dict[str, nn.Module] = {}
        if config.trunk_dim:
            parts["trunk"] = Trunk(config.widths, config.depths, config.projections)
        if config.statistics_dim:
            parts["statistics"] = Statistics()
        if config.words_dim:
            parts["words"] = PatchWords(config.words)
        if config.patches_dim:
            parts["patches"] = FisherVectors([3 * SIDE * SIDE] * len(STRIDES), config.gaussians)
        if config.maps_dim:
            parts["maps"] = FisherVectors(config.widths[1:], config.gaussians)
        self.parts = nn.ModuleDict(parts)
        self.projections = nn.ModuleDict(
            {name: Projection(part.dim, getattr(config, f"{name}_dim")) for name, part in parts.items()}  # type: ignore[arg-type]
        )
        shares = config.shares
        self._factors = {name: (shares[name] / sum(shares.values())) ** 0.5 for name in parts}

    def maps(self, images: Tensor) -> list[Tensor]:
        """What the trunk sees: images, float (N, 3, S, S) in [0, 1], to (N, C, H, W) for each stage."""
        trunk = self.parts["trunk"]
        compute = next(trunk.parameters()).dtype
        found: list[Tensor] = trunk(images.to(compute, memory_format=torch.channels_last))
        return found

    def features(
        self, images: Tensor, parts: Sequence[str] | None = None, places: Places = EVERYWHERE
    ) -> dict[str, Tensor]:
        """What the projections see: images, float (N, 3, S, S) in [0, 1], to float32 (N, width) for each part.

        `parts` names those wanted; None: all. `places` is where they pool.
        """
        wanted = list(self.parts) if parts is None else parts
        found = {}
        if "trunk" in wanted or "maps" in wanted:
            maps = self.maps(images)
            if "trunk" in wanted:
                found["trunk"] = self.parts["trunk"].pooled(maps, places)  # type: ignore[operator]
        # Histograms and mixtures want float32, whatever the trunk computes in.
        with torch.autocast(images.device.type, enabled=False):
            if "maps" in wanted:
                found["maps"] = self.parts["maps"](described(maps), places)
            if set(wanted) - {"trunk", "maps"}:
                found |= self._handmade(self.lab(images.float()), wanted, places)
        return found

    def _handmade(self, lab: Tensor, wanted: Sequence[str], places: Places) -> dict[str, Tensor]:
        found = {}
        if "statistics" in wanted:
            found["statistics"] = self.parts["statistics"](lab, places)
        of_patches = [name for name in wanted if name in ("words", "patches")]
        if of_patches:
            octaves = patches(lab)
            found |= {name: self.parts[name](octaves, places) for name in of_patches}
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
