"""What the browser loads by itself: thumbnails, and pictures large enough to look at. Names are digests of content."""

from __future__ import annotations

import io
import threading
from functools import lru_cache
from pathlib import Path

from PIL import Image
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from stylesearch.errors import ImageError
from stylesearch.library import Library
from stylesearch.records import Asset

PICTURE_SIDE = 1600  # pixels, the longest side of what the detail view shows
_CACHED_PICTURES = 64  # of about 0.3 MB each

HEADERS = {
    "Cache-Control": "private, max-age=31536000, immutable",  # the name changes whenever the content does
    "Cross-Origin-Resource-Policy": "same-origin",  # no other site may show them
    "X-Content-Type-Options": "nosniff",
}


def thumbnail_url(library: Library, asset: Asset) -> str:
    """Where the browser finds the asset's thumbnail."""
    library.ensure_thumbnail(asset)
    return f"/thumbnails/{library.thumbnail(asset).relative_to(library.thumbnails).as_posix()}"


def picture_url(asset: Asset) -> str:
    """Where the browser finds the asset's picture, at most `PICTURE_SIDE` pixels long; 404 where its files are gone."""
    return f"/pictures/{asset.id}/{asset.sha256}.webp"


def known_asset(library: Library, asset_id: int, digest: str) -> Asset | None:
    """The asset that an address names; None where the library has none of this id and content."""
    # SQLite refuses integers beyond 64 bits.
    asset = library.assets([asset_id]).get(asset_id) if asset_id < 2**63 else None
    return asset if asset is not None and asset.sha256 == digest else None


def picture_routes(library: Library) -> list[BaseRoute]:
    """The routes behind `thumbnail_url` and `picture_url`; they serve pictures of the library and nothing else."""
    one_at_a_time = threading.Lock()  # a picture at the cap takes 0.6 GB while it is decoded

    @lru_cache(maxsize=_CACHED_PICTURES)
    def shrunk(asset: Asset) -> bytes:
        with one_at_a_time:
            picture = library.picture(asset)
            picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=85, method=2)
        return buffer.getvalue()

    def picture(request: Request) -> Response:
        asset = known_asset(library, request.path_params["asset_id"], request.path_params["digest"])
        if asset is None:
            return Response(status_code=404)
        try:
            return Response(shrunk(asset), media_type="image/webp", headers=HEADERS)
        except ImageError:
            return Response(status_code=404, headers={"Cache-Control": "no-store"})  # the page shows the thumbnail

    return [
        Mount("/thumbnails", _Kept(directory=library.thumbnails)),
        Mount("/vendor", _Kept(directory=Path(__file__).parent / "assets" / "vendor")),
        Route("/pictures/{asset_id:int}/{digest}.webp", picture),
    ]


class _Kept(StaticFiles):
    """Files of one folder; Starlette refuses paths and links that lead out of it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory, check_dir=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response
