"""`compact:<tag>`: the encoder that ships in the package and needs no network, image and text tower.

It reads one folder, `weights/compact-<tag>/`: a manifest and the safetensors files that the manifest names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stylesearch.encoders.base import Encoder
from stylesearch.encoders.compact_network import Compact, CompactConfig
from stylesearch.encoders.compute import device_and_dtype, in_chunks, weights_digest
from stylesearch.encoders.fill import fill_in, is_kept
from stylesearch.encoders.packaged import packaged, read_manifest, read_tensors
from stylesearch.encoders.places import Places
from stylesearch.encoders.style_words import StyleWords
from stylesearch.errors import EncoderError
from stylesearch.images import Preprocess

WEIGHTS = Path(__file__).parent / "weights"
FORMAT = 3
_CHUNK = 4  # pictures whose maps stay in a cache
_LEAST_SIDE = 128  # pixels: statistics want 64 of half the side, moments 16 places of the last stage


class CompactEncoder(Encoder):
    """The shipped encoder.

    Args:
        name: `compact:<tag>`, a folder `compact-<tag>` under `weights`; or "compact" for the newest tag.
        dtype: what the convolutions compute in; see `device_and_dtype`. All else is float32 everywhere.
        weights: folder that holds the folders of weights.

    Raises:
        EncoderError: no such tag, or its files are damaged, incomplete or of another format.
    """

    def __init__(self, name: str, dtype: str | None = None, weights: Path = WEIGHTS) -> None:
        self.folder = folder = packaged("encoder", name, weights)
        manifest = read_manifest(folder, FORMAT)
        state = read_tensors(folder, manifest["files"])
        self.config = config = _read_config(manifest["network"], folder)
        tower = Compact(config)
        _fill(tower, "image.", state, folder)
        words = _read_words(state, config.dim, folder)
        self.name = f"compact:{manifest['tag']}"
        self.dim = config.dim
        self.preprocess = Preprocess(manifest["image_size"], manifest["fit"], manifest["resampling"])
        self.part_size = max(_LEAST_SIDE, manifest["image_size"] // 3)
        self._device, compute = device_and_dtype(dtype)
        self.dtype = str(compute).removeprefix("torch.")
        # The digest is of the weights as they were read; casting follows from `dtype`.
        self.fingerprint = weights_digest(tower, weights_digest(words), self.dtype, manifest["network"])
        self._tower, self._words = _for_inference(tower, compute, self._device), words

    def _embed(self, pixels: np.ndarray) -> np.ndarray:
        return in_chunks(self._forward, self._device, pixels, most=_CHUNK)

    def _forward(self, pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            batch = torch.from_numpy(np.ascontiguousarray(pixels)).to(self._device)
            vectors: np.ndarray = self._tower(batch.permute(0, 3, 1, 2).float() / 255).cpu().numpy()
        return vectors

    def _embed_masked(self, pixels: np.ndarray, keep: np.ndarray) -> np.ndarray:
        # Every kernel that reaches over the edge of what is kept finds something like it there, and is not counted.
        filled, kept = fill_in(pixels, keep), is_kept(keep)
        vectors = []
        with torch.inference_mode():
            for picture, here in zip(filled, kept, strict=True):
                image = torch.from_numpy(picture).to(self._device).permute(2, 0, 1)[None].float() / 255
                vectors.append(self._tower(image, Places(torch.from_numpy(here).to(self._device))).cpu())
        return torch.cat(vectors).numpy()

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """See `Encoder.embed_texts`; words that are not known do not count.

        Raises:
            EncoderError: none of the words of a text is known.
        """
        if not texts:
            return np.empty((0, self.dim), np.float32)
        with torch.inference_mode():
            vectors = self._words(list(texts)).numpy()
        for text, vector in zip(texts, vectors, strict=True):
            if not vector.any():
                raise EncoderError(
                    f"{self.name} knows no word of '{text}'. It knows English words for styles, such as "
                    "'watercolour', 'line icon', 'film photo' or 'art nouveau', and the names of many artists."
                )
        return self._unit(vectors)

    def unknown_words(self, text: str) -> list[str]:
        """See `Encoder.unknown_words`."""
        return self._words.unknown(text)


def _read_config(network: dict[str, Any], folder: Path) -> CompactConfig:
    try:
        return CompactConfig.from_json(network)
    except (TypeError, ValueError) as exc:
        raise EncoderError(
            f"The network in the manifest of '{folder}' is none: {exc}. Export the weights again."
        ) from exc


def _read_words(state: dict[str, torch.Tensor], dim: int, folder: Path) -> StyleWords:
    own = {key.removeprefix("text."): value for key, value in state.items() if key.startswith("text.")}
    try:
        words = StyleWords.read(own)
        if words.dim != dim:
            raise ValueError(f"their vectors have {words.dim} numbers, pictures' have {dim}")
    except (KeyError, ValueError) as exc:
        raise EncoderError(f"The words in '{folder}' are none: {exc}. Export the weights again.") from exc
    return words


def _fill(module: torch.nn.Module, prefix: str, state: dict[str, torch.Tensor], folder: Path) -> None:
    own = {key.removeprefix(prefix): value.float() for key, value in state.items() if key.startswith(prefix)}
    try:
        module.load_state_dict(own)
    except RuntimeError as exc:
        raise EncoderError(f"The weights in '{folder}' do not fit the network of its manifest: {exc}") from exc


def _for_inference(tower: Compact, compute: torch.dtype, device: torch.device) -> Compact:
    tower.eval().requires_grad_(False)
    if tower.trunk is not None:
        tower.trunk.to(compute, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return tower.to(device)
