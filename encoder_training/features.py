"""Features of whole pictures, computed once and kept: what the linear heads of `compact` are fitted to.

There is one file for each set or shard and each part of the tower, and an interrupted run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from encoder_training.data import LabelledPictures
from encoder_training.head import FeatureSet
from encoder_training.shards import read_shards
from stylesearch.encoders.compact_network import Compact
from stylesearch.images import Preprocess

_BATCH = 4  # the statistics' intermediate maps stay in a processor's cache


class FeatureStore:
    """Features of `tower`, in files below `folder`.

    Args:
        folder: files that are there are believed; give each state of a trunk a folder of its own.
        tower: its trained parts, in evaluation mode.
    """

    def __init__(self, folder: Path, tower: Compact) -> None:
        self._folder, self._tower = folder, tower.eval()

    def of_pictures(self, pictures: LabelledPictures, weight: float) -> FeatureSet:
        """Features of a set; `weight` is how often a batch is drawn from it."""

        def pixels() -> np.ndarray:
            preprocess = Preprocess(self._tower.config.image_size)
            return np.stack([pictures.pixels(row, preprocess) for row in range(len(pictures))])

        features = self._parts(pictures.name, pixels)
        return FeatureSet(pictures.name, features, pictures.styles, pictures.contents, pictures.prompts, weight)

    def of_shards(self, shards: Path, weight: float) -> FeatureSet:
        """Features of rendered pictures; styles of one shard, drawn over the same contents, are a group."""
        parts: dict[str, list[np.ndarray]] = {name: [] for name in self._tower.parts}
        styles: list[str] = []
        contents: list[str] = []
        prompts: list[str] = []
        for number, (pixels, *labels) in enumerate(read_shards(shards)):
            for name, found in self._parts(f"rendered-{number:05d}", lambda pixels=pixels: pixels).items():  # type: ignore[misc]
                parts[name].append(found)
            for column, values in zip((styles, contents, prompts), labels, strict=True):
                column += values
        features = {name: np.concatenate(found) for name, found in parts.items()}
        groups = [content.partition("/")[0] for content in contents]
        return FeatureSet("rendered", features, styles, contents, prompts, weight, groups)

    def _parts(self, name: str, pixels: Callable[[], np.ndarray]) -> dict[str, np.ndarray]:
        paths = {part: self._folder / part / f"{name}.npy" for part in self._tower.parts}
        missing = [part for part, path in paths.items() if not path.exists()]
        if missing:
            for part, found in _features(self._tower, missing, pixels()).items():
                paths[part].parent.mkdir(parents=True, exist_ok=True)
                with paths[part].with_suffix(".new").open("wb") as stream:
                    np.save(stream, found)
                paths[part].with_suffix(".new").replace(paths[part])
        return {part: np.load(path) for part, path in paths.items()}


def _features(tower: Compact, parts: list[str], pixels: np.ndarray) -> dict[str, np.ndarray]:
    """uint8 (N, S, S, 3) to float16 (N, F) for each part."""
    device = next(tower.projections.parameters()).device
    found: dict[str, list[torch.Tensor]] = {part: [] for part in parts}
    with torch.inference_mode():
        for start in range(0, len(pixels), _BATCH):
            images = torch.from_numpy(pixels[start : start + _BATCH]).to(device).permute(0, 3, 1, 2).float() / 255
            batch = tower.features(images.contiguous(memory_format=torch.channels_last), parts)
            for part, values in batch.items():
                found[part].append(values.half().cpu())
    return {part: torch.cat(values).numpy() for part, values in found.items()}
