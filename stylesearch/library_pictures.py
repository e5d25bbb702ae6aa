"""The pictures of a library: shown, found by name or filter, tagged and exported."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PIL.Image import Image

from stylesearch.boards import BoardExport
from stylesearch.errors import ImageError, UsageError
from stylesearch.export import export_sidecars, export_table, spare_originals
from stylesearch.facets import Facets
from stylesearch.files import identity, is_there, part_of, read_bytes, uri_of
from stylesearch.images import thumbnail as thumbnail_of
from stylesearch.library_spaces import LibrarySpaces
from stylesearch.lineage import Lineage
from stylesearch.masking import load_masker
from stylesearch.masking.keeping import kept
from stylesearch.metadata.text import KEYWORD, MOST_KEYWORDS, lines
from stylesearch.query import Crop, Filters, PictureSource
from stylesearch.records import Asset, Details, StoredMask
from stylesearch.references import read_asset, read_source
from stylesearch.tagging import TagKey, TagReport, import_tags, read_tags
from stylesearch.thumbnails import has_thumbnail, thumbnail_path, trim_thumbnails, write_thumbnail
from stylesearch.uris import printable

_PAGE = 1_000  # assets whose details are read together


class LibraryPictures(LibrarySpaces):
    """A part of `Library`."""

    @property
    def thumbnails(self) -> Path:
        """Folder of thumbnails, named by content."""
        return self.folder / "thumbnails"

    def thumbnail(self, asset: Asset) -> Path:
        """Where the asset's thumbnail (WebP) lies, or would."""
        return thumbnail_path(self.thumbnails, asset.sha256)

    def ensure_thumbnail(self, asset: Asset) -> Path | None:
        """Where the asset's thumbnail lies; one that is missing is made from the picture.

        Returns:
            None where there is none and every file of the asset is gone.

        Raises:
            LibraryError: it cannot be written.
        """
        path = self.thumbnail(asset)
        if not has_thumbnail(path):
            try:
                picture = self.picture(asset)
            except ImageError:
                return None
            trim_thumbnails(self.thumbnails, int(asset.sha256[:2], 16), self._environment.thumbnail_bytes)
            write_thumbnail(path, thumbnail_of(picture))
        return path

    def picture(self, asset: Asset) -> Image:
        """Reads an asset's picture from the first of its files that still holds it.

        Returns:
            Mode RGB, upright, sRGB, at full resolution.

        Raises:
            ImageError: "missing" where every file is gone or has changed.
        """
        return read_asset(asset, self._environment.limits)

    def read(self, source: PictureSource | Crop) -> Image:
        """The picture that a reference stands for: mode RGB, upright, sRGB.

        Raises:
            UsageError: no such asset.
            ImageError: it cannot be read, or all files of the asset are gone.
        """
        return read_source(source, self.catalog, self._environment.limits)

    def places(self, asset: Asset, limit: int) -> list[tuple[str, bool | None]]:
        """The first paths of an asset, and whether a file lies there now; None where only a server could tell."""
        return [(path, is_there(uri_of(path), self._environment.limits)) for path in asset.paths[:limit]]

    def mask(self, source: int | Image) -> StoredMask | None:
        """What stands out in a picture, and whether anything does.

        Args:
            source: id of an asset; or a picture, in which it is looked for now.

        Returns:
            None where the library tells no regions apart, or the asset has not been indexed in one yet.

        Raises:
            EncoderError: the masker cannot be loaded.
        """
        choice = self.settings.masker
        if choice is None:
            return None
        if isinstance(source, Image):
            return kept(load_masker(choice.name, choice.dtype).mask_batch([source]))[0]
        return self.catalog.mask(choice.fingerprint, source)

    def assets(self, ids: Sequence[int]) -> dict[int, Asset]:
        """The assets by id; unknown ids are left out."""
        return self.catalog.assets(ids)

    def browse(self, limit: int, *, after: str = "", **filters: Any) -> list[Asset]:
        """Pictures of the library in a mixed order, for looking around without a search.

        The order is the same at every call, so that a larger `limit` goes on where a smaller one ended.

        Args:
            limit: at most so many.
            after: go on after the picture with this `Asset.sha256`.
            filters: those of `Query`, such as `paths` and `formats`.
        """
        return self.catalog.sample(limit, after, Filters(**filters))

    def facets(self, filters: Filters | None = None) -> Facets:
        """How many pictures have each format, size, colour, tag and so on; remembered until something is written."""
        return self._facets.of(filters or Filters())

    def details(self, filters: Filters | None = None) -> Iterator[Details]:
        """Everything that is known about the assets that have a file, by ascending id; few are held in memory."""
        after = 0
        while assets := self.catalog.list_assets(after, _PAGE, filters or Filters()):
            after = assets[-1].id
            yield from self.catalog.details([asset.id for asset in assets]).values()

    def find(self, source: str | os.PathLike[str] | int) -> Details:
        """Everything that is known about one asset.

        Args:
            source: its id; a path of it; or any file of the same content.

        Raises:
            UsageError: the library does not have it.
            ImageError: it does not have the path, and no file can be read there.
        """
        asset_id: int | None
        if isinstance(source, int):
            asset_id = source
        else:
            uri = uri_of(source)
            asset_id = self.catalog.assets_at([uri]).get(uri)
            if asset_id is None:
                data = read_bytes(source, self._environment.limits)
                digest = identity(hashlib.sha256(data).hexdigest(), part_of(uri))
                known = self.catalog.assets_by_hash([digest], self.searching().id).get(digest)
                asset_id = known.asset_id if known else None
        found = self.catalog.details([] if asset_id is None else [asset_id])
        if not found:
            what = f"asset {source}" if isinstance(source, int) else f"'{printable(os.fspath(source))}'"
            raise UsageError(f"The library does not have {what}. Add pictures with: stylesearch index PATH")
        return next(iter(found.values()))

    def lineage(self, asset_id: int) -> Lineage | None:
        """How a picture was made from others of the library; None where it was not made here."""
        return self.catalog.lineages([asset_id]).get(asset_id)

    def made_from(self, asset_id: int, limit: int = 100) -> list[Asset]:
        """The pictures that were made from one, the latest first."""
        ids = self.catalog.made_from(asset_id, limit)
        assets = self.assets(ids)
        return [assets[one] for one in ids]

    def tag(self, asset_ids: Sequence[int], *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Gives assets tags, and takes tags away that people gave; those that stand in the files stay.

        Raises:
            UsageError: an unknown asset, or a tag that is empty.
        """
        for asset_id in sorted(set(asset_ids) - self.catalog.assets(asset_ids).keys()):
            raise UsageError(f"There is no asset {asset_id} in this library.")
        names = lines(add, KEYWORD, MOST_KEYWORDS)
        if add and not names:
            raise UsageError("A tag is empty; name it.")
        if names:
            self.catalog.add_tags(dict.fromkeys(asset_ids, names), "user")
        if remove:
            self.catalog.remove_tags(asset_ids, remove)

    def export(self, path: str | os.PathLike[str], filters: Filters | None = None) -> int:
        """Writes the catalogue to a CSV, JSON lines or Parquet file, but over none of the originals; see
        `stylesearch.export.export_table`."""
        spare_originals(self.catalog, path)
        return export_table(self.details(filters), path)

    def board_export(self, board_id: int) -> BoardExport:
        """A board, ready to be written as a ZIP of its originals, a contact sheet and the like."""
        board = self.boards.get(board_id)
        details = self.catalog.details([item.asset.id for item in board.items])
        spare = partial(spare_originals, self.catalog)
        return BoardExport(board, details, self.picture, self.ensure_thumbnail, spare, self._environment.limits)

    def export_sidecars(
        self, folder: str | os.PathLike[str], filters: Filters | None = None, *, overwrite: bool = False
    ) -> tuple[int, int]:
        """Writes XMP sidecars below a folder; see `stylesearch.export.export_sidecars`."""
        return export_sidecars(self.details(filters), folder, overwrite=overwrite)

    def import_tags(
        self,
        path: str | os.PathLike[str],
        *,
        key: TagKey = "path",
        key_column: str | None = None,
        tag_column: str = "tags",
        separator: str = ";",
        dry_run: bool = False,
    ) -> TagReport:
        """Gives pictures the tags of a CSV file; see `stylesearch.tagging`."""
        rows = read_tags(path, key=key, key_column=key_column, tag_column=tag_column, separator=separator)
        return import_tags(self.catalog, rows, key, dry_run=dry_run)
