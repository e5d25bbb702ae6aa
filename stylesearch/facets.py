"""Facets: by what the pictures of a library can be told apart without looking at them, and how many there are of each.

Plain values; `stylesearch.catalog.facets` counts them, `stylesearch.query.Filters` keeps to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

# Sizes by the longest side in pixels, the first and the last that belong to each; None leaves a side open.
SIZES: Mapping[str, tuple[int | None, int | None]] = {
    "small": (None, 639),
    "medium": (640, 1599),
    "large": (1600, 3999),
    "huge": (4000, None),
}

# A picture is square where its sides differ by a twentieth at most.
ORIENTATIONS = ("landscape", "portrait", "square")

# Families of colours that have a name in everyday English, and a typical one of each.
COLOURS: Mapping[str, str] = {
    "red": "#d6362b",
    "orange": "#ee8722",
    "brown": "#85542c",
    "yellow": "#f2ce2e",
    "green": "#4c9a3b",
    "teal": "#219a96",
    "blue": "#2f67c5",
    "purple": "#7a4bb0",
    "pink": "#ec86ae",
    "black": "#191817",
    "grey": "#8d8c89",
    "white": "#f7f6f2",
}


class FacetValue(NamedTuple):
    """One value of a facet, and how many pictures have it.

    Attributes:
        value: as `Filters` takes it; of a folder its whole path, of years the decade's first year.
        number: of pictures with a present file.
    """

    value: str
    number: int


@dataclass(frozen=True, slots=True)
class Facets:
    """How many pictures have each value, among those that meet the filters of all other facets.

    So a count says how many pictures there would be if one chose that value in place of, or beside, those that are
    chosen. Of colours all that are chosen must be there, so their counts are those of what would be left.

    Attributes:
        total: pictures that meet all filters.
        formats, tags, creators, licences: the most frequent first.
        sizes, orientations, colours: in the order of `SIZES`, `ORIENTATIONS` and `COLOURS`.
        years: by decade, ascending.
        folder: the folder whose subfolders `folders` are: the one that is filtered by, or the deepest that holds all.
        folders: its subfolders in alphabetical order.
        more: how many values of a facet, by its name here, were left out.
    """

    total: int
    formats: tuple[FacetValue, ...] = ()
    sizes: tuple[FacetValue, ...] = ()
    orientations: tuple[FacetValue, ...] = ()
    colours: tuple[FacetValue, ...] = ()
    years: tuple[FacetValue, ...] = ()
    tags: tuple[FacetValue, ...] = ()
    creators: tuple[FacetValue, ...] = ()
    licences: tuple[FacetValue, ...] = ()
    folder: str = ""
    folders: tuple[FacetValue, ...] = ()
    more: Mapping[str, int] = field(default_factory=dict)
