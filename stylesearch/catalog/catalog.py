"""`Catalog`: the one handle on the database."""

from __future__ import annotations

from stylesearch.catalog import writing
from stylesearch.catalog.engine import outlasts_restart
from stylesearch.catalog.files import Files
from stylesearch.catalog.lineages import Lineages
from stylesearch.catalog.masks import KeptMasks
from stylesearch.catalog.packing import pack
from stylesearch.catalog.pictures import Pictures
from stylesearch.catalog.spaces import Spaces
from stylesearch.catalog.upkeep import Upkeep
from stylesearch.records import Batch


class Catalog(Files, Spaces, Pictures, KeptMasks, Lineages, Upkeep):
    """Assets, their locations and vectors, and the files that were refused.

    Safe to use from several threads and processes at once; processes each open their own, also after a fork. Every
    method may raise CatalogError. Open it with `Catalog.open`, and close it, or use it as a context manager.
    """

    @outlasts_restart
    def write(self, space_id: int, scan_id: int, batch: Batch) -> None:
        """Writes one batch in one transaction: all of it or, whatever happens, nothing.

        Assets are added by content, locations by uri. A vector or mask that the catalog holds is never replaced;
        metadata and appearance are, where the batch brings some. Writing a
        batch again changes nothing but the number of attempts at its refused files.

        Raises:
            SpaceMismatchError: a vector's length is not that of the space.
            EncoderError: a vector is not of unit length, or not finite.
        """
        vectors = {file.sha256: file.vector for file in batch.indexed if file.vector is not None}
        packed = dict(zip(vectors, pack(list(vectors.values()), self._dim(space_id)), strict=True))
        with self.writing() as connection:
            writing.write(connection, space_id, scan_id, batch, packed)
