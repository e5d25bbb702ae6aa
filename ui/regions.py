"""The regions of pictures by whose style a library can be searched, as the page speaks of them."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import streamlit as st
from PIL import Image

from stylesearch.library import Library
from stylesearch.records import Asset, Region
from ui import state
from ui.chosen import Key

WORDS: Mapping[Region, str] = {"whole": "Whole picture", "background": "Background", "subject": "Subject"}


def region_of(opened: Library, search: state.Search) -> Region:
    """The region that a search goes by."""
    return search.region or opened.space.region


def space_of(opened: Library, search: state.Search) -> str | None:
    """The space that a search runs in, as `Library.search` takes it."""
    return None if search.region is None else opened.space_of(search.region).name


def counts_whole(opened: Library, search: state.Search, key: Key) -> bool:
    """Whether all of a reference counts in a search by a region, since nothing stands out in it or it lies on white."""
    if region_of(opened, search) == "whole":
        return False
    if isinstance(key, int):
        mask = opened.mask(key)
        return mask is not None and not mask.usable
    known = cast("dict[str, bool]", st.session_state.setdefault(state.LOOKED_AT, {}))
    if key not in known:
        mask = opened.mask(state.picture_of_upload(key))
        known[key] = mask is not None and not mask.usable
    return known[key]


def subject_of(opened: Library, asset: Asset) -> dict[str, Any] | None:
    """What the browser needs to show the subject of a picture.

    Returns:
        "image", the address of a picture that is opaque where the subject is, or None; "note", what to say where there
        is no subject. None where this library goes by whole pictures alone.
    """
    if opened.settings.masker is None:
        return None
    mask = opened.mask(asset.id)
    if mask is None:
        return {"image": None, "note": "Nobody has looked for its subject yet. In a terminal: stylesearch index PATH"}
    if not mask.usable:
        return {"image": None, "note": "Nothing stands out clearly in it, or it lies on white, so all of it counts."}
    return {"image": opaque_where(mask.values), "note": ""}


def opaque_where(values: np.ndarray) -> str:
    """The address of a white picture.

    Args:
        values: how opaque it is, float (h, w) in [0, 1], or bool.
    """
    opacity = np.round(values.astype(np.float32) * 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.dstack([np.full_like(opacity, 255), opacity])).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
