"""The atlas: the whole library on one map, alike styles side by side, and the families that they form."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import streamlit as st

from stylesearch.atlas import Atlas, Family
from stylesearch.errors import StyleSearchError
from stylesearch.library import Library
from stylesearch.query import COUNTER_WEIGHT, Query
from ui import state
from ui.atlas_routes import points_url
from ui.boards_view import choose_board
from ui.chosen import Chosen
from ui.component import component, on_event
from ui.drawing import drawing
from ui.opened import library
from ui.order import open_transfer
from ui.pictures import thumbnail_url
from ui.wording import count, how_to_add, verbatim

HITS = 200  # pictures of a search that are marked on the map
_UNUSUAL = 12
_REFERENCES = 5  # that stand for a selection when something like it is looked for
_MOST_CHOSEN = 10_000
_FEW = 30  # pictures that make no map yet

_KEY = "atlas"
_atlas = component("atlas", "atlas_tiles", "atlas_map")


def show() -> None:
    """Draws the view."""
    state.leave_search()
    opened = library()
    search = state.Search.from_address(st.query_params)
    atlas = opened.drawn_atlas()
    _do_what_was_asked(atlas, search)
    if atlas is None or atlas.outdated:
        _draw(opened, atlas)
    if atlas is not None and len(atlas):
        _show_map(opened, atlas, search)
    elif not opened.status().searchable:
        st.subheader("Nothing here yet")
        st.markdown("The atlas maps a library by style. Add a folder of pictures from a terminal, and come back.")
        st.code(how_to_add(opened), language=None)


def _do_what_was_asked(atlas: Atlas | None, search: state.Search) -> None:
    match state.asked():
        case ("board", ids):
            choose_board(ids)
        case ("open", (asset_id,)):
            state.open_page("asset", {"id": str(asset_id), **search.to_address()})
        case ("like" | "transfer" as what, ids) if atlas is not None:
            typical = atlas.typical(np.array(ids), _REFERENCES)
            if what == "transfer":
                open_transfer([Chosen(one) for one in typical])
            state.open_page("search", state.Search().with_references(typical).to_address())


def _draw(opened: Library, atlas: Atlas | None) -> None:
    """Has the map drawn, unless a visitor wants none, and says how far that is."""
    work = drawing.work
    if atlas is None and not opened.status().searchable:
        return
    if work.error:
        st.error(verbatim(work.error))
        st.button("Try again", on_click=drawing.start, args=(opened,))
    elif work.stopped:
        what = "The map has not been drawn." if atlas is None else "Much has come or gone since this map was drawn."
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(what)
            st.button("Draw the map", type="primary", on_click=drawing.start, args=(opened,))
    else:
        drawing.start(opened)
        _progress(anew=atlas is not None)


@st.fragment(run_every=0.5)
def _progress(*, anew: bool) -> None:
    work = drawing.work
    if not work.running:
        st.rerun()
    what = "Drawing a new map" if anew else "Drawing the map of your library"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(work.share, f"{what}: {work.doing}")
        if st.button("Stop", key="stop_drawing"):
            drawing.stop()


def _show_map(opened: Library, atlas: Atlas, search: state.Search) -> None:
    families, unusual = _families(opened, atlas)
    data = {
        "points": points_url(atlas),
        "count": len(atlas),
        "summary": _summary(atlas),
        "families": families,
        "unusual": unusual,
        "hits": _hits(opened, search),
        "step": state.steps(),
    }
    _atlas(key=_KEY, data=data, on_act_change=on_event(_KEY, _on_act))


def _summary(atlas: Atlas) -> str:
    summary = f"{count(len(atlas), 'picture')}, {len(atlas.listed)} style families"
    if len(atlas) < _FEW:
        summary = f"{count(len(atlas), 'picture')}. A map tells more from about {_FEW} on."
    return summary


def _hits(opened: Library, search: state.Search) -> list[int]:
    """Ids of the pictures closest to a search; a link may hold references that cannot be had here."""
    uploads = state.uploads()
    like, less = (
        [
            (one.key if isinstance(one.key, int) else uploads[one.key].reference.source, one.weight * weight)
            for one in side
            if isinstance(one.key, int) or one.key in uploads
        ]
        for side, weight in ((search.like, 1.0), (search.less, COUNTER_WEIGHT))
    )
    if not like and not search.text:
        return []
    try:
        query = Query(like, counter_references=less, texts=search.text or (), k=HITS, exclude_references=False)
        return [hit.asset.id for hit in opened.search(query)]
    except StyleSearchError as exc:
        st.warning(verbatim(str(exc)))
        return []


@lru_cache(maxsize=2)
def _families(opened: Library, atlas: Atlas) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the browser needs to know of the families and of the unusual pictures."""
    unusual = atlas.unusual(_UNUSUAL)
    shown = {*unusual}
    for family in atlas.listed:
        shown |= {*family.representatives, *(branch.representatives[0] for branch in family.branches)}
    assets = opened.assets(sorted(shown))

    def pictures(ids: tuple[int, ...] | list[int]) -> list[dict[str, Any]]:
        return [{"id": one, "src": thumbnail_url(opened, assets[one])} for one in ids if one in assets]

    def described(family: Family, shown: int) -> dict[str, Any]:
        return {
            "number": family.number,
            "name": family.name,
            "size": family.size,
            "middle": family.middle,
            "pictures": pictures(family.representatives[:shown]),
            "branches": [described(branch, 1) for branch in family.branches],
        }

    return [described(family, 4) for family in atlas.listed], pictures(unusual)


def _on_act(event: Any) -> None:
    match event:
        case {"do": "open" | "board" | "like" | "transfer" as what, "ids": [*ids]} if _are_ids(ids):
            state.ask(what, ids)


def _are_ids(ids: list[Any]) -> bool:
    """Whether these came from this page; whether there are such pictures shows when they are looked up."""
    return 0 < len(ids) <= _MOST_CHOSEN and all(type(one) is int and 0 < one < 2**63 for one in ids)
