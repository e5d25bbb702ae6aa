"""What stands out in pictures, as maskers have found it; made once for each asset and masker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from sqlalchemy import ColumnElement, Connection, delete, exists, func, not_, select

from stylesearch.catalog.bulk import insert_rows
from stylesearch.catalog.database import Database
from stylesearch.catalog.engine import outlasts_restart
from stylesearch.catalog.selection import chunks, possible
from stylesearch.catalog.tables import AssetRow, MaskRow, SpaceRow, VectorRow
from stylesearch.errors import CatalogError
from stylesearch.mask_codec import SIDE, pack_mask, unpack_mask
from stylesearch.records import IndexedFile, StoredMask

_MANY = 2_000  # rows in one transaction: others want to write, too


class KeptMasks(Database):
    """Masks; a masker is named by its fingerprint."""

    def mask(self, masker: str, asset_id: int) -> StoredMask | None:
        """The mask of an asset; None where it has none."""
        query = select(MaskRow).where(MaskRow.masker == masker_key(masker), MaskRow.asset_id.in_(possible([asset_id])))
        with self.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else _read(row.confidence, row.usable, row.data)

    @outlasts_restart
    def masks_by_hash(self, masker: str, sha256s: Sequence[str]) -> dict[str, StoredMask]:
        """The masks of those of these contents that have one."""
        found: dict[str, StoredMask] = {}
        query = select(AssetRow.sha256, MaskRow.confidence, MaskRow.usable, MaskRow.data)
        query = query.join(AssetRow, AssetRow.id == MaskRow.asset_id).where(MaskRow.masker == masker_key(masker))
        with self.reading() as connection:
            for some in chunks(sha256s):
                rows = connection.execute(query.where(AssetRow.sha256.in_(some)))
                found.update((row.sha256, _read(row.confidence, row.usable, row.data)) for row in rows)
        return found

    def without_subject(self, masker: str, asset_ids: Iterable[int]) -> set[int]:
        """Those of these assets in which nothing stands out, so that the whole of them counts in every region."""
        found: set[int] = set()
        query = select(MaskRow.asset_id).where(MaskRow.masker == masker_key(masker), not_(MaskRow.usable))
        with self.reading() as connection:
            for some in chunks(possible(asset_ids)):
                found.update(connection.scalars(query.where(MaskRow.asset_id.in_(some))))
        return found

    def count_without_subject(self, masker: str, space_id: int) -> int:
        """In how many of the pictures that can be found in a space nothing stands out."""
        live = exists().where(VectorRow.asset_id == MaskRow.asset_id, VectorRow.space_id == space_id, VectorRow.live)
        query = select(func.count()).select_from(MaskRow)
        with self.reading() as connection:
            return connection.scalars(
                query.where(MaskRow.masker == masker_key(masker), not_(MaskRow.usable), live)
            ).one()

    def count_other_masks(self, masker: str | None) -> int:
        """How many masks are not by this masker; None: all of them."""
        query = select(func.count()).select_from(MaskRow)
        with self.reading() as connection:
            return connection.scalars(query if masker is None else query.where(_not_by(masker))).one()

    def drop_other_masks(self, masker: str | None) -> None:
        """Deletes the masks that are not by this masker; None: all of them. A few thousand in each transaction."""
        some = select(MaskRow.asset_id).distinct().limit(_MANY)
        some = some if masker is None else some.where(_not_by(masker))
        dropped = True
        while dropped:
            with self.writing() as connection:
                ids = connection.scalars(some).all()
                gone = delete(MaskRow).where(MaskRow.asset_id.in_(ids))
                connection.execute(gone if masker is None else gone.where(_not_by(masker)))
                dropped = bool(ids)


def masker_key(fingerprint: str) -> str:
    """What stands for a masker in the table: so much of a digest tells any two apart."""
    return fingerprint[:16]


def add_masks(connection: Connection, masker: str, files: Iterable[IndexedFile], asset_ids: Mapping[str, int]) -> None:
    """Writes the masks that files bring; one that the catalog holds is never replaced. The caller owns the
    transaction."""
    fresh = {asset_ids[file.sha256]: file.mask for file in files if file.mask is not None}
    by = MaskRow.masker == masker_key(masker)
    for some in chunks(list(fresh)):
        held = connection.scalars(select(MaskRow.asset_id).where(by, MaskRow.asset_id.in_(some))).all()
        for asset_id in held:
            del fresh[asset_id]
    insert_rows(connection, MaskRow, [_columns(asset_id, masker_key(masker), mask) for asset_id, mask in fresh.items()])


def damaged_masks(connection: Connection) -> list[int]:
    """Ids of assets with a mask that cannot be read."""
    query = select(MaskRow.asset_id, MaskRow.data).where(MaskRow.usable)
    found: list[int] = []
    with connection.execute(query.execution_options(yield_per=_MANY)) as rows:
        for asset_id, data in rows:
            try:
                unpack_mask(data)
            except CatalogError:
                found.append(asset_id)
    return found


def drop_masks(connection: Connection, asset_ids: Sequence[int]) -> None:
    """Deletes the masks of these assets, and their vectors of all regions, so that both are made again."""
    regions = select(SpaceRow.id).where(SpaceRow.region != "whole")
    for some in chunks(asset_ids):
        connection.execute(delete(MaskRow).where(MaskRow.asset_id.in_(some)))
        connection.execute(delete(VectorRow).where(VectorRow.asset_id.in_(some), VectorRow.space_id.in_(regions)))


def _not_by(masker: str) -> ColumnElement[bool]:
    return MaskRow.masker != masker_key(masker)


def _columns(asset_id: int, masker: str, mask: StoredMask) -> dict[str, object]:
    data = pack_mask(mask.values) if mask.usable else b""
    row = {"asset_id": asset_id, "masker": masker, "confidence": mask.confidence, "usable": mask.usable}
    return row | {"data": data}


def _read(confidence: float, usable: bool, data: bytes) -> StoredMask:
    return StoredMask(unpack_mask(data) if usable else np.zeros((SIDE, SIDE), np.float32), confidence, usable)
