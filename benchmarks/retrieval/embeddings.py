"""Vectors of a set by one encoder, kept on disk in shards, so that a run that was killed goes on where it stopped.

    FOLDER/<data digest>-<space key>/00000256-<sha256 of the file>.safetensors

A shard's name holds the checksum of its bytes, and it appears in one step: what is there under a right name is whole.
Batches never cross shards, so a resumed run gives an encoder the very same batches.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from indexer.ahead import run_ahead
from indexer.batches import BatchEncoder
from stylesearch.errors import EncoderError, ImageError, UsageError
from stylesearch.images import Preprocess, fit

if TYPE_CHECKING:
    from benchmarks.datasets import StyleSet
    from stylesearch.encoders.base import Encoder

SHARD = 256  # pictures; at most so many are encoded again after a kill
BATCH = 32  # pictures that are encoded together
BATCHES_AHEAD = 3

Refused = tuple[str, str]
"""Kind and reason."""


@dataclass(frozen=True)
class Embedded:
    """The vectors of a set.

    Attributes:
        vectors: float32 (N, D), rows of unit length; NaN where a picture has none.
        refused: row -> "unreadable" (it cannot be decoded) or "no_vector" (the encoder gives none), and why.
        rates: pictures a second of each batch, decoding not counted.
        encoded: pictures that went through the encoder now; the others came from disk.
    """

    vectors: np.ndarray
    refused: dict[int, Refused]
    rates: tuple[float, ...]
    encoded: int


@dataclass(frozen=True)
class _Shard:
    vectors: np.ndarray
    refused: dict[int, Refused]
    rates: list[float]


def embed_set(
    pictures: StyleSet,
    encoder: Encoder,
    folder: Path,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Embedded:
    """Encodes what is not in `folder` yet.

    Args:
        pictures: N pictures.
        encoder: takes them as `stylesearch.images.fit` makes them.
        folder: of all embeddings; this set and space get a folder in it.
        workers: threads that decode.
        progress: called with pictures done and N.

    Raises:
        EncoderError: it is the encoder that cannot, and not a picture that spoils it.
        UsageError: the operating system refuses to write.
    """
    own = folder / f"{pictures.digest[:16]}-{encoder.space().key}"
    try:
        own.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise UsageError(f"'{own}' cannot be made ({exc.strerror}). Name another folder with: --out DIR") from exc
    total, encoded = len(pictures), 0
    parts: list[_Shard] = []
    with ThreadPoolExecutor(workers, "decode") as pool:
        batches = BatchEncoder(encoder, BATCH)
        for start in range(0, total, SHARD):
            rows = range(start, min(start + SHARD, total))
            shard = _read(own, start, (len(rows), encoder.dim))
            if shard is None:
                shard = _encode(pictures, rows, encoder, batches, pool)
                _write(own, start, shard)
                encoded += len(rows)
            parts.append(shard)
            if progress:
                progress(rows.stop, total)
    return Embedded(
        np.concatenate([part.vectors for part in parts]) if parts else np.empty((0, encoder.dim), np.float32),
        {row: why for part in parts for row, why in part.refused.items()},
        tuple(rate for part in parts for rate in part.rates),
        encoded,
    )


def _encode(
    pictures: StyleSet, rows: range, encoder: Encoder, batches: BatchEncoder, pool: ThreadPoolExecutor
) -> _Shard:
    vectors = np.full((len(rows), encoder.dim), np.nan, np.float32)
    refused: dict[int, Refused] = {}
    rates = []
    ahead = run_ahead(_decoded(pictures, rows, encoder.preprocess, pool), BATCHES_AHEAD)
    for chunk, pixels in ahead:
        good = [row for row, square in zip(chunk, pixels, strict=True) if isinstance(square, np.ndarray)]
        refused |= {
            row: ("unreadable", str(why.__cause__ or why))
            for row, why in zip(chunk, pixels, strict=True)
            if isinstance(why, ImageError)
        }
        if not good:
            continue
        squares = np.stack([square for square in pixels if isinstance(square, np.ndarray)])
        begun = time.perf_counter()
        found = batches.encode(squares)
        rates.append(round(len(good) / (time.perf_counter() - begun), 2))
        for row, vector in zip(good, found, strict=True):
            if isinstance(vector, EncoderError):
                refused[row] = ("no_vector", "the vector that it gives is not finite, or zero")
            else:
                vectors[row - rows.start] = vector
    return _Shard(vectors, refused, rates)


def _decoded(
    pictures: StyleSet, rows: range, preprocess: Preprocess, pool: ThreadPoolExecutor
) -> Iterator[tuple[range, list[np.ndarray | ImageError]]]:
    def prepare(row: int) -> np.ndarray | ImageError:
        try:
            return fit(pictures.image(row), preprocess)
        except ImageError as exc:
            return exc

    for start in range(rows.start, rows.stop, BATCH):
        chunk = range(start, min(start + BATCH, rows.stop))
        yield chunk, list(pool.map(prepare, chunk))


def _read(folder: Path, start: int, shape: tuple[int, int]) -> _Shard | None:
    """The shard that begins at this row; None where there is none that is whole."""
    for path in sorted(folder.glob(f"{start:08d}-*.safetensors")):
        if path.stem.partition("-")[2] != hashlib.sha256(path.read_bytes()).hexdigest():
            continue
        try:
            with safe_open(path, "numpy") as file:
                about, vectors = json.loads(file.metadata()["shard"]), file.get_tensor("vectors")
        except (SafetensorError, KeyError, TypeError, ValueError):  # a right checksum over what we did not write
            continue
        if vectors.shape == shape and vectors.dtype == np.float32:
            refused = {int(row): (kind, why) for row, (kind, why) in about["refused"].items()}
            return _Shard(vectors, refused, about["rates"])
    return None


def _write(folder: Path, start: int, shard: _Shard) -> None:
    about = json.dumps({"refused": shard.refused, "rates": shard.rates})
    data = save({"vectors": shard.vectors}, metadata={"shard": about})
    partial = folder / f".{start:08d}.{os.getpid()}.partial"
    try:
        partial.write_bytes(data)
        partial.replace(folder / f"{start:08d}-{hashlib.sha256(data).hexdigest()}.safetensors")
    except OSError as exc:
        partial.unlink(missing_ok=True)
        raise UsageError(
            f"'{folder}' cannot be written ({exc.strerror}). Name another folder with: --out DIR, or make room; "
            "the same command goes on where it stopped."
        ) from exc
