"""What describes an asset, to rows and back: metadata, terms and appearance. The caller owns the transaction."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple, cast

import numpy as np
from sqlalchemy import Connection, Row, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from stylesearch.catalog.bulk import insert_rows, insert_with_ids
from stylesearch.catalog.selection import chunks
from stylesearch.catalog.tables import AppearanceRow, AssetTermRow, Base, MetadataRow, TermRow
from stylesearch.catalog.terms import CREATOR, LICENCE, LONGEST, SOFTWARE, TAG, folded
from stylesearch.colour_bins import bins_of
from stylesearch.records import APPEARANCE_VERSION, Appearance, Colour, IndexedFile, Metadata, TagSource


class Term(NamedTuple):
    """A word or name that an asset is found by."""

    asset_id: int
    kind: str
    name: str


def describe(connection: Connection, files: Iterable[IndexedFile], asset_ids: Mapping[str, int]) -> set[int]:
    """Writes what the decoder found; takes the place of what an earlier run has found. Tags of people stay.

    Returns:
        the assets of which the files say something else than before, or for the first time.
    """
    fresh = {asset_ids[file.sha256]: file for file in files if file.appearance is not None}
    before = _said(connection, list(fresh))
    for some in chunks(list(fresh)):
        for table in (MetadataRow, AppearanceRow):
            connection.execute(delete(table).where(table.asset_id.in_(some)))
        of_files = AssetTermRow.asset_id.in_(some), AssetTermRow.source == "file"
        connection.execute(delete(AssetTermRow).where(*of_files))
    appearances = [
        _appearance_columns(asset_id, file.appearance)
        for asset_id, file in fresh.items()
        if file.appearance is not None
    ]
    said = {asset_id: file.metadata for asset_id, file in fresh.items() if file.metadata not in (None, Metadata())}
    metadata = [_metadata_columns(asset_id, found) for asset_id, found in said.items() if found is not None]
    insert_rows(connection, AppearanceRow, appearances)
    insert_rows(connection, MetadataRow, metadata)
    terms = [term for asset_id, found in said.items() if found is not None for term in _terms_of(asset_id, found)]
    insert_rows(connection, AssetTermRow, _links(connection, terms, "file"))
    after = _said(connection, list(before))
    return fresh.keys() - {asset_id for asset_id, said in before.items() if after.get(asset_id) == said}


def _said(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[object, ...]]:
    """What filters look at of that which the decoder found, by asset id."""
    said: dict[int, tuple[object, ...]] = {}
    columns = AppearanceRow.asset_id, AppearanceRow.palette, MetadataRow.year, MetadataRow.generated
    rows = select(*columns).outerjoin(MetadataRow, MetadataRow.asset_id == AppearanceRow.asset_id)
    terms = select(AssetTermRow.asset_id, AssetTermRow.term_id).where(AssetTermRow.source == "file")
    for some in chunks(ids):
        held: dict[int, set[int]] = {}
        for asset_id, term_id in connection.execute(terms.where(AssetTermRow.asset_id.in_(some))):
            held.setdefault(asset_id, set()).add(term_id)
        for asset_id, *found in connection.execute(rows.where(AppearanceRow.asset_id.in_(some))):
            said[asset_id] = *found, frozenset(held.get(asset_id, ()))
    return said


def add_terms(connection: Connection, terms: Sequence[Term], source: TagSource) -> None:
    """Gives assets terms that they may have already."""
    if links := _links(connection, terms, source):
        connection.execute(_insert(connection, AssetTermRow).on_conflict_do_nothing(), links)


def _links(connection: Connection, terms: Sequence[Term], source: TagSource) -> list[dict[str, object]]:
    ids = _term_ids(connection, {(term.kind, term.name[:LONGEST]) for term in terms})
    rows = sorted({(term.asset_id, ids[term.kind, term.name[:LONGEST]]) for term in terms})
    return [{"asset_id": asset_id, "term_id": term_id, "source": source} for asset_id, term_id in rows]


def remove_tags(connection: Connection, asset_ids: Sequence[int], names: Sequence[str]) -> None:
    """Takes tags away that people gave; those of files come back with every run, and stay."""
    wanted = select(TermRow.id).where(TermRow.kind == TAG, TermRow.folded.in_([folded(name) for name in names]))
    for some in chunks(asset_ids):
        theirs = AssetTermRow.asset_id.in_(some), AssetTermRow.source != "file", AssetTermRow.term_id.in_(wanted)
        connection.execute(delete(AssetTermRow).where(*theirs))


def read_metadata(connection: Connection, ids: Sequence[int]) -> dict[int, Metadata]:
    """By asset id; keywords are among the tags. Assets whose file says nothing are left out."""
    found: dict[int, Metadata] = {}
    for some in chunks(ids):
        query = select(MetadataRow.__table__).where(MetadataRow.asset_id.in_(some))
        found.update((row.asset_id, _metadata(row)) for row in connection.execute(query))
    return found


def read_creators(connection: Connection, ids: Sequence[int]) -> dict[int, str]:
    """By asset id, the first creator, in lower case. Assets whose file names none are left out."""
    found: dict[int, str] = {}
    query = select(MetadataRow.asset_id, MetadataRow.creators).where(MetadataRow.creators != "[]")
    for some in chunks(ids):
        rows = connection.execute(query.where(MetadataRow.asset_id.in_(some)))
        found.update((asset_id, json.loads(creators)[0].casefold()) for asset_id, creators in rows)
    return found


def read_tags(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, tuple[TagSource, ...]]]:
    """By asset id and name, in the order of the alphabet, who says so. What differs in case alone is one tag, spelt as
    the file does where it has it."""
    tags: dict[int, dict[str, tuple[TagSource, ...]]] = {}
    query = select(AssetTermRow.asset_id, TermRow.name, AssetTermRow.source, TermRow.folded, TermRow.kind)
    query = query.join(TermRow, TermRow.id == AssetTermRow.term_id)
    for some in chunks(ids):
        # Asked for tags alone, SQLite would go through every tag there is.
        rows = [row for row in connection.execute(query.where(AssetTermRow.asset_id.in_(some))) if row.kind == TAG]
        rows.sort(key=lambda row: (row.asset_id, row.folded, row.source, row.name))  # "file" comes first
        for (asset_id, _), same in groupby(rows, key=lambda row: (row.asset_id, row.folded)):
            spelt = list(same)
            sources = dict.fromkeys(cast(TagSource, row.source) for row in spelt)
            tags.setdefault(asset_id, {})[spelt[0].name] = tuple(sources)
    return tags


def read_appearances(connection: Connection, ids: Sequence[int]) -> dict[int, Appearance]:
    """By asset id; those of an older version are left out."""
    found: dict[int, Appearance] = {}
    query = select(AppearanceRow.asset_id, AppearanceRow.palette, AppearanceRow.perceptual_hash)
    query = query.where(AppearanceRow.version == APPEARANCE_VERSION)
    for some in chunks(ids):
        for asset_id, palette, signed in connection.execute(query.where(AppearanceRow.asset_id.in_(some))):
            colours = np.frombuffer(palette, "<f2").reshape(-1, 4).tolist()
            found[asset_id] = Appearance(tuple(Colour(*colour) for colour in colours), signed % 2**64)
    return found


def _appearance_columns(asset_id: int, appearance: Appearance) -> dict[str, object]:
    palette = np.array(appearance.palette, "<f2").reshape(-1, 4)
    return {
        "asset_id": asset_id,
        "version": APPEARANCE_VERSION,
        "palette": palette.tobytes(),
        "colours": bins_of(palette.astype(np.float32)),
        # No database has unsigned numbers of 64 bits in common.
        "perceptual_hash": appearance.perceptual_hash - (2**64 if appearance.perceptual_hash >= 2**63 else 0),
    }


def _metadata_columns(asset_id: int, metadata: Metadata) -> dict[str, object]:
    plain = ("title", "description", "rights", "licence", "date", "year", "software", "source_type", "generated")
    lists = {"creators": metadata.creators, "generation": dict(metadata.generation), "notes": metadata.notes}
    return {
        "asset_id": asset_id,
        **{name: getattr(metadata, name) for name in plain},
        **{name: json.dumps(value, ensure_ascii=False) for name, value in lists.items()},
    }


def _metadata(row: Row[Any]) -> Metadata:
    return Metadata(
        title=row.title,
        description=row.description,
        creators=tuple(json.loads(row.creators)),
        rights=row.rights,
        licence=row.licence,
        date=row.date,
        year=row.year,
        software=row.software,
        source_type=row.source_type,
        generation=json.loads(row.generation),
        notes=tuple(json.loads(row.notes)),
    )


def _terms_of(asset_id: int, metadata: Metadata) -> list[Term]:
    kinds = {
        TAG: metadata.keywords,
        CREATOR: metadata.creators,
        LICENCE: (metadata.licence, metadata.rights),
        SOFTWARE: (metadata.software,),
    }
    return [Term(asset_id, kind, name) for kind, names in kinds.items() for name in names if name]


def _term_ids(connection: Connection, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The id of each term, by kind and name; those that the catalog lacked are added."""
    ids: dict[tuple[str, str], int] = {}
    columns = TermRow.kind, TermRow.name, TermRow.id
    for some in chunks(sorted(names)):
        kinds, words = map(set, zip(*some, strict=True))
        query = select(*columns).where(TermRow.kind.in_(kinds), TermRow.name.in_(words))
        ids.update(((kind, name), term_id) for kind, name, term_id in connection.execute(query))
    rows = [
        {"kind": kind, "name": name, "folded": folded(name)} for kind, name in sorted(names) if (kind, name) not in ids
    ]
    added = insert_with_ids(connection, TermRow, rows)
    ids.update(((row["kind"], row["name"]), term_id) for row, term_id in zip(rows, added, strict=True))
    return ids


def _insert(connection: Connection, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
