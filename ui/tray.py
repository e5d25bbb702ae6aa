"""The tray: the references of a search, and the ways to bring another one."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from stylesearch.errors import ImageError
from stylesearch.library import Library
from stylesearch.records import printable
from ui import state
from ui.component import component, on_event
from ui.pictures import thumbnail_url
from ui.serve import MAX_UPLOAD_MB
from ui.wording import refused_upload

_tray = component("tray")


def chips(library: Library, search: state.Search) -> list[dict[str, Any]]:
    """What the browser needs to know of each reference; those that are not known here are left out."""
    keys = [*search.like, *search.less]
    assets = library.assets([key for key in keys if isinstance(key, int)])
    uploads = state.uploads()
    found = []
    for key in keys:
        if isinstance(key, int) and key in assets:
            asset = assets[key]
            name = printable(asset.paths[0]).rpartition("/")[2] if asset.paths else f"picture {key}"
            image = thumbnail_url(library, asset)
        elif isinstance(key, str) and key in uploads:
            name = uploads[key].name
            image = "data:image/webp;base64," + base64.b64encode(uploads[key].reference.thumbnail).decode()
        else:
            continue
        found.append({"key": key, "name": name, "image": image, "less": key in search.less})
    return found


def show_tray(references: Sequence[dict[str, Any]], notices: Sequence[str], act: Callable[[Any], None]) -> None:
    """Draws the tray.

    Args:
        references: see `chips`.
        notices: messages to show beneath.
        act: called with {"do": "add", "files": [{"name", "data"}]}, {"do": "remove" | "turn", "key"} or {"do": "clear"}
            when a visitor asks for it.
    """
    data = {
        "references": list(references),
        "notices": list(notices),
        "maxBytes": MAX_UPLOAD_MB * 1_000_000,
        "step": state.steps(),
    }
    _tray(key=state.TRAY, data=data, on_act_change=on_event(state.TRAY, act))


def take_upload(library: Library, name: str, data_url: str) -> state.Key | None:
    """Makes a dropped file a reference; leaves a notice where it cannot be one."""
    try:
        data = base64.b64decode(data_url.partition(",")[2], validate=True)
        reference = library.load_reference(data)
    except ImageError as exc:
        state.notify(refused_upload(name, exc))
        return None
    except binascii.Error:  # not from this page
        return None
    return state.keep_upload(name, hashlib.sha256(data).hexdigest(), reference)
