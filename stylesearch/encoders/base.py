"""The one interface through which anything is encoded, for indexing and for querying alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL.Image import Resampling, fromarray

from stylesearch.encoders.fill import fill_in
from stylesearch.encoders.licences import licence_of
from stylesearch.errors import EncoderError
from stylesearch.images import Preprocess, fit
from stylesearch.records import Region, Space

if TYPE_CHECKING:
    from PIL.Image import Image


_CELLS = 9  # along a side, where parts are windows
_WINDOW = 3  # cells along the side of a window
_AT_ONCE = 32  # windows


class Encoder(ABC):
    """Turns pictures into unit vectors whose cosine says how alike their styles are.

    A subclass sets the attributes and implements `_embed`; checks and normalisation live here. One that knows parts of
    a picture by itself, as a transformer's tokens, implements `_embed_parts` as well.

    Attributes:
        name: `family:architecture.tag`, the name that `load_encoder` takes.
        dim: length of a vector.
        fingerprint: hexadecimal digest over weights, configuration and `dtype`: two encoders with the same fingerprint
            give the same vectors.
        dtype: dtype of the computation, "float32" or "bfloat16".
        preprocess: how a picture is brought to the pixels that the encoder takes.
        part_size: side of the squares in which `_embed` takes a part of a picture; None: that of a whole one.
    """

    name: str
    dim: int
    fingerprint: str
    dtype: str
    preprocess: Preprocess
    part_size: int | None = None

    @abstractmethod
    def _embed(self, pixels: np.ndarray) -> np.ndarray:
        """Args: pixels uint8 (N, H, W, 3), N >= 1. Returns: float (N, D), not necessarily of unit length."""

    def embed_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Encodes prepared pictures.

        Args:
            pixels: uint8 (N, S, S, 3), sRGB, as `stylesearch.images.fit` makes them for `self.preprocess`.

        Returns:
            float32 (N, D), rows of unit length.

        Raises:
            EncoderError: wrong shape or dtype, or the encoder gave numbers that are not finite.
        """
        self._check(pixels)
        if len(pixels) == 0:
            return np.empty((0, self.dim), np.float32)
        return self._unit(self._embed(pixels))

    def embed_masked(self, pixels: np.ndarray, keep: np.ndarray) -> np.ndarray:
        """Encodes a part of each prepared picture, of any shape.

        Where an encoder pools over places, those left out are in no pool; otherwise they are filled with what is kept.

        Args:
            pixels: as for `embed_pixels`.
            keep: float (N, S, S) in [0, 1], 1 where style is taken from. A picture of which nothing is kept is encoded
                whole.

        Returns:
            float32 (N, D), rows of unit length, in the space of `embed_pixels`.

        Raises:
            EncoderError: as `embed_pixels`, or masks that do not fit the pictures.
        """
        self._check(pixels)
        if keep.shape != pixels.shape[:3]:
            raise EncoderError(
                f"{self.name} takes masks of shape {pixels.shape[:3]} for these pictures, not {keep.shape}."
            )
        if len(pixels) == 0:
            return np.empty((0, self.dim), np.float32)
        return self._unit(self._embed_masked(pixels, keep))

    def _embed_masked(self, pixels: np.ndarray, keep: np.ndarray) -> np.ndarray:
        """Args: uint8 (N, S, S, 3), float (N, S, S) in [0, 1]. Returns: float (N, D), of any length."""
        return self._embed(fill_in(pixels, keep))

    def patches_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Encodes the parts of prepared pictures, to see where in them a style is.

        The parts of one encoder can be compared with each other. Where it has no parts of its own, they are windows of
        a third of the side, encoded one by one: 49 times the work of `embed_pixels`, or 5 times with `part_size`.

        Args:
            pixels: as for `embed_pixels`; N of at least 1.

        Returns:
            float32 (N, gh, gw, D), unit length: parts of an even grid over the square, row by row from the top.

        Raises:
            EncoderError: as `embed_pixels`.
        """
        self._check(pixels)
        parts = self._embed_parts(pixels)
        return self._unit(parts.reshape(-1, parts.shape[-1])).reshape(parts.shape)

    def _embed_parts(self, pixels: np.ndarray) -> np.ndarray:
        """Args: pixels uint8 (N, S, S, 3). Returns: float (N, gh, gw, D), not necessarily of unit length."""
        side = self.preprocess.size
        width, count = max(1, side * _WINDOW // _CELLS), _CELLS - _WINDOW + 1
        starts = np.linspace(0, side - width, count).round().astype(int).tolist()
        windows = [picture[y : y + width, x : x + width] for picture in pixels for y in starts for x in starts]
        size = self.part_size or side
        if size != width:
            windows = [np.asarray(fromarray(one).resize((size, size), Resampling.BICUBIC)) for one in windows]
        vectors = [self._embed(np.stack(windows[at : at + _AT_ONCE])) for at in range(0, len(windows), _AT_ONCE)]
        grid = np.concatenate(vectors).reshape(len(pixels), count, count, -1)
        # A cell is described by the window around it; at the edge, by the outermost one that holds it.
        around = np.clip(np.arange(_CELLS) - _WINDOW // 2, 0, count - 1)
        return np.asarray(grid[:, around][:, :, around])

    def _check(self, pixels: np.ndarray) -> None:
        side = self.preprocess.size
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (side, side, 3):
            raise EncoderError(
                f"{self.name} takes uint8 pixels of shape (N, {side}, {side}, 3), not {pixels.dtype} {pixels.shape}."
            )

    def embed_batch(self, images: Sequence[Image]) -> np.ndarray:
        """Encodes PIL images of any size and mode.

        Args:
            images: N images; brought to upright-as-given sRGB and to the encoder's size here.

        Returns:
            float32 (N, D), rows of unit length; (0, D) for no images.
        """
        if not images:
            return np.empty((0, self.dim), np.float32)
        return self.embed_pixels(np.stack([fit(image, self.preprocess) for image in images]))

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Encodes descriptions of a style into the space of the images.

        Returns:
            float32 (N, D), rows of unit length.

        Raises:
            EncoderError: the encoder has no text tower.
        """
        raise EncoderError(
            f"{self.name} has no text tower, so it cannot search by text ({texts!r}). "
            "Make a library with one that has: stylesearch init FOLDER --encoder compact:v3"
        )

    def unknown_words(self, text: str) -> list[str]:
        """Words of a description that the encoder makes nothing of, where it can tell; they do not count."""
        return []

    @property
    def licence(self) -> str | None:
        """Terms of the weights; None where they are not known here."""
        return licence_of(self.name)

    def space(self, region: Region = "whole") -> Space:
        """The space that this encoder's vectors of `region` live in."""
        return Space(self.name, self.fingerprint, self.dim, self.dtype, self.preprocess.version, region)

    def _unit(self, vectors: np.ndarray) -> np.ndarray:
        vectors = np.asarray(vectors, np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or (norms == 0).any():
            bad = np.flatnonzero(~np.isfinite(norms[:, 0]) | (norms[:, 0] == 0))
            raise EncoderError(f"{self.name} gave no usable vector for images {bad.tolist()} of the batch.")
        unit: np.ndarray = vectors / norms
        return unit
