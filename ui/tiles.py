"""Large pictures in tiles, for the browser to look into: made when somebody looks, kept on disk for a while."""

from __future__ import annotations

import asyncio
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from PIL import Image
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from stylesearch.errors import ImageError
from stylesearch.library import Library
from stylesearch.records import Asset
from ui.pictures import HEADERS, PICTURE_SIDE, known_asset

TILE_SIDE = 512  # pixels
OVERLAP = 1  # of a tile with each of its neighbours, so that no seam shows between them
LEAST_LEVEL = 9  # level n is at most 2 ** n pixels long, so this one is a single tile

_WHOLE = "whole"  # the file that says that a folder has all of its tiles, and how many bytes they have
_TOUCH_SECONDS = 3600.0
_ABANDONED_SECONDS = 24 * 3600.0
_POLL_SECONDS = 0.03
_MOST_WAITING = 8  # pictures that are to be cut; one at a time, of 0.8 GB at most


def tiles_url(asset: Asset) -> str | None:
    """Where the browser finds the asset's tiles, as `URL/LEVEL/COLUMN_ROW.jpg`; None where its picture has no more to
    show than `picture_url` does."""
    return f"/tiles/{asset.id}/{asset.sha256}" if max(asset.width, asset.height) > PICTURE_SIDE else None


def top_level(width: int, height: int) -> int:
    """The level that shows every pixel; each one below halves the sides, rounded up (Deep Zoom's numbering)."""
    return (max(width, height) - 1).bit_length()


class Pyramids:
    """The tiles of pictures, cut all at once when the first is asked for: the decoded picture can go then.

    Args:
        picture: reads an asset's picture; may raise ImageError.
        folder: for the tiles, `FOLDER/ab/abc.../9/0_0.jpg`.
        most_bytes: what they may take on disk; pictures that were not looked at for longest go first.
    """

    def __init__(self, picture: Callable[[Asset], Image.Image], folder: Path, most_bytes: int) -> None:
        self._picture = picture
        self._folder = folder
        self._most_bytes = most_bytes
        self._worker = ThreadPoolExecutor(1, "tiles")
        self._cutting: dict[str, Future[None]] = {}

    def path(self, asset: Asset, level: int, column: int, row: int) -> Path | None:
        """Where a tile lies or will lie; None where the picture has no such tile."""
        top = top_level(asset.width, asset.height)
        if not LEAST_LEVEL <= level <= top:
            return None
        columns, rows = (-(-_halved(side, top - level) // TILE_SIDE) for side in (asset.width, asset.height))
        inside = 0 <= column < columns and 0 <= row < rows
        return self._place(asset) / f"{level}" / f"{column}_{row}.jpg" if inside else None

    def cut(self, asset: Asset) -> Future[None] | None:
        """Sees to it that the tiles are there.

        Returns:
            what is done when they are, or with an ImageError or OSError when they cannot be; None where there are too
            many pictures before this one.
        """
        whole = self._place(asset) / _WHOLE
        with suppress(OSError):
            if time.time() - whole.stat().st_mtime > _TOUCH_SECONDS:
                whole.touch()
            done: Future[None] = Future()
            done.set_result(None)
            return done
        self._cutting = {key: future for key, future in self._cutting.items() if not future.done()}
        if asset.sha256 not in self._cutting:
            if len(self._cutting) >= _MOST_WAITING:
                return None
            self._cutting[asset.sha256] = self._worker.submit(self._cut, asset)
        return self._cutting[asset.sha256]

    def _place(self, asset: Asset) -> Path:
        return self._folder / asset.sha256[:2] / asset.sha256

    def _cut(self, asset: Asset) -> None:
        picture = self._picture(asset)
        if picture.size != (asset.width, asset.height):  # decoders that have changed since it was indexed
            picture = picture.resize((asset.width, asset.height), Image.Resampling.BICUBIC)
        levels = [picture]
        top = top_level(*picture.size)
        while top - len(levels) >= LEAST_LEVEL:
            levels.append(levels[-1].reduce(2))
        written = 0
        for below, level in reversed(list(enumerate(levels))):  # small ones first: they are shown first
            folder = self._place(asset) / f"{top - below}"
            folder.mkdir(parents=True, exist_ok=True)
            written += sum(_write(tile, folder / name) for name, tile in _tiles(level))
        (self._place(asset) / _WHOLE).write_text(str(written))
        self._trim(keep=self._place(asset))

    def _trim(self, keep: Path) -> None:
        found = []
        for place in self._folder.glob("??/*"):
            with suppress(OSError, ValueError):
                whole = place / _WHOLE
                if whole.exists():
                    found.append((whole.stat().st_mtime, int(whole.read_text()), place))
                elif time.time() - place.stat().st_mtime > _ABANDONED_SECONDS:
                    shutil.rmtree(place)
        excess = sum(size for _, size, _ in found) - self._most_bytes
        for _, size, place in sorted(found):
            if excess > 0 and place != keep:
                (place / _WHOLE).unlink(missing_ok=True)  # first, so that what is left is not taken for all
                shutil.rmtree(place, ignore_errors=True)
                excess -= size


def tile_routes(library: Library, most_bytes: int) -> list[BaseRoute]:
    """The route behind `tiles_url`."""
    pyramids = Pyramids(library.picture, library.folder / "tiles", most_bytes)

    async def tile(request: Request) -> Response:
        numbers = request.path_params
        asset = await run_in_threadpool(known_asset, library, numbers["asset_id"], numbers["digest"])
        if asset is None:
            return Response(status_code=404)
        path = pyramids.path(asset, numbers["level"], numbers["column"], numbers["row"])
        if path is None:
            return Response(status_code=404)
        cut = pyramids.cut(asset)
        if cut is None:
            return Response(status_code=503, headers={"Retry-After": "5"})
        while not (path.exists() or cut.done()):
            if await request.is_disconnected():
                return Response(status_code=499)
            await asyncio.sleep(_POLL_SECONDS)
        try:
            if not path.exists():
                cut.result()
        except (ImageError, OSError):
            return Response(status_code=404, headers={"Cache-Control": "no-store"})  # the page shows less of it
        return FileResponse(path, media_type="image/jpeg", headers=HEADERS)

    return [Route("/tiles/{asset_id:int}/{digest}/{level:int}/{column:int}_{row:int}.jpg", tile)]


def _halved(side: int, times: int) -> int:
    return -(-side // (1 << times))


def _tiles(level: Image.Image) -> Iterator[tuple[str, Image.Image]]:
    """Name and picture of each tile of a level."""
    for row, top in enumerate(range(0, level.height, TILE_SIDE)):
        for column, left in enumerate(range(0, level.width, TILE_SIDE)):
            right, bottom = min(left + TILE_SIDE + OVERLAP, level.width), min(top + TILE_SIDE + OVERLAP, level.height)
            yield f"{column}_{row}.jpg", level.crop((max(0, left - OVERLAP), max(0, top - OVERLAP), right, bottom))


def _write(tile: Image.Image, path: Path) -> int:
    """Writes a tile in one step; returns its bytes."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    tile.save(partial, "JPEG", quality=90, subsampling=0)
    size = partial.stat().st_size
    partial.replace(path)
    return size
