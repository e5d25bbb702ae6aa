"""The filters of a search as its address holds them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from urllib.parse import unquote

from stylesearch.facets import COLOURS, ORIENTATIONS, SIZES

_MOST_VALUES = 20
_LONGEST_VALUE = 500
_LONGEST_PATH = 4_000
_SEPARATOR = "|"  # names of people and licences have commas in them


@dataclass(frozen=True)
class Narrowing:
    """Which pictures a search may show, beside `Search.formats` and `Search.folder`. The names are those of `Filters`.

    Attributes:
        sizes, orientations, colours: as `stylesearch.facets` names them; a colour may be "#rrggbb".
        tags, creators, licences: as they are written.
        years: the first and the last; None leaves a side open.
        place: the whole path of a folder; "": everywhere.
    """

    sizes: tuple[str, ...] = ()
    orientations: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    creators: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    years: tuple[int | None, int | None] = (None, None)
    place: str = ""

    @classmethod
    def from_address(cls, parameters: Mapping[str, str]) -> Narrowing:
        """Reads the query part of an address; what makes no sense there is left out."""
        lists = {field: _values(parameters.get(name, ""), sensible) for name, (field, sensible) in _LISTS.items()}
        place = parameters.get(PLACE, "")
        place = place if len(place) <= _LONGEST_PATH and not _CONTROL.search(place) else ""
        return cls(**lists, years=_years(parameters.get(YEARS, "")), place=place)

    def to_address(self) -> dict[str, str]:
        """The query part of an address; `from_address` reads it."""
        parts = {
            name: _SEPARATOR.join(map(_without_separator, getattr(self, field))) for name, (field, _) in _LISTS.items()
        }
        first, last = ("" if year is None else str(year) for year in self.years)
        return parts | {YEARS: f"{first}..{last}" if first or last else "", PLACE: self.place}

    @property
    def count(self) -> int:
        """How many of the filters are set."""
        return sum(getattr(self, field.name) != field.default for field in fields(self))


def _is_colour(text: str) -> bool:
    return text in COLOURS or re.fullmatch("#[0-9a-f]{6}", text) is not None


def _is_text(text: str) -> bool:
    return bool(text.strip()) and text.isprintable() and len(text) <= _LONGEST_VALUE


# By name in the address: the field, and what makes sense in it.
_LISTS: Mapping[str, tuple[str, Callable[[str], bool]]] = {
    "size": ("sizes", SIZES.__contains__),
    "shape": ("orientations", ORIENTATIONS.__contains__),
    "colour": ("colours", _is_colour),
    "tag": ("tags", _is_text),
    "creator": ("creators", _is_text),
    "licence": ("licences", _is_text),
}
_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
YEARS = "years"
PLACE = "in"
NAMES = (*_LISTS, YEARS, PLACE)


def _values(text: str, sensible: Callable[[str], bool]) -> tuple[str, ...]:
    given = filter(sensible, map(unquote, text.split(_SEPARATOR)))
    return tuple(dict.fromkeys(given))[:_MOST_VALUES]


def _without_separator(value: str) -> str:
    return value.replace("%", "%25").replace(_SEPARATOR, "%7C")


def _years(text: str) -> tuple[int | None, int | None]:
    found = re.fullmatch(r"(-?[0-9]{1,4})?\.\.(-?[0-9]{1,4})?", text)
    first, last = (int(year) if year else None for year in found.groups()) if found else (None, None)
    return (first, last) if first is None or last is None or first <= last else (None, None)
