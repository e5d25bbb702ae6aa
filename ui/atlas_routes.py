"""What the map of styles loads by itself: where the pictures lie, and small pictures in sheets."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageOps
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from stylesearch.atlas import Atlas
from stylesearch.images import read_image
from stylesearch.library import Library
from stylesearch.records import Asset
from ui.pictures import HEADERS, thumbnail_url

SIDE = 128  # pixels of a small picture
COLUMNS = 8
MOST_IN_SHEET = 64
_CACHED_PICTURES = 4_000  # of about 50 kB each, decoded

_LEVELS = 65_535


def points_url(atlas: Atlas) -> str:
    """Where the browser finds `points_of` the map."""
    return f"/map/{atlas.token}/points"


def points_of(atlas: Atlas) -> bytes:
    """What the browser draws, N pictures, little endian: N as uint32, 4 bytes of nothing, N ids as float64, N times
    x and y as uint16 (0 left and bottom, 65,535 right and top), N branches as uint16.
    """
    places = np.round(atlas.positions.astype(np.float64) * _LEVELS)
    parts = (
        np.array([len(atlas), 0], "<u4"),
        atlas.ids.astype("<f8"),  # JavaScript's numbers; exact up to 2^53
        places.astype("<u2"),
        atlas.branches.astype("<u2"),
    )
    return b"".join(part.tobytes() for part in parts)


def atlas_routes(library: Library) -> list[BaseRoute]:
    """The routes of the map. They serve what the library holds and nothing else."""

    @lru_cache(maxsize=_CACHED_PICTURES)
    def small(asset: Asset) -> Image.Image | None:
        path = library.ensure_thumbnail(asset)
        if path is None:
            return None
        return ImageOps.fit(read_image(path), (SIDE, SIDE), Image.Resampling.LANCZOS)

    def points(request: Request) -> Response:
        atlas = library.drawn_atlas()
        if atlas is None or atlas.token != request.path_params["token"]:
            return Response(status_code=404, headers={"Cache-Control": "no-store"})
        return Response(points_of(atlas), media_type="application/octet-stream", headers=HEADERS)

    def sheet(request: Request) -> Response:
        ids = _ids(request.query_params.get("ids", ""))
        if ids is None:
            return Response(status_code=400)
        assets = library.assets(ids)
        rows = -(-len(ids) // COLUMNS)
        drawn = Image.new("RGB", (COLUMNS * SIDE, rows * SIDE), "gray")
        for place, asset_id in enumerate(ids):
            picture = small(assets[asset_id]) if asset_id in assets else None
            if picture is not None:
                row, column = divmod(place, COLUMNS)
                drawn.paste(picture, (column * SIDE, row * SIDE))
        buffer = io.BytesIO()
        drawn.save(buffer, "WEBP", quality=80, method=0)
        return Response(buffer.getvalue(), media_type="image/webp", headers=HEADERS)

    def preview(request: Request) -> Response:
        asset_id = request.path_params["asset_id"]
        asset = library.assets([asset_id]).get(asset_id) if asset_id < 2**63 else None
        return Response(status_code=404) if asset is None else RedirectResponse(thumbnail_url(library, asset))

    return [
        Route("/map/{token}/points", points),
        Route("/map/pictures", sheet),
        Route("/map/pictures/{asset_id:int}", preview),
    ]


def _ids(text: str) -> list[int] | None:
    """The ids that an address names; None where it names none, or too many, or something else."""
    parts = text.split(",")
    if len(parts) > MOST_IN_SHEET or not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in parts):
        return None
    return [int(part) for part in parts]
