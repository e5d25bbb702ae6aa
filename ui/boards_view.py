"""Boards: all of them, and the question which of them pictures should go to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from stylesearch.errors import UsageError
from stylesearch.library import Library
from stylesearch.records import Board
from ui import state
from ui.board_view import BOARD, DELETED, show_board
from ui.component import component, on_event
from ui.opened import library
from ui.pictures import thumbnail_url
from ui.wording import count, verbatim

_boards = component("boards")

_CHOSEN = "chosen_board"  # in the session: what to say once a board was chosen


def show() -> None:
    """Draws the view: the board that the address names, or all of them."""
    state.leave_search()
    named = st.query_params.get(BOARD)
    if named is not None:
        board = _board_of(named)
        if board is not None:
            show_board(library(), board)
            return
        del st.query_params[BOARD]
    if state.asked() == ("find", ()):
        state.open_page("search", {})
    deleted = st.session_state.get(DELETED)
    _show_boards("boards", _on_boards, undo=deleted and f"Deleted “{deleted[1]}”.")


@st.dialog("Add to a board", width="large")
def choose_board(asset_ids: Sequence[int]) -> None:
    """Asks which board these pictures should go to, an old one or a new one, and puts them there.

    Call it while the page is drawn, and not from a callback of a widget; it draws over the page.
    """
    said = st.session_state.pop(_CHOSEN, None)
    if said is not None:
        st.toast(said)
        st.rerun()
    _show_boards("choose_board", lambda event: _on_choice(event, asset_ids), choosing=asset_ids)


def _show_boards(
    key: str, act: Callable[[Any], None], *, choosing: Sequence[int] | None = None, undo: str | None = None
) -> None:
    opened = library()
    holding = opened.boards.holding(choosing or ())
    data = {
        "boards": [_card(opened, board) | {"holds": holding.get(board.id, 0)} for board in opened.boards.all()],
        "deleted": [] if choosing is not None else [_card(opened, board) for board in opened.boards.all(deleted=True)],
        "choosing": None if choosing is None else len(set(choosing)),
        "notices": state.notices(),
        "undo": undo,
        "step": state.steps(),
    }
    _boards(key=key, data=data, on_act_change=on_event(key, act))


def _card(opened: Library, board: Board) -> dict[str, Any]:
    covers = [thumbnail_url(opened, item.asset) for item in board.items]
    return {"id": board.id, "name": board.name, "count": board.count, "covers": covers}


def _board_of(text: str) -> Board | None:
    """The board that an address names; leaves a notice where there is none."""
    try:
        if not (text.isascii() and text.isdecimal() and len(text) < 19):
            raise UsageError("not a number")
        return library().boards.get(int(text))
    except UsageError:
        state.notify("The board of this link cannot be found here. It may have been deleted.")
        return None


def _on_boards(event: Any) -> None:
    boards = library().boards
    deleted = st.session_state.pop(DELETED, None)
    try:
        match event:
            case {"do": "open", "id": int(board_id)}:
                st.query_params.from_dict({BOARD: str(board_id)})
            case {"do": "create", "name": str(name)}:
                st.query_params.from_dict({BOARD: str(boards.create(name).id)})
            case {"do": "restore", "id": int(board_id)}:
                boards.restore(board_id)
            case {"do": "find"}:
                state.ask("find", ())
            case {"do": "undo"} if deleted is not None:
                boards.restore(deleted[0])
    except UsageError as exc:
        state.notify(str(exc))


def _on_choice(event: Any, asset_ids: Sequence[int]) -> None:
    boards = library().boards
    try:
        match event:
            case {"do": "open", "id": int(board_id)}:
                board = boards.get(board_id)
            case {"do": "create", "name": str(name)}:
                board = boards.create(name)
            case _:
                return
        added = boards.add(board.id, asset_ids)
    except UsageError as exc:
        state.notify(str(exc))
        return
    name = verbatim(board.name)
    st.session_state[_CHOSEN] = (
        f"Added {count(len(added), 'picture')} to **{name}**" if added else f"Already on **{name}**"
    )
