"""The one interface through which subjects are found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from stylesearch.errors import EncoderError
from stylesearch.images import Preprocess, fit

if TYPE_CHECKING:
    from PIL.Image import Image

STANDS_OUT = 0.5
"""Least confidence at which a mask is used; below it, every region of a picture is the whole of it."""

USABLE_RULE = 2
"""Raised with any change to which masks are usable; part of every masker's fingerprint."""

VAGUE = 0.08
"""Share of a picture at which a mask that leaves so much of it undecided is of no use to a region. Illustrations mostly
get such masks, and lose by them what they knew of their style; docs/masking.md has the numbers."""

_UNDECIDED = 0.25, 0.75  # between two of the levels that kept masks have, so that rounding decides nothing

_FRAME = 0.03  # of the side
_WHITE = 245  # of 255, in every channel
_MOST_OF_IT = 0.97  # of the frame
_HALF = 0.5  # of what lies beside the subject: a mask that took a part of it leaves the rest there


@dataclass(frozen=True)
class Masks:
    """Subjects of N pictures.

    Attributes:
        values: float32 (N, H, W) in [0, 1], 1 on the subject, over the picture squashed to a square.
        confidence: float32 (N,) in [0, 1], how sure it is that anything stands out at all.
        white: bool (N,), pictures that lie on white; None: none of them. See `white_grounds`.
    """

    values: np.ndarray
    confidence: np.ndarray
    white: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def usable(self) -> np.ndarray:
        """bool (N,): pictures in which something stands out clearly, on a ground that has a style, too."""
        return self.clear(VAGUE)

    def clear(self, vague: float) -> np.ndarray:
        """What `usable` would be with another `VAGUE`."""
        low, high = _UNDECIDED
        undecided = ((self.values > low) & (self.values < high)).mean((1, 2))
        result: np.ndarray = self.found & (undecided < vague)
        return result if self.white is None else result & ~self.white

    @property
    def found(self) -> np.ndarray:
        """bool (N,): pictures in which something stands out, and something is left beside it."""
        share = self.values.mean((1, 2))
        result: np.ndarray = (self.confidence >= STANDS_OUT) & (share > 0.005) & (share < 0.98)
        return result


class Masker(ABC):
    """Finds the subject of pictures.

    A subclass sets the attributes and implements `_mask`.

    Attributes:
        name: `family:model`, the name that `load_masker` takes.
        fingerprint: hexadecimal digest over weights and settings: two maskers with the same give the same masks.
        preprocess: how a picture is brought to the pixels that the masker takes.
    """

    name: str
    fingerprint: str
    preprocess: Preprocess

    @abstractmethod
    def _mask(self, pixels: np.ndarray) -> Masks:
        """Args: pixels uint8 (N, S, S, 3), N >= 1."""

    def mask_pixels(self, pixels: np.ndarray) -> Masks:
        """Masks of prepared pictures.

        Args:
            pixels: uint8 (N, S, S, 3), sRGB, as `stylesearch.images.fit` makes them for `self.preprocess`.

        Raises:
            EncoderError: wrong shape or dtype, or the masker gave numbers outside [0, 1].
        """
        side = self.preprocess.size
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (side, side, 3):
            raise EncoderError(
                f"{self.name} takes uint8 pixels of shape (N, {side}, {side}, 3), not {pixels.dtype} {pixels.shape}."
            )
        if len(pixels) == 0:
            return Masks(np.empty((0, side, side), np.float32), np.empty(0, np.float32))
        masks = self._mask(pixels)
        masks = replace(masks, white=white_grounds(pixels, masks.values))
        for numbers in (masks.values, masks.confidence):
            if not (np.isfinite(numbers).all() and numbers.min() >= 0 and numbers.max() <= 1):
                raise EncoderError(f"{self.name} gave a mask with numbers outside 0 to 1.")
        return masks

    def mask_batch(self, images: Sequence[Image]) -> Masks:
        """Masks of PIL images of any size and mode."""
        side = self.preprocess.size
        if not images:
            return self.mask_pixels(np.empty((0, side, side, 3), np.uint8))
        return self.mask_pixels(np.stack([fit(image, self.preprocess) for image in images]))


def white_grounds(pixels: np.ndarray, subject: np.ndarray) -> np.ndarray:
    """Which pictures lie on white, as icons and cut-out products do: bool (N,) for uint8 (N, S, S, 3).

    White is no style. All that such a picture has is its subject's, so its regions are the whole of it; a mask could
    only take a part of the subject for the whole. A ground of any other colour is somebody's choice, and stays. The
    ground is judged by a frame around the picture, and by what lies beside the subject, float (N, S, S) in [0, 1]: a
    print with a white margin has a ground of its own inside it.
    """
    side = pixels.shape[1]
    edge = max(1, round(_FRAME * side))
    frame = np.ones((side, side), bool)
    frame[edge:-edge, edge:-edge] = False
    white, beside = pixels.min(axis=3) >= _WHITE, subject < 0.5
    blank = (white & beside).sum((1, 2)) >= _HALF * beside.sum((1, 2))
    grounds: np.ndarray = blank & (white[:, frame].mean(axis=1) >= _MOST_OF_IT)
    return grounds
