"""One board: its pictures in their order, what people wrote, and what can be done with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import streamlit as st

from stylesearch.boards import MOST_BYTES
from stylesearch.errors import UsageError
from stylesearch.library import Library
from stylesearch.records import Board, BoardItem
from stylesearch.sheets import PAPERS
from stylesearch.uris import printable
from ui import state
from ui.chosen import MOST_REFERENCES, Chosen
from ui.component import component, on_event
from ui.downloads import download_url
from ui.opened import library
from ui.order import open_transfer
from ui.pictures import picture_url, thumbnail_url
from ui.wording import count

BOARD = "board"  # in the address
DELETED = "deleted_board"  # in the session: the board that was deleted last, its id and name
_TAKEN = "taken_off"  # in the session: the board and the items that were taken off it last

_board = component("board", "board_order", "board_panel")


def show_board(opened: Library, board: Board) -> None:
    """Draws a board."""
    _do_what_was_asked(board)
    taken_from, taken = st.session_state.get(_TAKEN, (None, ()))
    data = {
        "id": board.id,
        "name": board.name,
        "notes": board.notes,
        "items": [_tile(opened, item) for item in board.items],
        "downloads": _downloads(board),
        "mostReferences": MOST_REFERENCES,
        "notices": state.notices(),
        "undo": f"Took {count(len(taken), 'picture')} off." if taken_from == board.id and taken else None,
        "step": state.steps(),
    }
    _board(key=f"board_{board.id}", data=data, on_act_change=on_event(f"board_{board.id}", _on_board))


def _tile(opened: Library, item: BoardItem) -> dict[str, Any]:
    asset = item.asset
    path = asset.paths[0] if asset.paths else item.last_path
    return {
        "id": asset.id,
        "name": item.name,
        "note": item.note,
        "weight": item.weight,
        "missing": item.missing,
        "path": None if path is None else printable(path),
        "thumbnail": thumbnail_url(opened, asset),
        "picture": picture_url(asset),
        "width": asset.width,
        "height": asset.height,
    }


def _downloads(board: Board) -> list[dict[str, Any]]:
    size = sum(item.asset.size for item in board.items)
    amount = f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6)):,} MB"
    ways = {
        "originals.zip": ("Original files", f"ZIP with a list of sources and rights, {amount}"),
        "figma.zip": ("For Figma", "ZIP of numbered pictures, at most 4,096 pixels, and the colours"),
        "sheet.pdf": ("Contact sheet to print", "PDF, on A4 or"),
        "sheet.png": ("Contact sheet as a picture", "PNG"),
        "table.csv": ("Table", "CSV for spreadsheets: everything known of each picture"),
    }
    found: list[dict[str, Any]] = [
        {"name": name, "hint": hint, "href": download_url(board, file), "refused": None, "choices": []}
        for file, (name, hint) in ways.items()
    ]
    found[2]["choices"] = [
        (paper.title(), download_url(board, "sheet.pdf", paper)) for paper in PAPERS if paper != "a4"
    ]
    if size > MOST_BYTES:
        found[0]["refused"] = f"{amount} is more than a ZIP may have here ({MOST_BYTES / 1e9:,.0f} GB)."
    return found


def _do_what_was_asked(board: Board) -> None:
    match state.asked():
        case ("open", (asset_id,)):
            state.open_page("asset", {"id": str(asset_id)})
        case ("find", _):
            state.open_page("search", {})
        case ("transfer", ids):
            open_transfer(board_search(board, ids).like)
        case ("search", ids):
            state.open_page("search", board_search(board, ids).to_address())


def board_search(board: Board, ids: Sequence[int] = ()) -> state.Search:
    """The search that a board is, or some of its pictures are; the heaviest where an address cannot hold all of them.

    Args:
        ids: of these pictures alone, which count even where they do not on the board.
    """
    chosen = [(item.asset.id, item.weight or 1.0) for item in board.items if item.asset.id in ids]
    references = chosen if ids else board.references
    heaviest = sorted(references, key=lambda reference: -reference[1])[:MOST_REFERENCES]
    if len(references) > len(heaviest):
        state.notify(f"A search takes {MOST_REFERENCES} references: the first and heaviest of this board's were taken.")
    return state.Search(like=tuple(Chosen(*reference) for reference in heaviest))


def _on_board(event: Any) -> None:
    board_id = _shown_board()
    if board_id is None:
        return
    taken_from, taken = st.session_state.pop(_TAKEN, (None, ()))
    boards = library().boards
    try:
        match event:
            case {"do": "rename", "text": str(text)}:
                boards.rename(board_id, text)
            case {"do": "describe", "text": str(text)}:
                boards.describe(board_id, text)
            case {"do": "note", "ids": [int(asset_id)], "text": str(text)}:
                boards.note(board_id, asset_id, text)
            case {"do": "weigh", "ids": [*ids], "weight": int() | float() as weight} if _are_ids(ids):
                boards.weigh(board_id, ids, weight)
            case {"do": "move", "ids": [*ids], "before": int() | None as before} if _are_ids(ids):
                boards.move(board_id, ids, before)
            case {"do": "remove", "ids": [*ids]} if _are_ids(ids):
                st.session_state[_TAKEN] = board_id, boards.remove(board_id, ids)
            case {"do": "undo"} if taken_from == board_id:
                boards.put_back(board_id, cast("tuple[BoardItem, ...]", taken))
            case {"do": "delete"}:
                st.session_state[DELETED] = board_id, boards.get(board_id).name
                boards.delete(board_id)
                st.query_params.clear()
            case {"do": "all"}:
                st.query_params.clear()
            case {"do": "open" | "search" | "transfer" as what, "ids": [*ids]} if _are_ids(ids):
                state.ask(what, ids)
            case {"do": "search" | "transfer" | "find" as what}:
                state.ask(what, ())
    except UsageError as exc:
        state.notify(str(exc))


def _shown_board() -> int | None:
    text = st.query_params.get(BOARD, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _are_ids(ids: list[Any]) -> bool:
    """Whether these came from this page; whether they are on the board shows when they are looked up."""
    return bool(ids) and all(type(asset_id) is int and 0 < asset_id < 2**63 for asset_id in ids)
