"""Weights that ship in the package: folders `<family>-<tag>` of a manifest and the safetensors files that it names."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load
from torch import Tensor

from stylesearch.errors import EncoderError


def packaged(kind: str, name: str, weights: Path) -> Path:
    """The folder of `<family>:<tag>`; of the newest tag, where the name has none.

    Args:
        kind: what the weights are of, for people: "encoder" or "masker".
        weights: folder that holds the folders of weights.

    Raises:
        EncoderError: no such tag, or no weights of the family at all.
    """
    family, _, tag = name.partition(":")
    folders = (path for path in weights.glob(f"{family}-*") if path.is_dir())
    tags = sorted((path.name.removeprefix(f"{family}-") for path in folders), key=_in_order)
    if not tags:
        raise EncoderError(f"There are no {kind} weights in '{weights}'. Install the package again.")
    tag = tag or tags[-1]
    if tag not in tags:
        raise EncoderError(f"There is no {kind} '{name}'. There is: {', '.join(f'{family}:{tag}' for tag in tags)}.")
    return weights / f"{family}-{tag}"


def _in_order(tag: str) -> list[tuple[int, str]]:
    """So that v10 comes after v2."""
    return [(int(number or 0), letters) for number, letters in re.findall(r"(\d+)|(\D+)", tag)]


def read_manifest(folder: Path, form: int) -> dict[str, Any]:
    """The manifest of a folder of weights.

    Args:
        form: the only format that is understood.

    Raises:
        EncoderError: it cannot be read, or is of another format.
    """
    path = folder / "manifest.json"
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise EncoderError(f"The manifest '{path}' cannot be read: {exc}. Install the package again.") from exc
    if manifest.get("format") != form:
        raise EncoderError(
            f"'{path}' is of format {manifest.get('format')!r}, this version reads {form}. Export the weights "
            "again, or update stylesearch."
        )
    return manifest


def read_tensors(folder: Path, files: Iterable[Mapping[str, str]]) -> dict[str, Tensor]:
    """All tensors of the files of a manifest, each with its `name` and its `sha256`.

    Raises:
        EncoderError: a file cannot be read, or is not the one that the manifest speaks of.
    """
    state: dict[str, Tensor] = {}
    for entry in files:
        path = folder / entry["name"]
        try:
            data = path.read_bytes()
        except OSError as exc:
            raise EncoderError(f"The weights '{path}' cannot be read: {exc}. Install the package again.") from exc
        if hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise EncoderError(
                f"The weights '{path}' are damaged: their SHA-256 is not the manifest's. Install the package again."
            )
        state |= load(data)
    return state
