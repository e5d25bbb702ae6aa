"""Encodes batches, in smaller pieces where memory is short, and finds the picture that spoils one."""

from __future__ import annotations

import numpy as np

from stylesearch.encoders.base import Encoder
from stylesearch.errors import EncoderError


class BatchEncoder:
    """Calls an encoder; not for several threads at once.

    Attributes:
        limit: how many pictures the encoder is given at most; halved each time it runs out of memory.
    """

    def __init__(self, encoder: Encoder, batch_size: int) -> None:
        self._encoder = encoder
        self.limit = batch_size

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
        results: list[np.ndarray | EncoderError] = []
        while len(results) < len(pixels):
            piece = pixels[len(results) : len(results) + self.limit]
            try:
                results += self._vectors(piece)
            except (RuntimeError, MemoryError) as exc:
                if not _out_of_memory(exc):
                    raise
                if len(piece) == 1:
                    raise EncoderError(f"There is no memory to encode one image ({exc}).") from exc
                self.limit = len(piece) // 2
        if all(isinstance(result, EncoderError) for result in results):
            self._encoder.embed_pixels(np.random.default_rng(0).integers(0, 256, pixels[:1].shape, np.uint8))
        return results

    def _vectors(self, pixels: np.ndarray) -> list[np.ndarray | EncoderError]:
        try:
            return list(self._encoder.embed_pixels(pixels))
        except EncoderError as exc:
            if len(pixels) == 1:
                return [exc]
        half = len(pixels) // 2
        return self._vectors(pixels[:half]) + self._vectors(pixels[half:])


def _out_of_memory(error: BaseException) -> bool:
    # By name, because torch is not imported here: torch.OutOfMemoryError on a GPU, a plain RuntimeError on a CPU.
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "out of memory" in str(error).lower()
        or "can't allocate memory" in str(error).lower()
    )
