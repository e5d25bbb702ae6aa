"""How many pictures have each value of each facet; see `stylesearch.facets.Facets`."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, takewhile
from typing import Any

import numpy as np
from sqlalchemy import Connection, Select, func, select

from stylesearch.catalog.database import Database
from stylesearch.catalog.looks import ORIENTATION, SIZE
from stylesearch.catalog.selection import chosen
from stylesearch.catalog.tables import AppearanceRow, AssetRow, AssetTermRow, LocationRow, MetadataRow, TermRow
from stylesearch.catalog.terms import CREATOR, LICENCE, TAG
from stylesearch.catalog.uris import below, in_order
from stylesearch.colour_bins import FAMILY_BINS
from stylesearch.facets import COLOURS, ORIENTATIONS, SIZES, Facets, FacetValue
from stylesearch.query import Filters
from stylesearch.records import APPEARANCE_VERSION
from stylesearch.uris import path_of_uri, uri_of_path

MOST_VALUES = 200  # of tags, creators, licences and folders each
_REMEMBERED = 64  # sets of filters

_MEASURES = {"formats": AssetRow.format, "sizes": SIZE, "orientations": ORIENTATION}
_TERMS = {"tags": TAG, "creators": CREATOR, "licences": LICENCE}


class FacetCounts:
    """Counts facets, and remembers what it has counted for as long as nothing is written to the catalog."""

    def __init__(self, catalog: Database) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._remembered: tuple[int, dict[Filters, Facets]] = 0, {}

    def of(self, filters: Filters) -> Facets:
        """The facets of the pictures that meet these filters."""
        state = self._catalog.state()
        with self._lock:
            known = self._remembered[1] if self._remembered[0] == state else {}
            if len(known) >= _REMEMBERED:
                known = {}
            self._remembered = state, known
        if filters not in known:
            with self._catalog.reading() as connection:
                known[filters] = _Counting(connection, filters).facets()
        return known[filters]


class _Counting:
    def __init__(self, connection: Connection, filters: Filters) -> None:
        self._connection = connection
        self._filters = filters
        self._chosen: dict[Filters, Select[int]] = {}

    def facets(self) -> Facets:
        total = select(func.count()).select_from(self._others(None).subquery())
        terms, more = self._terms()
        folder, folders = self._folders()
        if len(folders) > MOST_VALUES:
            more["folders"] = len(folders) - MOST_VALUES
        return Facets(
            total=self._connection.scalars(total).one(),
            **self._measures(),
            colours=self._colours(),
            years=self._years(),
            **terms,
            folder=folder,
            folders=folders[:MOST_VALUES],
            more=more,
        )

    def _others(self, facet: str | None) -> Select[int]:
        """The assets that meet the filters of all facets but this one."""
        filters = self._filters
        if facet is not None and facet != "colours":
            nothing: Any = (None, None) if facet == "years" else ()
            filters = replace(filters, **{facet: nothing})
        if filters not in self._chosen:
            self._chosen[filters] = chosen(self._connection, filters)
        return self._chosen[filters]

    def _measures(self) -> dict[str, tuple[FacetValue, ...]]:
        """Facets that are columns of assets; those without a filter of their own are counted together."""
        free = [facet for facet in _MEASURES if not getattr(self._filters, facet)]
        counts: dict[str, Counter[str]] = {facet: Counter() for facet in _MEASURES}
        for facets in (free, *([facet] for facet in _MEASURES if facet not in free)):
            if not facets:
                continue
            columns = [_MEASURES[facet] for facet in facets]
            query = select(func.count(), *columns).where(AssetRow.id.in_(self._others(facets[0]))).group_by(*columns)
            for count, *values in self._connection.execute(query):
                for facet, value in zip(facets, values, strict=True):
                    counts[facet][value] += count
        return {
            "formats": _frequent(counts["formats"]),
            "sizes": _in_order(counts["sizes"], SIZES),
            "orientations": _in_order(counts["orientations"], ORIENTATIONS),
        }

    def _colours(self) -> tuple[FacetValue, ...]:
        query = select(AppearanceRow.colours).where(AppearanceRow.version == APPEARANCE_VERSION)
        query = query.where(AppearanceRow.asset_id.in_(self._others("colours")))
        bits = np.fromiter(self._connection.scalars(query), np.int64)
        counts = {name: int(np.count_nonzero(bits & bins)) for name, bins in FAMILY_BINS.items()}
        return _in_order(counts, COLOURS)

    def _years(self) -> tuple[FacetValue, ...]:
        query = select(MetadataRow.year, func.count()).group_by(MetadataRow.year)
        query = query.where(MetadataRow.asset_id.in_(self._others("years")))
        decades: Counter[int] = Counter()
        for year, count in self._connection.execute(query):
            if year is not None:
                decades[year // 10 * 10] += count
        return tuple(FacetValue(str(decade), decades[decade]) for decade in sorted(decades))

    def _terms(self) -> tuple[dict[str, tuple[FacetValue, ...]], dict[str, int]]:
        """The most frequent words of each kind, and how many more there are."""
        free = [facet for facet in _TERMS if not getattr(self._filters, facet)]
        found, more = {}, {}
        for facets in (free, *([facet] for facet in _TERMS if facet not in free)):
            counts = self._term_counts(facets)
            for facet in facets:
                found[facet] = _frequent(counts[_TERMS[facet]])
                if len(counts[_TERMS[facet]]) > MOST_VALUES:
                    more[facet] = len(counts[_TERMS[facet]]) - MOST_VALUES
        return found, more

    def _term_counts(self, facets: Sequence[str]) -> dict[str, dict[str, int]]:
        """How many assets have each word, by kind and name; words that differ in case alone are one."""
        by_kind: dict[str, dict[str, int]] = {_TERMS[facet]: {} for facet in facets}
        if not facets:
            return by_kind
        # Counted before the words are looked up: joined in one query, SQLite would go word by word.
        count = func.count(AssetTermRow.asset_id.distinct())
        having = AssetTermRow.asset_id.in_(self._others(facets[0]))
        counted = select(AssetTermRow.term_id, count.label("number")).where(having).group_by(AssetTermRow.term_id)
        counts = {row.term_id: row.number for row in self._connection.execute(counted)}
        words = select(TermRow.kind, TermRow.folded, TermRow.id, TermRow.name).where(TermRow.kind.in_(by_kind))
        rows = [row for row in self._connection.execute(words) if row.id in counts]
        rows.sort(key=lambda row: (row.kind, row.folded, -counts[row.id], row.name))
        for (kind, _), spelt in groupby(rows, key=lambda row: (row.kind, row.folded)):
            first, *others = spelt
            number = counts[first.id]
            if others:  # an asset may have several spellings
                same = AssetTermRow.term_id.in_([first.id, *(row.id for row in others)])
                number = self._connection.scalars(select(count).where(same, having)).one()
            by_kind[kind][first.name] = number
        return by_kind

    def _folders(self) -> tuple[str, tuple[FacetValue, ...]]:
        """The folder that is looked at, and its subfolders; an archive counts as one."""
        given = self._filters.folders
        folder = uri_of_path(given[0]) if given else self._common_folder()
        start = folder.rstrip("/") + ("//" if folder.endswith(":") else "/") if folder else ""
        rest = func.substr(func.replace(LocationRow.uri, "#member=", "/"), len(start) + 1)
        slash = (func.instr if self._connection.dialect.name == "sqlite" else func.strpos)(rest, "/")
        name = func.substr(rest, 1, slash - 1)
        query = select(name, func.count(LocationRow.asset_id.distinct())).where(LocationRow.present, slash > 0)
        if given:
            query = query.where(below(LocationRow.uri, folder))
        if replace(self._filters, folders=()).filtering:
            query = query.where(LocationRow.asset_id.in_(self._others("folders")))
        rows = self._connection.execute(query.group_by(name)).all()
        places = sorted(((start + child) or "/", count) for child, count in rows)
        return path_of_uri(folder), tuple(FacetValue(path_of_uri(place), count) for place, count in places)

    def _common_folder(self) -> str:
        """The deepest folder that holds every present location: what the first and the last have in common."""
        order = in_order(LocationRow.uri)
        query = select(LocationRow.uri).where(LocationRow.present).limit(1)
        first = self._connection.scalar(query.order_by(*order))
        last = self._connection.scalar(query.order_by(*(column.desc() for column in order)))
        if first is None or last is None:
            return ""
        one, other = (uri.partition("#")[0].split("/")[:-1] for uri in (first, last))
        common = [name for name, _ in takewhile(lambda both: both[0] == both[1], zip(one, other, strict=False))]
        return "/" if common == [""] else "/".join(common).rstrip("/")


def _in_order(counts: Mapping[str, int], names: Iterable[str]) -> tuple[FacetValue, ...]:
    return tuple(FacetValue(name, counts[name]) for name in names if counts.get(name))


def _frequent(counts: Mapping[str, int]) -> tuple[FacetValue, ...]:
    ordered: Sequence[tuple[Any, int]] = sorted(counts.items(), key=lambda item: (-item[1], item[0].casefold()))
    return tuple(FacetValue(name, count) for name, count in ordered[:MOST_VALUES])
