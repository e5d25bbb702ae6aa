"""Encodes batches, in smaller pieces where memory is short, and finds the picture that spoils one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from indexer.decode import Prepared
from stylesearch.encoders.base import Encoder
from stylesearch.errors import EncoderError
from stylesearch.records import StoredMask

Answer = TypeVar("Answer")


class Encoded(NamedTuple):
    """What became of a picture.

    Attributes:
        vector: float32 (D,) of unit length, or why the encoder gives none.
        mask: what stands out in it, where a region was asked for.
        is_new: whether the mask was made now.
    """

    vector: np.ndarray | EncoderError
    mask: StoredMask | None = None
    is_new: bool = False


class BatchEncoder:
    """Calls an encoder; not for several threads at once.

    Attributes:
        limit: how many pictures the encoder is given at most; halved each time it runs out of memory.
    """

    def __init__(self, encoder: Encoder, batch_size: int) -> None:
        self._encoder = encoder
        self._pieces = Pieces(batch_size)

    @property
    def limit(self) -> int:
        return self._pieces.limit

    def encode(self, pixels: np.ndarray) -> list[np.ndarray | EncoderError]:
        """Encodes N pictures.

        Args:
            pixels: uint8 (N, S, S, 3).

        Returns:
            for each picture its vector, float32 (D,) of unit length, or why the encoder gives none for it.

        Raises:
            EncoderError: memory does not even suffice for one picture, or it is the encoder that is broken and not the
                pictures: it cannot encode noise either.
        """
        results = self._pieces.of(len(pixels), lambda some: list(self._encoder.embed_pixels(pixels[some])))
        if all(isinstance(result, EncoderError) for result in results):
            self._encoder.embed_pixels(noise(pixels.shape[1]))
        return results

    def encode_pictures(self, pictures: Sequence[Prepared]) -> list[Encoded]:
        """Encodes pictures, with what belongs to that; raises as `encode`."""
        return list(map(Encoded, self.encode(np.stack([picture.pixels for picture in pictures]))))


class Pieces:
    """Work on many pictures at once, in pieces that memory suffices for.

    Attributes:
        limit: how many pictures are in a piece at most; halved each time memory runs out.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def of(self, count: int, work: Callable[[slice], Sequence[Answer]]) -> list[Answer | EncoderError]:
        """What `work` answers for each of `count` pictures, or the EncoderError that it raises for one alone.

        Raises:
            EncoderError: memory does not even suffice for one picture.
        """
        results: list[Answer | EncoderError] = []
        while len(results) < count:
            end = min(len(results) + self.limit, count)
            try:
                results += _each(len(results), end, work)
            except (RuntimeError, MemoryError) as exc:
                if not _out_of_memory(exc):
                    raise
                if end - len(results) == 1:
                    raise EncoderError(f"There is no memory to encode one image ({exc}).") from exc
                self.limit = (end - len(results)) // 2
        return results


def noise(side: int) -> np.ndarray:
    """A picture of noise: uint8 (1, side, side, 3)."""
    return np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)


def _each(start: int, end: int, work: Callable[[slice], Sequence[Answer]]) -> list[Answer | EncoderError]:
    try:
        return list(work(slice(start, end)))
    except EncoderError as exc:
        if end - start == 1:
            return [exc]
    half = (start + end) // 2
    return _each(start, half, work) + _each(half, end, work)


def _out_of_memory(error: BaseException) -> bool:
    # By name, because torch is not imported here: torch.OutOfMemoryError on a GPU, a plain RuntimeError on a CPU.
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "out of memory" in str(error).lower()
        or "can't allocate memory" in str(error).lower()
    )
