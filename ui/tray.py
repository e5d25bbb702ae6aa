"""The tray: the references of a search, and the ways to bring another one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from PIL import Image

from stylesearch.errors import ImageError
from stylesearch.images import read_image
from stylesearch.library import Library
from stylesearch.query import Brushed, Crop
from stylesearch.records import Asset
from stylesearch.uris import printable
from ui import state
from ui.chosen import MOST_REFERENCES, WEIGHTS, Chosen, Key
from ui.component import component, on_event
from ui.opened import library
from ui.pictures import thumbnail_url
from ui.regions import WORDS, counts_whole, region_of
from ui.serve import MAX_UPLOAD_MB
from ui.wording import refused_upload

_tray = component("tray")


def chips(opened: Library, search: state.Search) -> list[dict[str, Any]]:
    """What the browser needs to know of each reference; those that are not known here are left out."""
    keys = [chosen.key for chosen in (*search.like, *search.less)]
    assets = opened.assets([key for key in keys if isinstance(key, int)])
    uploads = state.uploads()
    known = [chosen for chosen in (*search.like, *search.less) if chosen.key in assets or chosen.key in uploads]
    return [
        {
            "key": chosen.key,
            "name": _name(assets.get(chosen.key) if isinstance(chosen.key, int) else uploads[chosen.key]),
            "image": _image(opened, chosen, assets),
            "less": chosen in search.less,
            "weight": chosen.weight,
            "part": "box" if chosen.box is not None else "painted" if chosen.painted is not None else "",
            # What somebody has chosen of a picture is what counts of it, whatever stands out.
            "all": not chosen.in_part and counts_whole(opened, search, chosen.key),
        }
        for chosen in known
    ]


def name_of(opened: Library, key: Key) -> str:
    """What to call a reference."""
    return _name(opened.assets([key]).get(key) if isinstance(key, int) else state.uploads()[key])


def show_tray(
    opened: Library,
    search: state.Search,
    references: Sequence[dict[str, Any]],
    notices: Sequence[str],
    act: Callable[[Any], None],
) -> None:
    """Draws the tray.

    Args:
        references: see `chips`.
        notices: messages to show beneath.
        act: called with what a visitor asks for; see `take_tray_event`.
    """
    data = {
        "references": list(references),
        "text": search.text if opened.reads_texts else None,
        "regions": [{"region": region, "label": WORDS[region]} for region in opened.regions],
        "region": region_of(opened, search),
        "notices": list(notices),
        "weights": WEIGHTS,
        "maxBytes": MAX_UPLOAD_MB * 1_000_000,
        "step": state.steps(),
    }
    _tray(key=state.TRAY, data=data, on_act_change=on_event(state.TRAY, act))


def take_tray_event(event: Any) -> None:
    """Does what a visitor asked of the tray.

    Args:
        event: {"do": "add", "files": [{"name", "data"}]}, {"do": "pick", "ids": [int], "less": bool}, {"do": "text",
            "text"}, {"do": "remove" | "turn" | "crop", "key"}, {"do": "weigh", "key", "weight"}, {"do": "region",
            "region"} or {"do": "clear"}; anything else is not from this page, and left alone.
    """
    search = state.current()
    match event:
        case {"do": "add", "files": [*files]}:
            search = search.with_references(list(filter(None, map(take_file, files[:MOST_REFERENCES]))))
        case {"do": "pick", "ids": [*ids], "less": bool(less)}:
            known = library().assets([asset_id for asset_id in ids if type(asset_id) is int])
            if len(known) < len(ids):
                state.notify("That picture is not in this library.")
            search = search.with_references(list(known), less=less)
        case {"do": "text", "text": str(text)}:
            search = state.Search.from_address(search.to_address() | {state.TEXT: text})
        case {"do": "region", "region": str(region)} if region in library().regions:
            chosen_region = None if region == library().space.region else region
            search = replace(search, region=chosen_region)
        case {"do": "remove", "key": int() | str() as key}:
            search = search.without_reference(key)
        case {"do": "turn", "key": int() | str() as key}:
            search = search.with_reference(key, less=any(chosen.key == key for chosen in search.like))
        case {"do": "weigh", "key": int() | str() as key, "weight": int() | float() as weight} if weight in WEIGHTS:
            chosen = search.reference(key)
            search = search if chosen is None else search.with_changed(chosen._replace(weight=float(weight)))
        case {"do": "crop", "key": int() | str() as key}:
            state.crop(key)
            return
        case {"do": "clear"}:
            search = search.without_references()
    state.go_to(search)


def take_file(file: Any) -> Key | None:
    """Makes a dropped file a reference; leaves a notice where it cannot be one."""
    match file:
        case {"name": str(name), "data": str(data_url)}:
            pass
        case _:
            return None
    try:
        data = base64.b64decode(data_url.partition(",")[2], validate=True)
        reference = library().load_reference(data)
    except ImageError as exc:
        state.notify(refused_upload(name, exc))
        return None
    except binascii.Error:  # not from this page
        return None
    return state.keep_upload(name, hashlib.sha256(data).hexdigest(), reference)


def _name(source: Asset | state.Upload | None) -> str:
    if isinstance(source, Asset):
        return printable(source.paths[0]).rpartition("/")[2] if source.paths else f"picture {source.id}"
    return source.name if source else ""


def _image(opened: Library, chosen: Chosen, assets: dict[int, Asset]) -> str:
    """Where the browser finds the thumbnail; that of a part is in the address itself."""
    if isinstance(chosen.key, int):
        asset = assets[chosen.key]
        thumbnail = thumbnail_url(opened, asset)
        path = opened.ensure_thumbnail(asset)
        if not chosen.in_part or path is None:
            return thumbnail
        data = path.read_bytes()
    else:
        data = state.uploads()[chosen.key].reference.thumbnail
    if chosen.in_part:
        buffer = io.BytesIO()
        _part(chosen, read_image(data)).save(buffer, "WEBP", quality=80)
        data = buffer.getvalue()
    return "data:image/webp;base64," + base64.b64encode(data).decode()


def _part(chosen: Chosen, picture: Image.Image) -> Image.Image:
    """What counts of a picture; what lies around a painted part is transparent."""
    match chosen.of(picture):
        case Crop() as crop:
            return crop.of(picture)
        case Brushed(keep=keep):
            painted = Image.fromarray(keep.astype("uint8") * 255).resize(picture.size, Image.Resampling.BICUBIC)
            shown = picture.copy()
            shown.putalpha(painted)
            return shown.crop(painted.getbbox())
    return picture
