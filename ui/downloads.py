"""Boards to take away: the ZIPs, sheets and tables behind the links of a board."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from shutil import rmtree
from urllib.parse import quote

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from stylesearch.boards import ExportKind, safe_name
from stylesearch.errors import StyleSearchError, UsageError
from stylesearch.library import Library
from stylesearch.records import Board
from stylesearch.sheets import PAPERS, Paper

_KINDS: dict[str, ExportKind] = {
    "originals.zip": "originals",
    "figma.zip": "figma",
    "sheet.pdf": "sheet",
    "sheet.png": "sheet",
    "table.csv": "csv",
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",  # no other site may have them
    "X-Content-Type-Options": "nosniff",
}


def download_url(board: Board, file: str, paper: Paper = "a4") -> str:
    """Where the browser finds a board as "originals.zip", "figma.zip", "sheet.pdf", "sheet.png" or "table.csv"."""
    return f"/downloads/boards/{board.id}/{file}" + ("" if paper == "a4" else f"?paper={paper}")


def download_routes(library: Library) -> list[BaseRoute]:
    """The routes behind `download_url`."""
    one_at_a_time = threading.Lock()  # a sheet holds a picture at full size, and a page of small ones

    def download(request: Request) -> Response:
        board_id, file = request.path_params["board_id"], request.path_params["file"]
        kind = _KINDS.get(file)
        paper = request.query_params.get("paper", "a4")
        if kind is None or paper not in PAPERS:
            return Response(status_code=404)
        try:
            export = library.board_export(board_id)
        except UsageError as exc:  # there is no such board
            return PlainTextResponse(str(exc), status_code=404, headers=_HEADERS)
        headers = _HEADERS | {"Content-Disposition": _attachment(export.board, file)}
        try:
            if kind == "originals" or kind == "figma":
                # ZIPs are sent as they are made: nobody waits for gigabytes to be copied first.
                return StreamingResponse(export.stream(kind), media_type="application/zip", headers=headers)
            folder = Path(tempfile.mkdtemp(prefix="stylesearch-"))
            try:
                with one_at_a_time:
                    export.write(folder / file, kind, paper=paper)
            except BaseException:
                rmtree(folder)
                raise
        except StyleSearchError as exc:
            return PlainTextResponse(str(exc), status_code=413, headers=_HEADERS)
        return FileResponse(folder / file, headers=headers, background=BackgroundTask(rmtree, folder))

    return [Route("/downloads/boards/{board_id:int}/{file}", download)]


def _attachment(board: Board, file: str) -> str:
    stem, _, suffix = file.partition(".")
    name = safe_name(board.name) + {"figma": " for Figma", "originals": ""}.get(stem, f" {stem}") + f".{suffix}"
    return f"attachment; filename*=UTF-8''{quote(name)}"
