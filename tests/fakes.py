"""Stand-ins that behave: an encoder whose vectors can be worked out by hand, and decoders that fail on request."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pictures import draw, encode

from indexer.decode import Prepared, decode_file
from stylesearch.encoders.base import Encoder
from stylesearch.images import Preprocess
from stylesearch.masking.base import Masker, Masks
from stylesearch.records import FileStat, Limits, Refusal


class FakeEncoder(Encoder):
    """The picture itself, 4 x 4 pixels, is the vector.

    Attributes:
        encoded: how many pictures it has encoded.
        batches: their number in each call.
    """

    name = "fake:grid.4"
    dim = 48
    fingerprint = "fa4e"
    dtype = "float32"
    preprocess = Preprocess(4)

    def __init__(self) -> None:
        self.encoded = 0
        self.batches: list[int] = []

    def _embed(self, pixels: np.ndarray) -> np.ndarray:
        self.encoded += len(pixels)
        self.batches.append(len(pixels))
        return pixels.reshape(len(pixels), -1) + 1.0


class RedMasker(Masker):
    """What is red stands out.

    Attributes:
        masked: how many pictures it has masked.
    """

    name = "fake:red"
    preprocess = Preprocess(32)

    def __init__(self, fingerprint: str = "4ed" * 20) -> None:
        self.fingerprint = fingerprint
        self.masked = 0

    def _mask(self, pixels: np.ndarray) -> Masks:
        self.masked += len(pixels)
        red, *others = np.moveaxis(pixels.astype(np.float32), -1, 0)
        values = np.clip((red - np.maximum(*others) - 60) / 80, 0, 1)
        return Masks(values, np.clip(values.mean((1, 2)) * 20, 0, 1))


def failing_decode(stat: FileStat, preprocess: Preprocess, limits: Limits, thumbnails: Path) -> Prepared | Refusal:
    """Decodes, unless the file's name says what goes wrong."""
    name = stat.uri.rpartition("/")[2]
    if name.startswith("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    died = Path(thumbnails, f"{name} has died")
    if name.startswith("killed") and not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if name.startswith("hang"):
        time.sleep(600)
    if name.startswith("bloat"):
        np.ones(limits.max_pixels * 100, np.uint8)
    if name.startswith("bug"):
        raise ZeroDivisionError("a bug")
    if name.startswith("torch"):
        assert "torch" not in sys.modules and "sqlalchemy" not in sys.modules
    if name.startswith("inherited"):
        assert os.environ["OMP_NUM_THREADS"] == "1"
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    return decode_file(stat, preprocess, limits, thumbnails)


def slow_decode(stat: FileStat, preprocess: Preprocess, limits: Limits, thumbnails: Path) -> Prepared | Refusal:
    """Decodes, in no hurry."""
    time.sleep(0.01)
    return decode_file(stat, preprocess, limits, thumbnails)


class Arriving:
    """A decoder in whose place a worker that receives it calls something else."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self._call = function, arguments

    def __call__(self, *arguments: object) -> Prepared | Refusal:
        raise AssertionError

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self._call


def changing_decode(stat: FileStat, preprocess: Preprocess, limits: Limits, thumbnails: Path) -> Prepared | Refusal:
    """Writes another picture into a file named `change` just before decoding it."""
    path = Path(stat.uri)
    if path.name == "change.png":
        path.write_bytes(encode(draw(77), "PNG"))
    return decode_file(stat, preprocess, limits, thumbnails)
