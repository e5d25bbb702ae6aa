"""The filters: which pictures a search may show, and how many there are of each kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from stylesearch.facets import Facets
from stylesearch.library import Library
from stylesearch.query import FORMATS, Filters
from ui import state
from ui.component import component, on_event
from ui.facet_parts import parts
from ui.narrowing import NAMES, Narrowing
from ui.opened import library
from ui.saved_view import show_saved
from ui.wording import count

_facets = component("facets")

_PANEL = "facets"
_OPEN = "filters_open"
_TOLD = "told_of_address"
# Facets that are lists of values in a `Narrowing`.
_LISTS = ("sizes", "orientations", "colours", "tags", "creators", "licences")


def show_filters(search: state.Search) -> None:
    """Draws the button that opens the filters, those beside it, and the filters where they are open."""
    _tell_of_nonsense(search)
    known = tuple(name for name in search.formats if name in FORMATS)
    if known != search.formats:
        search = replace(search, formats=known)
        state.go_to(search)
    active = bool(search.formats) + bool(search.folder) + search.narrowing.count
    label = f"Filters ({active})" if active else "Filters"
    with st.container(horizontal=True, width="content", key="search_tools"):
        st.button(label, icon=":material/tune:", key="filters", on_click=_turn)
        show_saved(search)
    if st.session_state.get(_OPEN, False):
        with st.sidebar:
            _show_facets(library(), search)


def query_filters(search: state.Search) -> dict[str, Any]:
    """All filters of a search, as keywords of `Query` and `Filters`."""
    narrowing = search.narrowing
    return {
        "formats": [name for name in search.formats if name in FORMATS],
        "paths": folder_globs(search.folder),
        "sizes": narrowing.sizes,
        "orientations": narrowing.orientations,
        "colours": narrowing.colours,
        "tags": narrowing.tags,
        "creators": narrowing.creators,
        "licences": narrowing.licences,
        "years": narrowing.years,
        "folders": (narrowing.place,) if narrowing.place else (),
        "whole": bool(narrowing.creators or narrowing.licences),
    }


def without_filters(search: state.Search) -> state.Search:
    """The references alone."""
    return replace(search, formats=(), folder="", narrowing=Narrowing())


def folder_globs(text: str) -> list[str]:
    """Globs for a `Query` that keep what lies in or below a folder whose path contains the text, whatever its case."""
    if not text:
        return []
    inner = text.replace("\\", "/").strip("/")
    return [f"*{''.join(map(_either_case, inner))}*/**"]


def changed(search: state.Search, event: Any) -> state.Search:
    """The search after a visitor has done something in the filters; `event` may be anything."""
    narrowing = search.narrowing
    match event:
        case {"do": "toggle", "facet": "formats", "value": str(value)}:
            return replace(search, formats=tuple(sorted(_toggled(search.formats, value.upper()))))
        case {"do": "toggle", "facet": str(facet), "value": str(value)} if facet in _LISTS:
            return _narrowed(search, **{facet: _toggled(getattr(narrowing, facet), value)})
        case {"do": "years", "first": int() | None as first, "last": int() | None as last}:
            return _narrowed(search, years=(first, last))
        case {"do": "years"}:
            return _narrowed(search, years=(None, None))
        case {"do": "place", "value": str(value)}:
            return _narrowed(search, place=value)
        case {"do": "folder", "text": str(text)}:
            return replace(search, folder=text)
        case {"do": "count", "value": int(value)} if value in state.COUNTS:
            return replace(search, count=value)
        case {"do": "clear"}:
            return without_filters(search)
    return search


def _narrowed(search: state.Search, **values: Any) -> state.Search:
    return replace(search, narrowing=replace(search.narrowing, **values))


def _toggled(values: tuple[str, ...], value: str) -> tuple[str, ...]:
    return tuple(one for one in values if one != value) if value in values else (*values, value)


def _show_facets(opened: Library, search: state.Search) -> None:
    facets: Facets = opened.facets(Filters(**query_filters(search)))
    data = {
        "total": count(facets.total, "picture"),
        "active": search != without_filters(search),
        "parts": parts(facets, search),
        "step": state.steps(),
    }
    _facets(key=_PANEL, data=data, on_act_change=on_event(_PANEL, _on_facets))


def _on_facets(event: Any) -> None:
    if isinstance(event, Mapping) and event.get("do") == "close":
        _turn()
    else:
        # By way of an address, which leaves out what makes no sense.
        state.go_to(state.Search.from_address(changed(state.current(), event).to_address()))


def _turn() -> None:
    st.session_state[_OPEN] = not st.session_state.get(_OPEN, False)


def _tell_of_nonsense(search: state.Search) -> None:
    """Says so, once, where a link holds filters that make no sense here."""
    given = {name: value for name, value in st.query_params.items() if name in (*NAMES, state.FORMAT) and value.strip()}
    understood = search.to_address()
    unknown = [name for name in search.formats if name not in FORMATS]
    wrong = [name for name, value in given.items() if _size(value) > _size(understood.get(name, ""))]
    if (wrong or unknown) and st.session_state.get(_TOLD) != given:
        st.toast("A part of this link makes no sense here and was left out.", icon=":material/link_off:")
    st.session_state[_TOLD] = given


def _size(value: str) -> int:
    return len([one for one in value.replace(",", "|").split("|") if one])


def _either_case(letter: str) -> str:
    lower, upper = letter.lower(), letter.upper()
    if letter in "*?[":
        return f"[{letter}]"
    return f"[{lower}{upper}]" if lower != upper and len(lower) == len(upper) == 1 else letter
