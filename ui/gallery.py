"""The gallery: pictures in justified rows, to be looked at closely, chosen, and used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stylesearch.library import Library
from stylesearch.records import Asset
from stylesearch.uris import printable
from ui import state
from ui.component import component, on_event
from ui.pictures import picture_url, thumbnail_url

_gallery = component("gallery", "closer_look", "selection")


def tile(library: Library, asset: Asset, likeness: float | None = None, *, all_of_it: bool = False) -> dict[str, Any]:
    """What the browser needs to know of one picture.

    Args:
        likeness: cosine of a hit in [-1, 1]; None where nothing was looked for.
        all_of_it: whether all of it was compared in a search by a region, since nothing stands out in it.
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
        "all": all_of_it,
    }


def show_gallery(
    tiles: Sequence[dict[str, Any]],
    heading: str,
    *,
    more: bool,
    act: Callable[[Any], None],
    groups: Sequence[Sequence[int]] | None = None,
    sure: float | None = None,
    spread: str | None = None,
    calibrate: bool = False,
    on_map: bool = False,
    hurry: bool = False,
) -> None:
    """Draws the gallery.

    Args:
        tiles: see `tile`. Those that the browser was sent for the same heading and groups before may be left out.
        heading: what these pictures are.
        more: whether there are more pictures to load.
        act: called when a visitor asks for something, with {"do": "like" | "less" | "board" | "transfer" | "open",
            "ids": [int]}, {"do": "sure", "value": float}, {"do": "spread", "value": str}, {"do": "calibrate"},
            {"do": "map"}, {"do": "more"}, or {"do": "again"} where the browser lacks tiles that were left out.
        groups: asset ids of the pictures to show in their order; those after the first of a group are folded under it.
            None: all tiles, each on its own.
        sure: the least score of what is shown, one of `state.SURENESS`; None: nobody can say.
        spread: `state.Search.spread`; None: there is nothing to spread.
        calibrate: offer to find out how sure.
        on_map: offer to show them on the map of the library.
        hurry: ask for more at once, and not only where a visitor has come near the end.
    """
    data = {
        "tiles": list(tiles),
        "groups": [[tile["id"]] for tile in tiles] if groups is None else groups,
        "heading": heading,
        "more": more,
        "calibrate": calibrate,
        "map": on_map,
        "hurry": hurry,
        "sure": sure,
        "steps": state.SURENESS,
        "spread": spread,
        "step": state.steps(),
    }
    _gallery(key=state.GALLERY, data=data, on_act_change=on_event(state.GALLERY, act))
