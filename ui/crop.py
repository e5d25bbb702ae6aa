"""Choosing the part of a reference that counts: in a box, or with a brush."""

from __future__ import annotations

import base64
from typing import Any

from stylesearch.library import Library
from ui import state
from ui.chosen import box_of
from ui.component import component, on_event
from ui.painted import SIDE, read_painting, take_painting, write_painting
from ui.pictures import picture_url
from ui.regions import opaque_where
from ui.tray import name_of

_crop = component("crop", "box", "brush")


def show_crop(library: Library, search: state.Search) -> None:
    """Draws the reference that is opened over the page; nothing where there is none."""
    key = state.cropped()
    chosen = search.reference(key) if key is not None else None
    if chosen is None:
        return
    if isinstance(chosen.key, int):
        picture = picture_url(library.assets([chosen.key])[chosen.key])
    else:
        encoded = base64.b64encode(state.uploads()[chosen.key].reference.picture)
        picture = f"data:image/webp;base64,{encoded.decode()}"
    cells = None if chosen.painted is None else read_painting(chosen.painted)
    data = {
        "picture": picture,
        "name": name_of(library, chosen.key),
        "box": chosen.box,
        "painting": None if cells is None else opaque_where(cells),
        "cells": SIDE,
        "step": state.steps(),
    }
    _crop(key=state.CROP, data=data, on_act_change=on_event(state.CROP, _on_crop))


def _on_crop(event: Any) -> None:
    search, key = state.current(), state.cropped()
    chosen = search.reference(key) if key is not None else None
    state.crop(None)
    match event:
        case {"do": "use", "box": [int() | float() as left, int() | float() as top, *rest]} if chosen:
            match rest:
                case [int() | float() as right, int() | float() as bottom]:
                    box = box_of(left, top, right, bottom)
                    state.go_to(search.with_changed(chosen._replace(box=box, painted=None)))
        case {"do": "use", "painted": str(sent)} if chosen:
            cells = take_painting(sent)
            if cells is not None:
                state.go_to(search.with_changed(chosen._replace(box=None, painted=write_painting(cells))))
        case {"do": "whole"} if chosen:
            state.go_to(search.with_changed(chosen._replace(box=None, painted=None)))
