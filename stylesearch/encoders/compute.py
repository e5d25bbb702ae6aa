"""Where and in which dtype a torch encoder runs, and the digest that tells two of them apart."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stylesearch.encoders.base import Encoder
from stylesearch.images import Preprocess

if TYPE_CHECKING:
    import torch


@cache
def has_amx() -> bool:
    """Whether this CPU multiplies bfloat16 matrices in hardware (Intel AMX), 3 to 5 times faster than float32."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.is_file() and "amx_bf16" in cpuinfo.read_text()


def device_and_dtype() -> tuple[torch.device, torch.dtype]:
    """A CUDA device in bfloat16 where there is one, else the CPU: bfloat16 with AMX, float32 without."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda"), torch.bfloat16
    return torch.device("cpu"), torch.bfloat16 if has_amx() else torch.float32


def weights_digest(module: torch.nn.Module, *identity: object) -> str:
    """SHA-256 over a module's parameters and buffers, and over whatever else decides its output.

    Args:
        module: hashed in the dtype it was loaded in: cast it only afterwards.
        identity: values with a stable `repr`, such as the compute dtype and the mean of the pixels.
    """
    import torch

    digest = hashlib.sha256(repr(identity).encode())
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(memoryview(flat.numpy()))
    return digest.hexdigest()


class TorchEncoder(Encoder):
    """An encoder whose image tower is a torch module.

    Args:
        name: see `Encoder`.
        tower: maps float (N, 3, S, S) to (N, D); moved and cast here.
        preprocess: see `Encoder`.
        mean, std: of the normalised pixels, on a scale of 0 to 1, one value a channel.
    """

    def __init__(
        self,
        name: str,
        tower: torch.nn.Module,
        preprocess: Preprocess,
        mean: tuple[float, ...],
        std: tuple[float, ...],
    ) -> None:
        import torch

        self.name = name
        self.preprocess = preprocess
        self._device, self._torch_dtype = device_and_dtype()
        self.dtype = str(self._torch_dtype).removeprefix("torch.")
        self.fingerprint = weights_digest(tower, self.dtype, mean, std)
        self._tower = tower.eval().requires_grad_(False).to(self._device, self._torch_dtype)
        self._mean = 255 * torch.tensor(mean, device=self._device).view(1, 3, 1, 1)
        self._std = 255 * torch.tensor(std, device=self._device).view(1, 3, 1, 1)
        self.dim = self._embed(np.zeros((1, preprocess.size, preprocess.size, 3), np.uint8)).shape[1]

    def _embed(self, pixels: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            batch = torch.from_numpy(np.ascontiguousarray(pixels)).to(self._device).permute(0, 3, 1, 2)
            batch = ((batch - self._mean) / self._std).to(self._torch_dtype)
            return self._tower(batch).float().cpu().numpy()
