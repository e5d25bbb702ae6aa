"""From the references of a query to vectors: files, pictures, assets, texts and vectors themselves."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL.Image import Image

from stylesearch.catalog import Catalog
from stylesearch.colour import to_srgb
from stylesearch.encoders.base import Encoder
from stylesearch.encoders.fill import KEPT, is_kept
from stylesearch.errors import ImageError, UsageError
from stylesearch.files import identity, named, part_of, read_bytes, uri_of
from stylesearch.images import Decoded, fit, load_pixels, read_image, shown_box, thumbnail
from stylesearch.masking.keeping import as_masks, kept
from stylesearch.masking.regions import RegionEncoder, resized
from stylesearch.query import Brushed, Crop, PictureSource, Reference, StyleText
from stylesearch.records import Asset, Limits, Space
from stylesearch.search import as_unit_vector

PICTURE_SIDE = 1024


def read_asset(asset: Asset, limits: Limits) -> Image:
    """See `Library.picture`."""
    for path in asset.paths:
        try:
            data = read_bytes(path, limits)
        except ImageError:
            continue
        part = part_of(uri_of(path))
        if identity(hashlib.sha256(data).hexdigest(), part) == asset.sha256:
            return read_image(data, limits=limits, part=part)
    raise ImageError("missing", f"No file of asset {asset.id} holds its picture any more. Index its folder again.")


def read_source(source: PictureSource | Crop, catalog: Catalog, limits: Limits) -> Image:
    """The picture that a reference stands for: mode RGB, upright, sRGB.

    Raises:
        UsageError: it is no asset of this library.
        ImageError: it cannot be read.
    """
    if isinstance(source, Crop):
        return source.of(read_source(source.source, catalog, limits))
    if isinstance(source, Image):
        return to_srgb(source)
    if isinstance(source, (str, os.PathLike)):
        data = read_bytes(source, limits)
        with named(source):
            return read_image(data, limits=limits, part=part_of(uri_of(source)))
    asset = catalog.assets([int(source)]).get(int(source))
    if asset is None:
        raise UsageError(f"There is no asset {source} in this library. See the ids with: stylesearch search --json")
    return read_asset(asset, limits)


class LoadedReference(NamedTuple):
    """A picture that came as bytes, made ready once so that it can be searched with again and again.

    Attributes:
        source: for a `Query`: the id of the asset where the library holds the same file, else its vector.
        thumbnail: a small WebP file.
        picture: a WebP file, at most `PICTURE_SIDE` pixels long, to choose a `Crop` of.
    """

    source: int | np.ndarray
    thumbnail: bytes
    picture: bytes


@dataclass(frozen=True)
class ReferenceReader:
    """Turns references into vectors of one space.

    Attributes:
        catalog: holds the vectors of assets.
        space: the space, and `space_id` its id in the catalog.
        encoder: called where something has to be encoded, and not before: an encoder takes seconds to load.
        limits: caps on input.
    """

    catalog: Catalog
    space: Space
    space_id: int
    encoder: Callable[[], Encoder]
    limits: Limits

    def read(self, references: Sequence[Reference]) -> tuple[np.ndarray, set[int]]:
        """Vectors float32 (N, D) of the references in order, and the ids of those that are assets of the library.

        Raises ImageError, UsageError, SpaceMismatchError and EncoderError; see `Library.search`.
        """
        vectors = np.empty((len(references), self.space.dim), np.float32)
        own: set[int] = set()
        files: dict[int, Decoded] = {}
        digests: list[str] = []
        for row, (source, _) in enumerate(references):
            if isinstance(source, StyleText):
                vectors[row] = self.encoder().embed_texts([str(source)])[0]
            elif isinstance(source, (Crop, Brushed)):
                vectors[row], known = self._of_part(source)
                own |= known
            elif isinstance(source, np.ndarray):
                vectors[row] = as_unit_vector(source, self.space)
            elif isinstance(source, (int, np.integer)):
                vectors[row] = self._of_asset(int(source))
                own.add(int(source))
            elif isinstance(source, (str, os.PathLike)):
                data, part = read_bytes(source, self.limits), part_of(uri_of(source))
                files[row] = self._decode(data, os.fspath(source), part)
                digests.append(identity(hashlib.sha256(data).hexdigest(), part))
            else:
                vectors[row] = self.encoder().embed_batch([source])[0]
        if files:
            vectors[list(files)] = self._embed(list(files.values()))
            own.update(known.asset_id for known in self.catalog.assets_by_hash(digests, self.space_id).values())
        return vectors, own

    def load(self, data: bytes, name: str | None) -> LoadedReference:
        """See `Library.load_reference`."""
        decoded = self._decode(data, name)
        digest = hashlib.sha256(data).hexdigest()
        known = self.catalog.assets_by_hash([digest], self.space_id).get(digest)
        held = known.asset_id if known and known.has_vector else None
        source = self._embed([decoded])[0] if held is None else held
        # At a high quality: parts of it are encoded, and grain is style.
        picture = thumbnail(decoded.picture, PICTURE_SIDE, quality=95)
        return LoadedReference(source, thumbnail(decoded.picture), picture)

    def _decode(self, data: bytes, name: str | None, part: str | None = None) -> Decoded:
        encoder = self.encoder()
        least = encoder.masker.preprocess.size if isinstance(encoder, RegionEncoder) else 0
        return load_pixels(data, encoder.preprocess, self.limits, part=part, name=name, least_side=least)

    def _embed(self, files: Sequence[Decoded]) -> np.ndarray:
        """Vectors float32 (N, D) of whole files, as the indexer makes them."""
        encoder, pixels = self.encoder(), np.stack([file.pixels for file in files])
        if not isinstance(encoder, RegionEncoder):
            return encoder.embed_pixels(pixels)
        masks = as_masks(kept(encoder.masker.mask_batch([file.picture for file in files])))
        return encoder.embed_with(pixels, masks, [(file.width, file.height) for file in files])

    def _of_part(self, part: Crop | Brushed) -> tuple[np.ndarray, set[int]]:
        """Its vector float32 (D,), and the id of the asset that it is a part of, if it is one."""
        source = part.source
        own = set() if isinstance(source, (Image, str, os.PathLike)) else {int(source)}
        picture = read_source(source, self.catalog, self.limits)
        if isinstance(part, Crop):
            return self.encoder().embed_batch([part.of(picture)])[0], own
        return self._of_brushed(picture, part.keep), own

    def _of_brushed(self, picture: Image, keep: np.ndarray) -> np.ndarray:
        """The vector float32 (D,) of what is kept, whatever the region of the space: there was no masker to ask.

        Args:
            keep: bool (H, W), over the whole picture.
        """
        encoder = self.encoder()
        box = shown_box(encoder.preprocess, *picture.size)
        shares = resized(keep[None].astype(np.float32), encoder.preprocess.size, [box])
        if shares.min() < KEPT and is_kept(shares).all():
            raise UsageError("Too little of the picture is left where it was brushed over. Brush over more of it.")
        vector: np.ndarray = encoder.embed_masked(fit(picture, encoder.preprocess)[None], shares)[0]
        return vector

    def _of_asset(self, asset_id: int) -> np.ndarray:
        ids, vectors = self.catalog.vectors(self.space_id, [asset_id])
        if not len(ids):
            raise UsageError(
                f"There is no asset {asset_id} in this library, or none with a vector of {self.space.encoder}. "
                "See the ids with: stylesearch search --json"
            )
        vector: np.ndarray = vectors[0]
        return vector
