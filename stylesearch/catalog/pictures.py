"""What the catalog knows of pictures: where they are, what describes them, and which meet some filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import fields
from itertools import groupby, islice

import numpy as np
from sqlalchemy import URL, Connection, Engine, and_, bindparam, exists, func, select

from stylesearch.catalog import totals
from stylesearch.catalog.database import Database
from stylesearch.catalog.describing import (
    Term,
    add_terms,
    read_appearances,
    read_creators,
    read_metadata,
    read_tags,
    remove_tags,
)
from stylesearch.catalog.engine import mapped_errors
from stylesearch.catalog.numbering import tell_again
from stylesearch.catalog.selection import chunks, matching, matching_ids, possible, sampled
from stylesearch.catalog.tables import AppearanceRow, AssetRow, LocationRow, ReplacementRow
from stylesearch.catalog.terms import TAG
from stylesearch.query import Filters
from stylesearch.records import APPEARANCE_VERSION, Asset, Details, Metadata, TagSource
from stylesearch.uris import path_of_uri

_NO_FILTERS = Filters()
_ANSWERS = 8  # to filters that are remembered


class Pictures(Database):
    """Assets, and what describes them."""

    def __init__(self, engine: Engine, url: URL) -> None:
        super().__init__(engine, url)
        self._answers: tuple[int, dict[tuple[object, ...], np.ndarray]] = 0, {}  # by filter, and the state they are of

    def assets(self, ids: Iterable[int]) -> dict[int, Asset]:
        """The assets by id, with their present paths; unknown ids are left out."""
        with mapped_errors(self._url), self._single.connect() as connection:
            return _assets(connection, possible(ids))

    def creators(self, ids: Iterable[int]) -> dict[int, str]:
        """The first creator of each of these assets, in lower case; those whose metadata name none are left out."""
        with self.reading() as connection:
            return read_creators(connection, possible(ids))

    def details(self, ids: Iterable[int]) -> dict[int, Details]:
        """Everything that is known about these assets, by id; unknown ids are left out."""
        with self.reading() as connection:
            assets = _assets(connection, possible(ids))
            known = list(assets)
            metadata, tags = read_metadata(connection, known), read_tags(connection, known)
            appearances = read_appearances(connection, known)
        return {
            asset_id: Details(
                asset, metadata.get(asset_id, Metadata()), tags.get(asset_id, {}), appearances.get(asset_id)
            )
            for asset_id, asset in assets.items()
        }

    def asset_ids(self, filters: Filters = _NO_FILTERS) -> np.ndarray:
        """Sorted int64 ids of the assets with a present location that meet the filters; not to be written to, since
        the answer is kept for those who ask the same before anything is written."""
        asked = tuple(getattr(filters, field.name) for field in fields(Filters))
        state = self.state()
        known_state, known = self._answers
        if known_state != state or len(known) >= _ANSWERS:
            known = {}
        if asked not in known:
            with self.reading() as connection:
                ids = matching_ids(connection, filters)
            ids.flags.writeable = False
            known = known | {asked: ids}  # a new one: other threads may be looking into the old
            self._answers = state, known
        return known[asked]

    def list_assets(self, after_id: int = 0, limit: int = 100, filters: Filters = _NO_FILTERS) -> list[Asset]:
        """A page of the assets with a present location, by ascending id; the next one begins after the last id."""
        with self.reading() as connection:
            with closing(matching(connection, filters, after_id)) as found:
                ids = list(islice(found, limit))
            assets = _assets(connection, ids)
        return [assets[asset_id] for asset_id in ids]

    def sample(self, limit: int, after: str = "", filters: Filters = _NO_FILTERS) -> list[Asset]:
        """A page of the assets with a present location in a mixed order, that of their digests; the next one begins
        after the last `Asset.sha256`."""
        with self.reading() as connection:
            assets = _assets(connection, sampled(connection, filters, limit, after))
        return sorted(assets.values(), key=lambda asset: asset.sha256)

    def copied(self) -> list[int]:
        """Ascending ids of the assets that have several present locations."""
        query = select(LocationRow.asset_id).where(LocationRow.present).group_by(LocationRow.asset_id)
        with self.reading() as connection:
            return sorted(connection.scalars(query.having(func.count() > 1)))

    def perceptual_hashes(self, asset_ids: Iterable[int] | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The looks of all assets with a present location, or of those of a few thousand.

        Returns:
            int64 (N,), ascending asset ids; uint64 (N,), their perceptual hashes; int32 (N, 2), widths and heights.
        """
        columns = AppearanceRow.asset_id, AppearanceRow.perceptual_hash, AssetRow.width, AssetRow.height
        present = exists().where(LocationRow.asset_id == AppearanceRow.asset_id, LocationRow.present)
        query = select(*columns).join(AssetRow, AssetRow.id == AppearanceRow.asset_id).where(present)
        query = query.where(AppearanceRow.version == APPEARANCE_VERSION).order_by(AppearanceRow.asset_id)
        if asset_ids is not None:
            query = query.where(AppearanceRow.asset_id.in_(possible(asset_ids)))
        blocks = [np.empty((0, 4), np.int64)]
        with self.reading() as connection, connection.execute(query.execution_options(yield_per=50_000)) as rows:
            blocks += [np.array([tuple(row) for row in some], np.int64) for some in rows.partitions()]
        table = np.concatenate(blocks)
        return table[:, 0], table[:, 1].astype(np.uint64), table[:, 2:].astype(np.int32)

    def predecessors(self, asset_ids: Iterable[int]) -> dict[int, list[int]]:
        """The assets that lay at a present location of these before they did, the latest first; those without are left
        out. They are remembered until they are pruned."""
        found: dict[int, list[int]] = {}
        query = select(LocationRow.asset_id, ReplacementRow.asset_id.label("earlier"))
        query = query.join(LocationRow, LocationRow.id == ReplacementRow.location_id)
        query = query.where(LocationRow.present, ReplacementRow.asset_id != LocationRow.asset_id)
        latest_first = query.order_by(ReplacementRow.replaced_at.desc(), ReplacementRow.asset_id.desc())
        with self.reading() as connection:
            for some in chunks(possible(asset_ids)):
                for asset_id, earlier in connection.execute(latest_first.where(LocationRow.asset_id.in_(some))):
                    if earlier not in found.setdefault(asset_id, []):
                        found[asset_id].append(earlier)
        return found

    def add_tags(self, tags: Mapping[int, Sequence[str]], source: TagSource) -> None:
        """Gives assets tags, by id, beside those that they have, in one transaction."""
        terms = [Term(asset_id, TAG, name) for asset_id, names in tags.items() for name in names]
        with self.writing() as connection:
            with totals.following(connection, tags):
                add_terms(connection, terms, source)
            tell_again(connection, tags)

    def remove_tags(self, asset_ids: Sequence[int], names: Sequence[str]) -> None:
        """Takes tags away that people gave; those that stand in the files stay."""
        with self.writing() as connection:
            with totals.following(connection, asset_ids):
                remove_tags(connection, asset_ids, names)
            tell_again(connection, asset_ids)


def _assets(connection: Connection, ids: Sequence[int]) -> dict[int, Asset]:
    assets: dict[int, Asset] = {}
    for some in chunks(ids):
        for asset_id, group in groupby(connection.execute(_LOCATED, {"ids": some}), lambda row: row.id):
            rows = list(group)
            paths = tuple(path_of_uri(row.uri) for row in rows if row.uri is not None)
            _, sha256, size, format, width, height, _ = rows[0]
            assets[asset_id] = Asset(asset_id, sha256, size, format, width, height, paths)
    return assets


# Built once: to build it costs more than to run it.
_LOCATED = (
    select(
        *(AssetRow.id, AssetRow.sha256, AssetRow.size, AssetRow.format, AssetRow.width, AssetRow.height),
        LocationRow.uri,
    )
    .outerjoin(LocationRow, and_(LocationRow.asset_id == AssetRow.id, LocationRow.present))
    .where(AssetRow.id.in_(bindparam("ids", expanding=True)))
    .order_by(AssetRow.id, LocationRow.missing_since.is_not(None), LocationRow.scan_id.desc(), LocationRow.uri)
)
