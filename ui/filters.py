"""The filters: which pictures a search may show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from ui import state
from ui.narrowing import Narrowing

# The formats that are worth a button. A link may name any other.
_FORMATS = {"JPEG": "JPEG", "PNG": "PNG", "WEBP": "WebP", "TIFF": "TIFF", "GIF": "GIF", "AVIF": "AVIF"}


def show_filters(search: state.Search) -> None:
    """Draws a button that opens the filters of a search; a change goes to the address bar."""
    active = bool(search.formats) + bool(search.folder)
    st.session_state[state.FORMAT_FILTER] = list(search.formats)
    st.session_state[state.FOLDER_FILTER] = search.folder
    st.session_state[state.COUNT_CHOICE] = search.count
    label = f"Filters ({active})" if active else "Filters"
    with st.popover(label, icon=":material/tune:", key="filters"):
        st.pills(
            "Format",
            list(dict.fromkeys([*_FORMATS, *search.formats])),
            selection_mode="multi",
            format_func=lambda name: _FORMATS.get(name, name),
            key=state.FORMAT_FILTER,
            on_change=_apply,
        )
        st.text_input("Folder contains", placeholder="for example: posters", key=state.FOLDER_FILTER, on_change=_apply)
        st.segmented_control("Pictures at once", state.COUNTS, required=True, key=state.COUNT_CHOICE, on_change=_apply)


def query_filters(search: state.Search) -> dict[str, Any]:
    """All filters of a search, as keywords of `Query` and `Filters`."""
    narrowing = search.narrowing
    return {
        "formats": search.formats,
        "paths": folder_globs(search.folder),
        "sizes": narrowing.sizes,
        "orientations": narrowing.orientations,
        "colours": narrowing.colours,
        "tags": narrowing.tags,
        "creators": narrowing.creators,
        "licences": narrowing.licences,
        "years": narrowing.years,
        "folders": (narrowing.place,) if narrowing.place else (),
        "whole": True,
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


def _apply() -> None:
    chosen = st.session_state
    search = replace(
        state.current(),
        formats=tuple(sorted(chosen[state.FORMAT_FILTER] or ())),
        folder=(chosen[state.FOLDER_FILTER] or "").strip(),
        count=chosen[state.COUNT_CHOICE] or state.COUNTS[0],
    )
    state.go_to(search)


def _either_case(letter: str) -> str:
    lower, upper = letter.lower(), letter.upper()
    if letter in "*?[":
        return f"[{letter}]"
    return f"[{lower}{upper}]" if lower != upper and len(lower) == len(upper) == 1 else letter
