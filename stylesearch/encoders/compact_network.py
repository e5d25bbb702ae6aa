"""The network behind `compact`: what pretrained maps do together, and descriptions of colour, line and grain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from stylesearch.encoders.lite import LiteTrunk
from stylesearch.encoders.moments import CORRELATED, DESCRIBED, Correlations, Moments
from stylesearch.encoders.places import EVERYWHERE, Places
from stylesearch.encoders.statistics import Lab, Statistics, halved

TRUNK_STAGES = 6
"""Of EfficientNet-Lite0; what comes after them knows contents better than styles."""


@dataclass(frozen=True)
class CompactConfig:
    """Sizes of a compact encoder; a manifest carries them.

    Attributes:
        image_size: side of the square that is encoded, pixels.
        moments_dim: how much of an embedding comes from means and deviations of the trunk's channels; 0: nothing.
        correlations_dim: how much of it comes from correlations between channels; 0: nothing.
        statistics_dim: how much of it comes from the handmade statistics; 0: there are none.
        moments_share, correlations_share: how much of the cosine of two pictures each of them decides; statistics
            decide the rest. Without one of the parts, the others keep their proportions.

    Raises:
        ValueError: shares that leave nothing for a part to decide.
    """

    image_size: int = 256
    moments_dim: int = 224
    correlations_dim: int = 224
    statistics_dim: int = 64
    moments_share: float = 0.46
    correlations_share: float = 0.46

    def __post_init__(self) -> None:
        shares = self.shares
        if not shares or min(shares.values()) < 0 or not sum(shares.values()):
            raise ValueError(f"Shares of the parts are {shares}; none may be below 0, and one must be above")

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return self.moments_dim + self.correlations_dim + self.statistics_dim

    @property
    def shares(self) -> dict[str, float]:
        """How much of the cosine each part decides that is there, in sum at most 1; statistics have what is left."""
        given = {"moments": self.moments_share, "correlations": self.correlations_share}
        given["statistics"] = round(1 - sum(given.values()), 9)  # without what rounding leaves of 0
        return {name: share for name, share in given.items() if getattr(self, f"{name}_dim")}

    def to_json(self) -> dict[str, Any]:
        """Plain values for a manifest."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> CompactConfig:
        """The inverse of `to_json`."""
        return cls(**values)


class Projection(nn.Module):
    """Features to unit vectors: standardised with the training data's means and deviations, then one linear layer."""

    offset: Tensor
    scale: Tensor

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("offset", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.linear = nn.Linear(width, dim)

    def standardised(self, features: Tensor) -> Tensor:
        """(N, width) with every feature of the order of 1; what is far out is clipped."""
        return ((features - self.offset) * self.scale).clamp(-4, 4)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, width) to unit rows (N, dim)."""
        return normalize(self.linear(self.standardised(features)).float(), dim=1)


class Compact(nn.Module):
    """The image tower. Each part has its own projection: one over all would learn the training sets by heart."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        parts: dict[str, nn.Module] = {}
        self.trunk = LiteTrunk(TRUNK_STAGES) if config.moments_dim or config.correlations_dim else None
        if config.moments_dim:
            parts["moments"] = Moments(self.trunk.widths[DESCRIBED])  # type: ignore[union-attr]
        if config.correlations_dim:
            parts["correlations"] = Correlations(self.trunk.widths[CORRELATED])  # type: ignore[union-attr]
        if config.statistics_dim:
            self.lab = Lab()
            parts["statistics"] = Statistics()
        self.parts = nn.ModuleDict(parts)
        self.projections = nn.ModuleDict(
            {name: Projection(part.dim, getattr(config, f"{name}_dim")) for name, part in parts.items()}  # type: ignore[arg-type]
        )
        shares = config.shares
        self._factors = {name: (shares[name] / sum(shares.values())) ** 0.5 for name in parts}

    def maps(self, images: Tensor) -> list[Tensor]:
        """What the trunk sees: images, float (N, 3, S, S) in [0, 1], to float32 (N, C, H, W) for each stage."""
        assert self.trunk is not None  # noqa: S101 - for the type checker
        compute = self.trunk.stem.weight.dtype
        found: list[Tensor] = self.trunk(images.to(compute, memory_format=torch.channels_last))
        return [stage.float() for stage in found]

    def features(
        self, images: Tensor, parts: Sequence[str] | None = None, places: Places = EVERYWHERE
    ) -> dict[str, Tensor]:
        """What the projections see: images, float (N, 3, S, S) in [0, 1], to float32 (N, width) for each part.

        `parts` names those wanted; None: all. `places` is where they pool.
        """
        wanted = list(self.parts) if parts is None else parts
        found = {}
        maps = self.maps(images) if {"moments", "correlations"} & set(wanted) else []
        if "moments" in wanted:
            found["moments"] = self.parts["moments"](maps[DESCRIBED], places)
        if "correlations" in wanted:
            found["correlations"] = self.parts["correlations"](maps[CORRELATED], places)
        if "statistics" in wanted:
            # Histograms want float32, whatever the trunk computes in; at half the side they tell as much.
            with torch.autocast(images.device.type, enabled=False):
                found["statistics"] = self.parts["statistics"](self.lab(halved(images.float())), places)
        return found

    def embed_features(self, features: Mapping[str, Tensor]) -> Tensor:
        """Features of all parts to unit rows (N, dim)."""
        vectors = [self._factors[name] * self.projections[name](features[name]) for name in self.parts]
        return torch.cat(vectors, 1)

    def forward(self, images: Tensor, places: Places = EVERYWHERE) -> Tensor:
        """Images, float (N, 3, S, S) in [0, 1], to unit rows (N, dim); `places` is where they are looked at."""
        return self.embed_features(self.features(images, places=places))
