"""Encodes regions of pictures. What stands out in a picture is looked for once, however many spaces ask for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from indexer.batches import BatchEncoder, Encoded, Pieces, noise
from indexer.decode import Prepared
from stylesearch.catalog import Catalog
from stylesearch.errors import EncoderError
from stylesearch.masking.keeping import as_masks, kept
from stylesearch.masking.regions import RegionEncoder
from stylesearch.records import StoredMask


class RegionBatchEncoder(BatchEncoder):
    """Calls the encoder of a region, and its masker for pictures of which the catalog has no mask.

    Args:
        catalog: is asked for masks, and never written.
    """

    def __init__(self, encoder: RegionEncoder, batch_size: int, catalog: Catalog) -> None:
        super().__init__(encoder, batch_size)
        self._region = encoder
        self._catalog = catalog
        self._mask_pieces = Pieces(batch_size)

    def encode_pictures(self, pictures: Sequence[Prepared]) -> list[Encoded]:
        """Finds what stands out where nobody has, and encodes the region; raises as `encode`."""
        known = self._catalog.masks_by_hash(self._region.masker.fingerprint, [one.sha256 for one in pictures])
        made = self._found([one for one in pictures if one.sha256 not in known])
        masks = [known.get(one.sha256) or made[one.sha256] for one in pictures]
        vectors = iter(
            self._encoded(
                [one for one, mask in zip(pictures, masks, strict=True) if isinstance(mask, StoredMask)],
                [mask for mask in masks if isinstance(mask, StoredMask)],
            )
        )
        return [
            Encoded(next(vectors), mask, is_new=one.sha256 in made) if isinstance(mask, StoredMask) else Encoded(mask)
            for one, mask in zip(pictures, masks, strict=True)
        ]

    def _found(self, pictures: Sequence[Prepared]) -> dict[str, StoredMask | EncoderError]:
        """New masks, by content."""
        if not pictures:
            return {}
        masker = self._region.masker
        pixels = np.stack([one.to_mask for one in pictures if one.to_mask is not None])
        masks = self._mask_pieces.of(len(pixels), lambda some: kept(masker.mask_pixels(pixels[some])))
        if all(isinstance(mask, EncoderError) for mask in masks):
            masker.mask_pixels(noise(masker.preprocess.size))  # it is the masker that is broken
        return {one.sha256: mask for one, mask in zip(pictures, masks, strict=True)}

    def _encoded(self, pictures: Sequence[Prepared], masks: Sequence[StoredMask]) -> list[np.ndarray | EncoderError]:
        if not pictures:
            return []
        pixels = np.stack([one.pixels for one in pictures])
        sizes = [(one.width, one.height) for one in pictures]
        results = self._pieces.of(
            len(pixels),
            lambda some: list(self._region.embed_with(pixels[some], as_masks(masks[some]), sizes[some])),
        )
        if all(isinstance(result, EncoderError) for result in results):
            self._region.embed_pixels(noise(pixels.shape[1]))
        return results
