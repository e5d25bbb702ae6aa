"""What filters look at, read for vector indexes that filter by themselves."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from sqlalchemy import select

from stylesearch.catalog.database import Database
from stylesearch.catalog.selection import chunks
from stylesearch.catalog.tables import AssetRow, AssetTermRow, LocationRow, MetadataRow, TermRow
from stylesearch.catalog.terms import CREATOR, LICENCE, SOFTWARE, TAG
from stylesearch.records import Facts


def read_facts(catalog: Database, ids: Sequence[int]) -> dict[int, Facts]:
    """By asset id; unknown ids are left out."""
    found: dict[int, Facts] = {}
    assets = select(AssetRow.id, AssetRow.format, MetadataRow.year, MetadataRow.generated).outerjoin(
        MetadataRow, MetadataRow.asset_id == AssetRow.id
    )
    terms = select(AssetTermRow.asset_id, TermRow.kind, TermRow.folded).join(
        TermRow, TermRow.id == AssetTermRow.term_id
    )
    uris = select(LocationRow.asset_id, LocationRow.uri).where(LocationRow.present)
    with catalog.reading() as connection:
        for some in chunks(ids):
            words: dict[tuple[int, str], set[str]] = {}
            for asset_id, kind, word in connection.execute(terms.where(AssetTermRow.asset_id.in_(some))):
                words.setdefault((asset_id, kind), set()).add(word)
            places: dict[int, set[str]] = {}
            for asset_id, uri in connection.execute(uris.where(LocationRow.asset_id.in_(some))):
                places.setdefault(asset_id, set()).add(unicodedata.normalize("NFC", uri))
            for asset_id, name, year, generated in connection.execute(assets.where(AssetRow.id.in_(some))):
                tags, creators, licences, software = (
                    tuple(sorted(words.get((asset_id, kind), ()))) for kind in (TAG, CREATOR, LICENCE, SOFTWARE)
                )
                located = tuple(sorted(places.get(asset_id, ())))
                found[asset_id] = Facts(name, tags, creators, licences, software, year, bool(generated), located)
    return found
