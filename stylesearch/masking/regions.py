"""Encoders of a region: the style of the background, or of the subject, with the rest of the picture left out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL.Image import Resampling, fromarray

from stylesearch.encoders.base import Encoder
from stylesearch.encoders.fill import fill_in
from stylesearch.errors import UsageError
from stylesearch.images import fit, shown_box
from stylesearch.masking.base import Masker, Masks
from stylesearch.records import Region, Space

if TYPE_CHECKING:
    from PIL.Image import Image

USES = ("pool", "subtract", "fill")
"""How a region is told from the rest: what is left out is in no pool of the encoder; or its vector is subtracted; or
its pixels are filled in."""

DEFAULT_USE = "fill"

ALPHAS = {"pool": 0.3, "subtract": 0.4, "fill": 0.3}
"""Share of the whole picture's vector in that of a region, for each use: docs/masking.md says why."""

_VERSION = 2  # raise it with any change here that moves a vector


def region_encoder(encoder: Encoder, masker: Masker, region: Region, use: str | None = None) -> Encoder:
    """An encoder of a region of pictures, in a space of its own.

    Args:
        encoder: encodes what is left of a picture.
        masker: finds subjects.
        region: "background" leaves the subject out, "subject" all else; "whole" is `encoder` itself.
        use: one of `USES`; None: `DEFAULT_USE`.

    Raises:
        UsageError: no such use.
    """
    return encoder if region == "whole" else RegionEncoder(encoder, masker, region, use)


class RegionEncoder(Encoder):
    """Encodes a region of pictures; where no subject stands out in a picture, the whole of it.

    See `region_encoder`. Its name is that of the encoder; its fingerprint covers encoder, masker and use.
    """

    def __init__(self, encoder: Encoder, masker: Masker, region: Region, use: str | None = None) -> None:
        use = use or DEFAULT_USE
        if use not in USES:
            raise UsageError(f"There is no use of a mask '{use}'; there are: {', '.join(USES)}.")
        self.encoder, self.masker, self.region, self.use = encoder, masker, region, use
        self.name, self.dim, self.dtype = encoder.name, encoder.dim, encoder.dtype
        self.preprocess, self.part_size = encoder.preprocess, encoder.part_size
        identity = (encoder.fingerprint, masker.fingerprint, use, ALPHAS[use], _VERSION)
        self.fingerprint = hashlib.sha256(repr(identity).encode()).hexdigest()

    def space(self, region: Region | None = None) -> Space:
        """The space of its region.

        Raises:
            UsageError: `region` is another one.
        """
        if region not in (None, self.region):
            raise UsageError(f"This encoder is of the region '{self.region}', not of '{region}'.")
        return super().space(self.region)

    def embed_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Finds the subjects in prepared pictures and encodes the region; see `Encoder.embed_pixels`."""
        self._check(pixels)
        side = self.masker.preprocess.size
        smaller = [np.asarray(fromarray(one).resize((side, side), Resampling.BICUBIC)) for one in pixels]
        found = self.masker.mask_pixels(np.array(smaller, np.uint8).reshape(-1, side, side, 3))
        return self._embed_found(pixels, found.usable, resized(found.values, self.preprocess.size))

    def embed_batch(self, images: Sequence[Image]) -> np.ndarray:
        """Finds the subjects in pictures of any size and encodes the region; see `Encoder.embed_batch`."""
        if not images:
            return np.empty((0, self.dim), np.float32)
        pixels = np.stack([fit(image, self.preprocess) for image in images])
        return self.embed_with(pixels, self.masker.mask_batch(images), [image.size for image in images])

    def embed_with(
        self, pixels: np.ndarray, masks: Masks, sizes: Sequence[tuple[int, int]] | None = None
    ) -> np.ndarray:
        """Encodes the region with masks that are known already.

        Args:
            pixels: as for `Encoder.embed_pixels`.
            masks: of the same N pictures, of any resolution, each over the whole picture squashed to a square.
            sizes: width and height of each upright picture; needed by encoders that do not squash pictures, and None
                says that all are square.

        Returns:
            float32 (N, D), rows of unit length; of the whole picture where its mask is not usable.

        Raises:
            EncoderError: as `Encoder.embed_pixels`.
        """
        self._check(pixels)
        boxes = [shown_box(self.preprocess, width, height) for width, height in sizes or [(1, 1)] * len(pixels)]
        return self._embed_found(pixels, masks.usable, resized(masks.values, self.preprocess.size, boxes))

    def embed_masked(self, pixels: np.ndarray, keep: np.ndarray) -> np.ndarray:
        """Encodes what `keep` marks and nothing of the rest; see `Encoder.embed_masked`."""
        return (
            self.encoder.embed_pixels(fill_in(pixels, keep))
            if self.use == "fill"
            else self.encoder.embed_masked(pixels, keep)
        )

    def _embed_found(self, pixels: np.ndarray, usable: np.ndarray, subject: np.ndarray) -> np.ndarray:
        """Args: uint8 (N, S, S, 3), bool (N,), float (N, S, S) in [0, 1]."""
        vectors = self.encoder.embed_pixels(pixels)
        if usable.any():
            keep = (subject if self.region == "subject" else 1 - subject)[usable]
            alone = region_alone(self.encoder, pixels[usable], keep, vectors[usable], self.use)
            vectors[usable] = mixed(vectors[usable], alone, ALPHAS[self.use])
        return vectors

    def _embed(self, pixels: np.ndarray) -> np.ndarray:
        return self.embed_pixels(pixels)

    def patches_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Parts of the whole picture; see `Encoder.patches_pixels`."""
        return self.encoder.patches_pixels(pixels)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """See `Encoder.embed_texts`; words describe a style wherever it is."""
        return self.encoder.embed_texts(texts)

    @property
    def licence(self) -> str | None:
        """Terms of the encoder's weights; None where they are not known here."""
        return self.encoder.licence


def region_alone(encoder: Encoder, pixels: np.ndarray, keep: np.ndarray, whole: np.ndarray, use: str) -> np.ndarray:
    """What a use of a mask makes of a region, before the whole picture has its share.

    "subtract" is F - F_S of StyleAR (arXiv 2505.19874, "style-enhanced tokens"), on vectors instead of tokens: F_S is
    the vector of what is left out, cut out and laid on white.

    Args:
        pixels, keep: as for `Encoder.embed_masked`.
        whole: float32 (N, D), the vectors F of the whole pictures.
        use: one of `USES`.

    Returns:
        float32 (N, D); of unit length except for "subtract".
    """
    if use == "pool":
        return encoder.embed_masked(pixels, keep)
    if use == "fill":
        return encoder.embed_pixels(fill_in(pixels, keep))
    share = keep[..., None]
    cut_out = (share * 255 + (1 - share) * pixels).round().astype(np.uint8)
    difference: np.ndarray = whole - encoder.embed_pixels(cut_out)
    return difference


def mixed(whole: np.ndarray, alone: np.ndarray, alpha: float) -> np.ndarray:
    """alpha F + (1 - alpha) R, of unit length; with R = F - F_S the formula of StyleAR (arXiv 2505.19874).

    Args:
        whole, alone: float32 (N, D), F and R; see `region_alone`.
        alpha: share of the whole, in (0, 1].
    """
    vectors = alpha * whole + (1 - alpha) * alone
    unit: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    return unit


def resized(
    masks: np.ndarray, side: int, boxes: Sequence[tuple[float, float, float, float]] | None = None
) -> np.ndarray:
    """Masks (N, H, W) over whole pictures to (N, side, side) over the parts that `boxes` name, as shares of the sides;
    beyond the picture they are 0."""
    height, width = masks.shape[1:]
    found = np.empty((len(masks), side, side), np.float32)
    for row, mask in enumerate(masks):
        left, top, right, bottom = (0.0, 0.0, 1.0, 1.0) if boxes is None else boxes[row]
        pad_x, pad_y = (max(0, -int(np.floor(low * length))) for low, length in ((left, width), (top, height)))
        framed = np.pad(mask, ((pad_y, pad_y), (pad_x, pad_x)))
        box = (left * width + pad_x, top * height + pad_y, right * width + pad_x, bottom * height + pad_y)
        found[row] = np.asarray(fromarray(framed).resize((side, side), Resampling.BILINEAR, box=box))
    return found
