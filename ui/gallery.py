"""The gallery: pictures in justified rows, with a closer look at each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stylesearch.library import Library
from stylesearch.records import Asset, printable
from ui import state
from ui.component import component, on_event
from ui.pictures import picture_url, thumbnail_url

_gallery = component("gallery")


def tile(library: Library, asset: Asset, likeness: float | None = None) -> dict[str, Any]:
    """What the browser needs to know of one picture.

    Args:
        likeness: cosine of a hit in [-1, 1]; None where nothing was looked for.
    """
    paths = [printable(path) for path in asset.paths]
    return {
        "id": asset.id,
        "thumbnail": thumbnail_url(library, asset),
        "picture": picture_url(asset),
        "width": asset.width,
        "height": asset.height,
        "format": asset.format,
        "bytes": asset.size,
        "name": Path(paths[0]).name if paths else f"picture {asset.id}",
        "paths": paths,
        "likeness": None if likeness is None else round(likeness, 2),
    }


def show_gallery(tiles: Sequence[dict[str, Any]], heading: str, *, more: bool, act: Callable[[Any], None]) -> None:
    """Draws the gallery.

    Args:
        tiles: see `tile`.
        heading: what these pictures are.
        more: whether there are more pictures to load.
        act: called with {"do": "like" | "less", "id": int} or {"do": "more"} when a visitor asks for it.
    """
    data = {"tiles": list(tiles), "heading": heading, "more": more, "step": state.steps()}
    _gallery(key=state.GALLERY, data=data, on_act_change=on_event(state.GALLERY, act))
