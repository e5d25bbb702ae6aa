"""Masks as a library keeps them, so that a picture that is looked for is masked as the indexed one was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stylesearch.mask_codec import SIDE, pack_mask, unpack_mask
from stylesearch.masking.base import Masks
from stylesearch.records import StoredMask


def coarse(masks: Masks) -> Masks:
    """The same masks, as coarse as they are kept."""
    return replace(masks, values=_stacked([unpack_mask(pack_mask(values)) for values in masks.values]))


def kept(masks: Masks) -> list[StoredMask]:
    """Each of the masks; of those that are of no use, that they are."""
    masks, nothing = coarse(masks), np.zeros((SIDE, SIDE), np.float32)
    return [
        StoredMask(values if good else nothing, confidence, good)
        for values, confidence, good in zip(masks.values, masks.confidence.tolist(), masks.usable.tolist(), strict=True)
    ]


def as_masks(stored: Sequence[StoredMask]) -> Masks:
    """The inverse of `kept`: the same are usable."""
    confidence = np.array([mask.confidence for mask in stored], np.float32)
    return Masks(_stacked([mask.values for mask in stored]), confidence)


def _stacked(masks: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack(masks) if masks else np.empty((0, SIDE, SIDE), np.float32)
