"""The search: references above, filters beside them, pictures below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from stylesearch.errors import ImageError, SpaceMismatchError, UsageError
from stylesearch.library import Library
from stylesearch.query import COUNTER_WEIGHT, Query, ReferenceSource
from stylesearch.records import Hit, Region
from ui import state
from ui.boards_view import choose_board
from ui.chosen import Chosen, Key
from ui.crop import show_crop
from ui.filters import query_filters, show_filters, without_filters
from ui.first_run import show_first_run
from ui.gallery import show_gallery, tile
from ui.opened import library
from ui.order import open_transfer
from ui.regions import WORDS, region_of, space_of
from ui.tray import chips, show_tray, take_tray_event
from ui.wording import count, how_to_add, verbatim

# A threshold is held against so many candidates for each answer that is shown: scores do not fall quite as cosines do.
_CANDIDATES = 4


def show() -> None:
    """Draws the view."""
    opened, search = library(), state.current()
    _do_what_was_asked()
    references = chips(opened, search)
    search = _without_lost(opened, search, {reference["key"] for reference in references})
    with st.container(horizontal=True, key="search_bar"):
        show_tray(opened, search, references, state.notices(), take_tray_event)
        show_filters(search)
    show_crop(opened, search)
    _say_what_counts(references)
    if search.looking:
        _show_hits(opened, search)
    else:
        _show_all(opened, search)


def _say_what_counts(references: Sequence[dict[str, Any]]) -> None:
    """Where a search by a region has to take references as a whole, that a visitor can tell it the part."""
    whole = sum(reference["all"] for reference in references)
    if whole:
        which = "your reference" if len(references) == 1 else f"{whole} of your references"
        st.caption(
            f"Nothing stands out clearly in {which}, or white surrounds it, so all of it counts. To choose a part, "
            "click its small picture above and paint."
        )


def _do_what_was_asked() -> None:
    match state.asked():
        case ("board", ids):
            choose_board(ids)
        case ("transfer", ids):
            search = state.current()
            open_transfer([search.reference(one) or Chosen(one) for one in ids])
        case ("open", (asset_id,)):
            state.open_page("asset", {"id": str(asset_id), **state.current().to_address()})
        case ("map", _):
            state.open_page("atlas", state.current().to_address())
        case ("calibrate", _):
            with st.spinner("Finding out how sure this library can be. It takes a minute or so, once."):
                try:
                    library().calibrate(space=space_of(library(), state.current()))
                except UsageError as exc:
                    state.notify(str(exc))


def _without_lost(opened: Library, search: state.Search, known: set[Key]) -> state.Search:
    """What of the search this library can look for."""
    lost = [chosen.key for chosen in (*search.like, *search.less) if chosen.key not in known]
    for key in lost:
        search = search.without_reference(key)
    if lost:
        state.notify(f"{count(len(lost), 'reference')} of this link cannot be found here any more.")
    wordless = bool(search.text) and not opened.reads_texts
    if wordless:
        search = replace(search, text="")
        state.notify("The model of this library reads no words, so only pictures can be looked for.")
    foreign = search.region is not None and search.region not in opened.regions
    if foreign:
        state.notify(f"This library knows nothing of “{WORDS[region_of(opened, search)].lower()}”: that was left out.")
        search = replace(search, region=None)
    if lost or wordless or foreign:
        state.go_to(search)
    return search


def _show_hits(opened: Library, search: state.Search) -> None:
    number, sent = state.shown(search)
    space = space_of(opened, search)
    # What scores mean was learnt from pictures; words are never as near to a picture as pictures are to each other.
    scored = opened.searching(space).calibrated and not search.text
    sure = search.sure if scored else 0.0
    try:
        with st.spinner("Looking…"):
            hits = _hits(opened, search, number, sure)
            groups = opened.fold(hits[:number])
    except SpaceMismatchError:
        if not _is_empty(opened, space):
            raise
        hits = []
    except (UsageError, ImageError) as exc:  # references that cancel out, a part of a picture whose file is gone
        st.warning(verbatim(str(exc)))
        return
    if not hits and search.region is not None and _is_empty(opened, space):
        st.info(f"Nobody has looked for the {_plural(search.region)} of these pictures yet. In a terminal:")
        st.code(how_to_add(opened), language=None, wrap_lines=True)
        return
    if not hits:
        _say_nothing_found(search, sure)
        return
    region = region_of(opened, search)
    show_gallery(
        [tile(opened, hit.asset, hit.cosine, all_of_it=hit.region != region) for hit in hits[sent:number]],
        _heading(search, region),
        groups=[[hit.asset.id for hit in group] for group in groups],
        more=len(hits) > number and number < state.MOST_SHOWN,
        sure=sure if scored else None,
        spread=search.spread,
        calibrate=not opened.searching(space).calibrated,
        hurry=number < search.count,
        on_map=search.region is None and all(isinstance(one.key, int) for one in (*search.like, *search.less)),
        act=_on_gallery,
    )


def _hits(opened: Library, search: state.Search, number: int, sure: float) -> list[Hit]:
    """As many as are to be shown and one more, which tells whether there are more."""
    query = Query(
        references=[_reference(search, chosen) for chosen in search.like],
        counter_references=[_reference(search, chosen, COUNTER_WEIGHT) for chosen in search.less],
        texts=search.text or (),
        k=_CANDIDATES * number if sure else number + 1,
        group_by=search.spread or None,
        **query_filters(search),
    )
    return opened.search(query, space=space_of(opened, search), min_score=sure or None)[: number + 1]


def _reference(search: state.Search, chosen: Chosen, weight: float = 1.0) -> tuple[ReferenceSource, float]:
    source: ReferenceSource
    if isinstance(chosen.key, int):
        source = chosen.of(chosen.key)
    elif chosen.in_part or search.region is not None:
        source = chosen.of(state.picture_of_upload(chosen.key))
    else:
        source = state.uploads()[chosen.key].reference.source
    return source, weight * chosen.weight


def _is_empty(opened: Library, space: str | None) -> bool:
    """Whether no picture has been looked at for a space."""
    return not len(opened.searching(space).index())


def _plural(region: Region) -> str:
    return "pictures" if region == "whole" else f"{WORDS[region].lower()}s"


def _heading(search: state.Search, region: Region) -> str:
    number = len(search.like)
    pictures = ["your reference" if number == 1 else f"your {number} references"] if number else []
    closest = "Closest" if region == "whole" else f"{_plural(region).capitalize()} closest"
    return f"{closest} in style to " + " and ".join([*pictures, *([f"“{search.text}”"] if search.text else [])])


def _show_all(opened: Library, search: state.Search) -> None:
    number, sent = state.shown(search)
    assets = opened.browse(number + 1, **query_filters(search))
    if assets:
        show_gallery(
            [tile(opened, asset) for asset in assets[sent:number]],
            "Pick a picture to find more like it" if search.less else "From your library",
            groups=[[asset.id] for asset in assets[:number]],
            more=len(assets) > number and number < state.MOST_SHOWN,
            hurry=number < search.count,
            act=_on_gallery,
        )
    elif without_filters(search) != search:
        _say_nothing_found(search)
    else:
        show_first_run(opened)


def _say_nothing_found(search: state.Search, sure: float = 0.0) -> None:
    filtered = without_filters(search) != search
    if sure:
        st.info("Nothing here has this style for sure." + (" The filters leave out the rest." if filtered else ""))
        st.button("Show what comes closest", on_click=state.go_to, args=(replace(search, sure=0.0),))
    elif not filtered:
        st.info("There is no other picture in the library yet.")
        return
    else:
        st.info("No picture passes these filters.")
    if filtered:
        st.button("Clear the filters", on_click=state.go_to, args=(without_filters(search),))


def _on_gallery(event: Any) -> None:
    search = state.current()
    match event:
        case {"do": "like" | "less" as side, "ids": [*ids]} if _are_ids(ids):
            state.go_to(search.with_references(ids, less=side == "less"))
        case {"do": "open" | "board" | "transfer" as what, "ids": [*ids]} if _are_ids(ids):
            state.ask(what, ids)
        case {"do": "sure", "value": int() | float() as least} if least in state.SURENESS:
            state.go_to(replace(search, sure=float(least)))
        case {"do": "spread", "value": "" | "creator" | "folder" as group}:
            state.go_to(replace(search, spread=group))
        case {"do": "calibrate" | "map" as what}:
            state.ask(what, ())
        case {"do": "more"}:
            state.show_more(search)
        case {"do": "again"}:
            state.send_again(search)


def _are_ids(ids: list[Any]) -> bool:
    """Whether these came from this page; whether there are such pictures shows when they are looked up."""
    return 0 < len(ids) <= state.MOST_SHOWN and all(type(asset_id) is int and 0 < asset_id < 2**63 for asset_id in ids)
