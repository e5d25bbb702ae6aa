"""One picture: large, what is known of it, why it is like a reference, and what is like it."""

from __future__ import annotations

import base64
import threading
from dataclasses import replace
from typing import Any, cast

import streamlit as st

from stylesearch.errors import ImageError, StyleSearchError, UsageError
from stylesearch.library import Library
from stylesearch.palette import hex_of
from stylesearch.query import Box, Brushed, Crop, PictureSource, Query
from stylesearch.records import Asset, Details
from stylesearch.uris import printable
from ui import state
from ui.boards_view import choose_board
from ui.chosen import Chosen, read_chosen
from ui.component import component, on_event
from ui.facts import facts, generation
from ui.gallery import tile
from ui.heat import why_of
from ui.opened import library
from ui.order import open_transfer
from ui.origins import descendants, origin
from ui.painted import box_around
from ui.pictures import picture_url, thumbnail_url
from ui.regions import WORDS, region_of, space_of, subject_of
from ui.tiles import LEAST_LEVEL, OVERLAP, TILE_SIDE, tiles_url, top_level
from ui.tray import chips

ID = "id"  # in the address
AGAINST = "against"  # in the address: the reference that the picture is compared with

_MOST_PLACES = 50
_NEIGHBOURS = 24
_LONGEST_TAG = 200
_REMEMBERED = 32  # explanations, of about 30 kB each
_one_at_a_time = threading.Lock()  # two pictures at the cap take 1.2 GB while they are compared

_asset = component("asset", "zoom")


def show() -> None:
    """Draws the view."""
    state.leave_search()
    opened, search = library(), state.Search.from_address(st.query_params)
    _do_what_was_asked(search)
    details = _details(opened, st.query_params.get(ID, ""))
    if details is None:
        st.info("There is no such picture in this library. Pick one from Search.")
        return
    if search.region not in opened.regions:
        search = replace(search, region=None)
    asset, region = details.asset, region_of(opened, search)
    compared = _compared_with(search, asset.id)
    references = chips(opened, compared)
    reference = compared.reference(references[0]["key"]) if references else None
    _asset(
        key=state.ASSET,
        data={
            **_picture(opened, asset),
            **_known(opened, details),
            "origin": origin(opened, opened.lineage(asset.id)),
            "descendants": descendants(opened, asset.id),
            "references": references,
            "reference": None if reference is None else _compared(opened, reference, references[0]["name"]),
            "why": None if reference is None else _explained().get(_pair(asset.id, reference)),
            "subject": subject_of(opened, asset),
            "neighbours": _neighbours(opened, asset, space_of(opened, search)),
            "region": "" if region == "whole" else WORDS[region].lower(),
            "searching": search.looking,
            "notices": state.notices(),
            "step": state.steps(),
        },
        on_act_change=on_event(state.ASSET, _on_asset),
    )


def _do_what_was_asked(search: state.Search) -> None:
    match state.asked():
        case ("board", ids):
            choose_board(ids)
        case ("transfer", (asset_id,)):
            open_transfer([Chosen(asset_id)])
        case ("like" | "less" as side, (asset_id,)):
            state.open_page("search", search.with_reference(asset_id, less=side == "less").to_address())
        case ("back", _):
            state.open_page("search", search.to_address())


def _details(opened: Library, written: str) -> Details | None:
    if not (written.isascii() and written.isdecimal() and len(written) < 16):
        return None
    try:
        return opened.find(int(written))
    except UsageError:
        return None


def _compared_with(search: state.Search, asset_id: int) -> state.Search:
    """The references of the search that the picture can be compared with; the one that it is compared with first."""
    named = read_chosen(st.query_params.get(AGAINST, ""))[:1]
    first = tuple(search.reference(chosen.key) or chosen for chosen in named)
    rest = tuple(chosen for chosen in search.like if chosen not in first)
    return state.Search(like=tuple(chosen for chosen in (*first, *rest) if chosen.key != asset_id))


def _picture(opened: Library, asset: Asset) -> dict[str, Any]:
    """What the browser needs to show a picture large."""
    return {
        **tile(opened, asset),
        "tiles": tiles_url(asset),
        "tileSide": TILE_SIDE,
        "overlap": OVERLAP,
        "levels": [LEAST_LEVEL, top_level(asset.width, asset.height)],
    }


def _compared(opened: Library, reference: Chosen, name: str) -> dict[str, Any]:
    """What the browser needs to show the reference beside the picture."""
    if isinstance(reference.key, int):
        shown = _picture(opened, opened.assets([reference.key])[reference.key])
    else:
        picture, upload = state.picture_of_upload(reference.key), state.uploads()[reference.key].reference
        shown = {
            "picture": _data_url(upload.picture),
            "thumbnail": _data_url(upload.thumbnail),
            "width": picture.width,
            "height": picture.height,
        }
    return {**shown, "key": reference.key, "name": name}


def _data_url(webp: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}"


def _known(opened: Library, details: Details) -> dict[str, Any]:
    asset, looks = details.asset, details.appearance
    places = opened.places(asset, _MOST_PLACES)
    return {
        "title": details.metadata.title or "",
        "palette": [{"hex": hex_of(colour), "share": colour.share} for colour in looks.palette] if looks else [],
        "facts": facts(details),
        "generation": generation(details.metadata),
        "tags": [{"name": name, "own": "file" not in by} for name, by in details.tags.items()],
        "places": [{"path": printable(path), "there": there} for path, there in places],
        "morePlaces": len(asset.paths) - len(places),
    }


def _neighbours(opened: Library, asset: Asset, space: str | None) -> list[dict[str, Any]]:
    """What is closest in style, copies left out."""
    try:
        hits = opened.search(Query(references=asset.id, k=2 * _NEIGHBOURS), space=space)
    except StyleSearchError:  # it has no vector in this space
        return []
    return [
        {
            "id": hit.asset.id,
            "name": tile(opened, hit.asset)["name"],
            "thumbnail": thumbnail_url(opened, hit.asset),
            "picture": picture_url(hit.asset),
            "width": hit.asset.width,
            "height": hit.asset.height,
        }
        for hit, *_ in opened.fold(hits)[:_NEIGHBOURS]
    ]


def _on_asset(event: Any) -> None:
    details = _details(library(), st.query_params.get(ID, ""))
    if details is None:
        return
    asset_id = details.asset.id
    match event:
        case {"do": "like" | "less" | "board" | "transfer" | "back" as what}:
            state.ask(what, [asset_id])
        case {"do": "open", "id": int(other)}:  # a neighbour, to be compared with what it is a neighbour of
            st.query_params.update({ID: str(other), AGAINST: str(asset_id)})
        case {"do": "against", "key": int() | str() as key}:
            st.query_params[AGAINST] = str(key)
        case {"do": "explain"}:
            _explain(details)
        case {"do": "tag", "name": str(name)}:
            _tag(asset_id, add=[name[:_LONGEST_TAG]])
        case {"do": "untag", "name": str(name)}:
            _tag(asset_id, remove=[name[:_LONGEST_TAG]])


def _tag(asset_id: int, **changes: list[str]) -> None:
    try:
        library().tag([asset_id], **changes)
    except StyleSearchError as exc:
        state.notify(str(exc))


def _explain(details: Details) -> None:
    compared = _compared_with(state.Search.from_address(st.query_params), details.asset.id)
    references = chips(library(), compared)
    reference = compared.reference(references[0]["key"]) if references else None
    if reference is None:
        return
    why: dict[str, Any]
    try:
        with _one_at_a_time:
            source, box = _source(reference)
            why = why_of(library().explain(source, details.asset.id), box)
    except ImageError:
        why = {"problem": "The file of one of the two pictures is not there now, so they cannot be compared."}
    except StyleSearchError as exc:
        why = {"problem": str(exc)}
    known = _explained()
    known[_pair(details.asset.id, reference)] = why
    while len(known) > _REMEMBERED:
        del known[next(iter(known))]


def _source(reference: Chosen) -> tuple[PictureSource | Crop, Box | None]:
    """What to compare with, and which part of its picture that is; of what somebody painted, the box around it."""
    source = reference.key if isinstance(reference.key, int) else state.picture_of_upload(reference.key)
    part = reference.of(source)
    if isinstance(part, Brushed):
        part = Crop(source, box_around(part.keep))
    return part, part.box if isinstance(part, Crop) else None


def _explained() -> dict[str, dict[str, Any]]:
    """The explanations of this visit, by `_pair`."""
    return cast("dict[str, dict[str, Any]]", st.session_state.setdefault(state.EXPLAINED, {}))


def _pair(asset_id: int, reference: Chosen) -> str:
    return f"{asset_id} {reference._replace(weight=1.0)}"
