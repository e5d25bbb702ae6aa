"""`masker:<tag>`: the masker that ships in the package and needs no network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate

from stylesearch.encoders.compute import device_and_dtype, weights_digest
from stylesearch.encoders.packaged import packaged, read_manifest, read_tensors
from stylesearch.errors import EncoderError
from stylesearch.images import Preprocess
from stylesearch.masking.base import USABLE_RULE, Masker, Masks
from stylesearch.masking.network import MaskConfig, MaskNet

WEIGHTS = Path(__file__).parent / "weights"
FORMAT = 1
_CHUNK = 8  # pictures at a time on a CPU, so that their intermediate maps stay in its cache


class EmbeddedMasker(Masker):
    """The shipped masker.

    Args:
        name: `masker:<tag>`, a folder `masker-<tag>` under `weights`; or "masker" for the newest tag.
        dtype: what it computes in; see `device_and_dtype`.
        weights: folder that holds the folders of weights.

    Raises:
        EncoderError: no such tag, or its files are damaged, incomplete or of another format.
    """

    def __init__(self, name: str = "masker", dtype: str | None = None, weights: Path = WEIGHTS) -> None:
        folder = packaged("masker", name, weights)
        manifest = read_manifest(folder, FORMAT)
        config = MaskConfig.from_json(manifest["network"])
        network = MaskNet(config)
        state = read_tensors(folder, [manifest["file"]])
        try:
            network.load_state_dict({key: value.float() for key, value in state.items()})
        except RuntimeError as exc:
            raise EncoderError(f"The weights in '{folder}' cannot be used: {exc}. Install the package again.") from exc
        self.name = manifest["name"]
        self.preprocess = Preprocess(config.image_size)
        self._device, self._dtype = device_and_dtype(dtype)
        self.fingerprint = weights_digest(network, str(self._dtype), manifest["network"], USABLE_RULE)
        self._network = network.eval().requires_grad_(False)
        self._network.to(self._device, self._dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _mask(self, pixels: np.ndarray) -> Masks:
        side = self.preprocess.size
        chunk = _CHUNK if self._device.type == "cpu" else len(pixels)
        values, confidence = [], []
        with torch.inference_mode():
            for start in range(0, len(pixels), chunk):
                batch = torch.from_numpy(np.ascontiguousarray(pixels[start : start + chunk])).to(self._device)
                images = batch.permute(0, 3, 1, 2).to(self._dtype) / 255
                logits, stands_out = self._network(images)
                whole = interpolate(logits[:, None], (side, side), mode="bilinear")[:, 0]
                values.append(whole.sigmoid().cpu())
                confidence.append(stands_out.sigmoid().cpu())
        return Masks(torch.cat(values).numpy(), torch.cat(confidence).numpy())
