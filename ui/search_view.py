"""The search: references above, filters beside them, pictures below."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from stylesearch.errors import UsageError
from stylesearch.library import Library
from stylesearch.query import Query, ReferenceSource
from ui import state
from ui.filters import folder_globs, show_filters
from ui.gallery import show_gallery, tile
from ui.opened import library
from ui.tray import chips, show_tray, take_upload
from ui.wording import count, how_to_add, verbatim


def show() -> None:
    """Draws the view."""
    opened, search = library(), state.current()
    references = chips(opened, search)
    search = _without_lost(search, {reference["key"] for reference in references})
    with st.container(horizontal=True, key="search_bar"):
        show_tray(references, state.notices(), _on_tray)
        show_filters(search)
    if search.like:
        _show_hits(opened, search)
    else:
        _show_all(opened, search)


def _without_lost(search: state.Search, known: set[state.Key]) -> state.Search:
    lost = [key for key in (*search.like, *search.less) if key not in known]
    for key in lost:
        search = search.without_reference(key)
    if lost:
        state.notify(f"{count(len(lost), 'reference')} of this link cannot be found here any more.")
        state.go_to(search)
    return search


def _show_hits(opened: Library, search: state.Search) -> None:
    number = state.shown(search)
    query = Query(
        references=[_source(key) for key in search.like],
        counter_references=[_source(key) for key in search.less],
        k=number + 1,  # one more tells whether there are more
        paths=folder_globs(search.folder),
        formats=search.formats,
    )
    try:
        hits = opened.search(query)
    except UsageError as exc:  # references that cancel out
        st.warning(verbatim(str(exc)))
        return
    if not hits:
        _say_nothing_found(search)
        return
    tiles = [tile(opened, hit.asset, hit.cosine) for hit in hits[:number]]
    what = "your reference" if len(search.like) == 1 else f"your {len(search.like)} references"
    show_gallery(tiles, f"Closest in style to {what}", more=_more(len(hits), number), act=_on_gallery)


def _show_all(opened: Library, search: state.Search) -> None:
    number = state.shown(search)
    assets = opened.browse(number + 1, paths=folder_globs(search.folder), formats=search.formats)
    if assets:
        tiles = [tile(opened, asset) for asset in assets[:number]]
        heading = "Pick a picture to find more like it" if search.less else "From your library"
        show_gallery(tiles, heading, more=_more(len(assets), number), act=_on_gallery)
    elif search.formats or search.folder:
        _say_nothing_found(search)
    else:
        st.subheader("Nothing here yet")
        st.markdown("Add a folder of pictures from a terminal. They show up here as they come in.")
        st.code(how_to_add(opened), language=None)


def _more(found: int, number: int) -> bool:
    return found > number and number < state.MOST_SHOWN


def _say_nothing_found(search: state.Search) -> None:
    if search.formats or search.folder:
        st.info("No picture passes these filters.")
        st.button("Clear the filters", on_click=state.go_to, args=(replace(search, formats=(), folder=""),))
    else:
        st.info("There is no other picture in the library yet.")


def _source(key: state.Key) -> ReferenceSource:
    return key if isinstance(key, int) else state.uploads()[key].reference.source


def _on_tray(event: Any) -> None:
    search = state.current()
    match event:
        case {"do": "add", "files": [*files]}:
            for file in files[: state.MOST_REFERENCES]:
                match file:
                    case {"name": str(name), "data": str(data)}:
                        key = take_upload(library(), name, data)
                        search = search if key is None else search.with_reference(key)
        case {"do": "remove", "key": int() | str() as key}:
            search = search.without_reference(key)
        case {"do": "turn", "key": int() | str() as key}:
            search = search.with_reference(key, less=key in search.like)
        case {"do": "clear"}:
            search = search.without_references()
    state.go_to(search)


def _on_gallery(event: Any) -> None:
    search = state.current()
    match event:
        case {"do": "like" | "less" as side, "id": int(asset_id)}:
            state.go_to(search.with_reference(asset_id, less=side == "less"))
        case {"do": "more"}:
            state.show_more(search)
