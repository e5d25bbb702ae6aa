"""Masks as a library keeps them, so that a picture that is looked for is masked as the indexed one was."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stylesearch.mask_codec import SIDE, pack_mask, unpack_mask
from stylesearch.masking.base import Masks
from stylesearch.records import StoredMask


def kept(masks: Masks) -> list[StoredMask]:
    """Each of the masks, as coarse as it is kept."""
    coarse = [unpack_mask(pack_mask(values)) for values in masks.values]
    usable = Masks(_stacked(coarse), masks.confidence, masks.white).usable.tolist()
    nothing = np.zeros((SIDE, SIDE), np.float32)
    return [
        StoredMask(values if good else nothing, confidence, good)
        for values, confidence, good in zip(coarse, masks.confidence.tolist(), usable, strict=True)
    ]


def as_masks(stored: Sequence[StoredMask]) -> Masks:
    """The inverse of `kept`: the same are usable."""
    confidence = np.array([mask.confidence for mask in stored], np.float32)
    return Masks(_stacked([mask.values for mask in stored]), confidence)


def _stacked(masks: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack(masks) if masks else np.empty((0, SIDE, SIDE), np.float32)
