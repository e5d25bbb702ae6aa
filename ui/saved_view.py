"""Saved searches: kept under a name, for everybody who uses the library."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

import streamlit as st

from stylesearch.errors import StyleSearchError
from stylesearch.records import SavedSearch
from ui import state
from ui.opened import library
from ui.wording import verbatim

_NAME = "saved_name"


def show_saved(search: state.Search) -> None:
    """Draws the button that opens the saved searches."""
    with st.popover("Saved", icon=":material/bookmark:", key="saved"):
        _show_form(search)
        found = library().saved_searches.all()
        if not found:
            st.caption("Searches that you save stand here, for everybody who uses this library.")
        for saved in found:
            with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"saved_{saved.id}"):
                st.button(verbatim(saved.name), key=f"open_{saved.id}", type="tertiary", on_click=_open, args=(saved,))
                st.button(
                    "",
                    key=f"delete_{saved.id}",
                    icon=":material/delete:",
                    type="tertiary",
                    help=f"Delete “{verbatim(saved.name)}”",
                    on_click=library().saved_searches.delete,
                    args=(saved.id,),
                )


def _show_form(search: state.Search) -> None:
    address = search.to_address()
    if not address:
        st.caption("Choose references or filters; then the search can be saved here.")
        return
    with st.form("save_search", border=False, clear_on_submit=True):
        st.text_input("Save this search as", placeholder="for example: blue posters", max_chars=200, key=_NAME)
        st.form_submit_button("Save", on_click=_save, args=(search,))
    if _without_uploads(search) != search:
        st.caption("A picture that you dropped here belongs to your visit alone: it will not be saved.")


def _save(search: state.Search) -> None:
    name = st.session_state[_NAME]
    try:
        library().saved_searches.save(name, urlencode(_without_uploads(search).to_address()))
    except StyleSearchError as exc:
        st.toast(verbatim(str(exc)), icon=":material/error:")
    else:
        st.toast(f"Saved as “{verbatim(name.strip())}”.", icon=":material/bookmark_added:")


def _without_uploads(search: state.Search) -> state.Search:
    """The search without pictures that only this visit knows."""
    like, less = (tuple(one for one in side if isinstance(one.key, int)) for side in (search.like, search.less))
    return replace(search, like=like, less=less)


def _open(saved: SavedSearch) -> None:
    state.go_to(state.Search.from_address(dict(parse_qsl(saved.address))))
