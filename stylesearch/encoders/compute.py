"""Where and in which dtype a torch encoder runs, and the digest that tells two of them apart."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stylesearch.encoders.base import Encoder
from stylesearch.errors import EncoderError
from stylesearch.images import Preprocess

if TYPE_CHECKING:
    import torch

_DTYPES = ("float32", "bfloat16")
_CHUNK = 8  # pictures at most


@cache
def has_amx() -> bool:
    """Whether this CPU multiplies bfloat16 matrices in hardware (Intel AMX), 3 to 5 times faster than float32."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.is_file() and "amx_bf16" in cpuinfo.read_text()


def device_and_dtype(dtype: str | None = None) -> tuple[torch.device, torch.dtype]:
    """A CUDA device where there is one, else the CPU; `dtype`, or bfloat16 where the hardware multiplies it.

    Args:
        dtype: "float32" or "bfloat16"; None: bfloat16 on CUDA and on CPUs with AMX, else float32.

    Raises:
        EncoderError: another dtype.
    """
    import torch

    cuda = torch.cuda.is_available()
    dtype = dtype or ("bfloat16" if cuda or has_amx() else "float32")
    if dtype not in _DTYPES:
        raise EncoderError(f"The dtype is '{dtype}'; it must be one of: {', '.join(_DTYPES)}.")
    return torch.device("cuda" if cuda else "cpu"), getattr(torch, dtype)


def in_chunks(
    function: Callable[..., np.ndarray], device: torch.device, *arrays: np.ndarray, most: int = _CHUNK
) -> np.ndarray:
    """What `function` gives for pictures, called with so many at a time as suit the device.

    On a CPU those are few, so that their intermediate maps stay in its cache; and where there is a picture for every
    thread, each has chunks to itself. Threads that share one wait for the last of them at every layer, and for long
    where other processes want the cores, as decoders do.

    Args:
        function: takes a part of each of the arrays.
        device: that it computes on.
        arrays: (N, ...), N >= 1, cut alike.
        most: pictures of a chunk; fewer suit large maps.
    """
    import torch

    if device.type != "cpu":
        return function(*arrays)
    total, count = len(arrays[0]), torch.get_num_threads()
    apart = 1 < count <= total
    chunk = min(most, -(-total // count)) if apart else most
    chunks = [[array[start : start + chunk] for array in arrays] for start in range(0, total, chunk)]
    if apart:
        try:
            found = [_threads(count).submit(function, *some) for some in chunks]
        except RuntimeError:  # Python is ending, and starts nothing new
            apart = False
    return np.concatenate([one.result() for one in found] if apart else [function(*some) for some in chunks])


_starting = threading.Lock()


def _threads(count: int) -> ThreadPoolExecutor:
    """That many threads, in each of which torch works alone."""
    with _starting:
        return _started(count)


@cache
def _started(count: int) -> ThreadPoolExecutor:
    import torch

    before, started = torch.get_num_threads(), threading.Barrier(count + 1)

    def start() -> None:
        try:
            torch.get_num_threads()  # a thread asks once what was last set for all; from then on it has its own number
            torch.set_num_threads(1)
        except BaseException:
            started.abort()
            raise
        started.wait()

    pool = ThreadPoolExecutor(count, "encode-part", start)
    try:
        for _ in range(count):
            pool.submit(int)
        started.wait()
    except BaseException:  # such as no more threads: who waits must not wait for ever
        started.abort()
        pool.shutdown(wait=False)
        raise
    finally:
        torch.set_num_threads(before)  # the last number set is also that of threads which are yet to ask
    return pool


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_started.cache_clear)  # threads do not survive it


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
        dtype: see `device_and_dtype`.
        identity: what else decides the output of `tower`, beside its tensors; values with a stable `repr`.

    Raises:
        EncoderError: the tower does not give one vector for one picture.
    """

    def __init__(
        self,
        name: str,
        tower: torch.nn.Module,
        preprocess: Preprocess,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        dtype: str | None = None,
        *,
        identity: tuple[object, ...] = (),
    ) -> None:
        import torch

        self.name = name
        self.preprocess = preprocess
        self._device, self._torch_dtype = device_and_dtype(dtype)
        self.dtype = str(self._torch_dtype).removeprefix("torch.")
        self.fingerprint = weights_digest(tower, self.dtype, mean, std, *identity)
        self._tower = tower.eval().requires_grad_(False).to(self._device, self._torch_dtype)
        self._mean = 255 * torch.tensor(mean, device=self._device).view(1, 3, 1, 1)
        self._std = 255 * torch.tensor(std, device=self._device).view(1, 3, 1, 1)
        trial = self._embed(np.zeros((1, preprocess.size, preprocess.size, 3), np.uint8))
        if trial.ndim != 2:
            raise EncoderError(f"{name} gives an array of shape {trial.shape[1:]} for a picture; a vector is needed.")
        self.dim = trial.shape[1]

    def _embed(self, pixels: np.ndarray) -> np.ndarray:
        return self._run(self._tower, pixels)

    def _run(self, function: Callable[..., torch.Tensor], pixels: np.ndarray, *others: np.ndarray) -> np.ndarray:
        """What a function of normalised pictures, float (N, 3, S, S), gives for pixels uint8 (N, S, S, 3); it takes
        `others`, (N, ...), as well. It may be called with some of them at a time."""
        import torch

        def forward(some: np.ndarray, *rest: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                batch = torch.from_numpy(np.ascontiguousarray(some)).to(self._device).permute(0, 3, 1, 2)
                batch = ((batch - self._mean) / self._std).to(self._torch_dtype)
                vectors: np.ndarray = function(batch, *rest).float().cpu().numpy()
            return vectors

        return in_chunks(forward, self._device, pixels, *others)
