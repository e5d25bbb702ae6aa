"""What the browser needs to know of the facets: their names for people, their values, and what is chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from stylesearch.facets import COLOURS, Facets, FacetValue
from stylesearch.uris import printable
from ui import state

_FORMATS = {
    "WEBP": "WebP",
    "JPEG2000": "JPEG 2000",
    "MATROSKA": "Matroska video",
    "MP4": "MP4 video",
    "AVI": "AVI video",
}
_SIZES = {
    "small": "Small, below 640 px",
    "medium": "Medium, 640 to 1,599 px",
    "large": "Large, 1,600 to 3,999 px",
    "huge": "Huge, from 4,000 px",
}


def parts(facets: Facets, search: state.Search) -> list[dict[str, Any]]:
    """The parts of the panel from top to bottom; those that would be empty are left out."""
    narrowing = search.narrowing

    def listed(facet: str, name: str, chosen: Sequence[str], label: Callable[[str], str] = str) -> dict[str, Any]:
        values = _values(getattr(facets, facet), chosen, label)
        shown = [value["label"] for value in values if value["on"]]
        return {
            "kind": "list",
            "facet": facet,
            "name": name,
            "one": name.lower(),
            "values": values,
            "chosen": ", ".join(shown),
            "more": facets.more.get(facet, 0),
        }

    made = [
        _colours(facets, search),
        listed("formats", "Format", search.formats, lambda name: _FORMATS.get(name, name)),
        listed("sizes", "Size", narrowing.sizes, _SIZES.__getitem__),
        listed("orientations", "Shape", narrowing.orientations, str.capitalize),
        _folders(facets, search),
        listed("tags", "Tag", narrowing.tags),
        _years(facets, search),
        listed("creators", "Creator", narrowing.creators),
        listed("licences", "Licence", narrowing.licences),
        {
            "kind": "choice",
            "facet": "count",
            "name": "Pictures at once",
            "chosen": str(search.count),
            "now": str(search.count),
            "values": [{"value": str(number), "label": str(number)} for number in state.COUNTS],
        },
    ]
    return [part for part in made if part["values"] or part["kind"] == "folders"]


def _values(found: Iterable[FacetValue], chosen: Sequence[str], label: Callable[[str], str]) -> list[dict[str, Any]]:
    """Chosen values stay in the list where no picture has them."""
    known = {value.casefold(): (value, number) for value, number in found}
    on = {value.casefold() for value in chosen}
    missing = [(value, 0) for value in chosen if value.casefold() not in known]
    by_name = {value: value for value in chosen}
    return [
        {
            "value": next((one for one in by_name if one.casefold() == value.casefold()), value),
            "label": label(value),
            "number": number,
            "on": value.casefold() in on,
        }
        for value, number in [*known.values(), *missing]
    ]


def _colours(facets: Facets, search: state.Search) -> dict[str, Any]:
    numbers = dict(facets.colours)
    chosen = search.narrowing.colours
    picked = [colour for colour in chosen if colour not in COLOURS]
    return {
        "kind": "colours",
        "facet": "colours",
        "name": "Colour",
        "chosen": ", ".join(chosen),
        "picked": picked,
        "last": picked[-1] if picked else "#2f67c5",
        "values": [
            {
                "value": name,
                "label": name.capitalize(),
                "swatch": swatch,
                "number": numbers.get(name, 0),
                "on": name in chosen,
            }
            for name, swatch in COLOURS.items()
        ],
    }


def _years(facets: Facets, search: state.Search) -> dict[str, Any]:
    first, last = search.narrowing.years
    decades = [(int(value), number) for value, number in facets.years]
    chosen = first is not None or last is not None
    values = [
        {
            "value": decade,
            "number": number,
            "on": chosen and (first is None or decade + 9 >= first) and (last is None or decade <= last),
        }
        for decade, number in decades
    ]
    return {
        "kind": "years",
        "facet": "years",
        "name": "Year",
        "chosen": f"{first or ''}–{last or ''}" if chosen else "",
        "first": first,
        "last": last,
        "single": first is not None and last == first + 9,
        "values": values,
    }


def _folders(facets: Facets, search: state.Search) -> dict[str, Any]:
    place = search.narrowing.place
    said = [text for text in (_name(place) if place else "", f"“{search.folder}”" if search.folder else "") if text]
    return {
        "kind": "folders",
        "facet": "folders",
        "name": "Folder",
        "chosen": ", ".join(said),
        "text": search.folder,
        "crumbs": [{"value": "", "label": "All"}, *_crumbs(place)],
        "values": [{"value": value, "label": _name(value), "number": number} for value, number in facets.folders],
    }


def _crumbs(place: str) -> list[dict[str, str]]:
    """The last three folders on the way to a place."""
    found: list[dict[str, str]] = []
    while place.strip("/") and len(found) < 3:
        found.append({"value": place, "label": _name(place)})
        place = place.rstrip("/").rpartition("/")[0]
    return found[::-1]


def _name(place: str) -> str:
    return printable(place.rstrip("/").rpartition("/")[2] or place)
