"""Writes a trained compact encoder as files that `stylesearch` reads: fp16 safetensors and a manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from stylesearch.encoders.compact import FORMAT
from stylesearch.encoders.compact_network import Compact
from stylesearch.encoders.style_words import StyleWords
from stylesearch.errors import UsageError

MAX_BYTES = 24_000_000  # what the package may grow by
MAX_FILE_BYTES = 16_000_000


@dataclass(frozen=True)
class TrainingData:
    """A set that an encoder was trained on, and what it may be used for."""

    name: str
    images: int
    licence: str
    source: str


def export(
    tower: Compact,
    words: StyleWords,
    tag: str,
    folder: Path,
    training_data: Sequence[TrainingData],
    scores: Mapping[str, Any] | None = None,
) -> Path:
    """Writes `folder/compact-<tag>/` with `image.safetensors`, `text.safetensors` and `manifest.json`.

    Args:
        tower: image tower, float32.
        words: what words mean in its space.
        tag: of the weights, such as "v1".
        folder: parent folder; weights of the same tag are replaced.
        training_data: for the manifest.
        scores: for the manifest; `encoder_training.evaluate --record` puts them there later.

    Returns:
        the folder written.

    Raises:
        UsageError: the files are larger than the package may carry, or a weight does not fit float16.
    """
    target = folder / f"compact-{tag}"
    modules: dict[str, nn.Module] = {"image": tower, "text": words}
    contents = {f"{prefix}.safetensors": _tensors(prefix, module) for prefix, module in modules.items()}
    sizes = [len(data) for data in contents.values()]
    if sum(sizes) > MAX_BYTES or max(sizes) > MAX_FILE_BYTES:
        raise UsageError(
            f"The weights take {sizes} bytes; a package may carry {MAX_BYTES}, {MAX_FILE_BYTES} in one file. "
            "Make the dimensions of the CompactConfig smaller."
        )
    target.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        (target / name).write_bytes(data)
    config = tower.config
    manifest = {
        "format": FORMAT,
        "name": f"compact:{tag}",
        "tag": tag,
        "dimension": config.dim,
        "image_size": config.image_size,
        "fit": "squash",
        "resampling": "bicubic",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
        "dtype": "float16",
        "network": config.to_json(),
        "files": [
            {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in contents.items()
        ],
        "licence": "Apache-2.0",
        "training_data": [asdict(entry) for entry in training_data],
        "scores": dict(scores or {}),
    }
    (target / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return target


def record_scores(folder: Path, scores: Mapping[str, Any]) -> None:
    """Puts scores into the manifest of exported weights; vectors and fingerprint stay as they are."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "scores": dict(scores)}, indent=2) + "\n")


def _tensors(prefix: str, module: nn.Module) -> bytes:
    state = {}
    for key, value in module.state_dict().items():
        half = value.half() if value.is_floating_point() else value
        if half.is_floating_point() and not torch.isfinite(half).all():
            largest = value.abs().max().item()
            raise UsageError(f"The weight '{prefix}.{key}' does not fit float16; its largest value is {largest:g}.")
        state[f"{prefix}.{key}"] = half.contiguous()
    return save(state)
