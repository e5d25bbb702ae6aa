"""Boards: all of them, one of them, and the question which of them pictures should go to."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from stylesearch.errors import UsageError
from ui.opened import library
from ui.wording import count, verbatim


@st.dialog("Add to a board")
def choose_board(asset_ids: Sequence[int]) -> None:
    """Asks which board these pictures should go to, an old one or a new one, and puts them there.

    Call it while the page is drawn, and not from a callback of a widget; it draws over the page.
    """
    boards = library().boards
    holding = boards.holding(asset_ids)
    with st.form("new_board", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("New board", placeholder="Name of a new board", max_chars=200)
        if st.form_submit_button("Create") and name.strip():
            _add(boards.create(name).id, asset_ids)
    for board in boards.all():
        there = holding.get(board.id, 0)
        note = (
            " · holds all of these" if there == len(set(asset_ids)) else f" · holds {there} of these" if there else ""
        )
        label = f"{verbatim(board.name)} · {count(board.count, 'picture')}{note}"
        if st.button(label, key=f"board_{board.id}", width="stretch"):
            _add(board.id, asset_ids)


def _add(board_id: int, asset_ids: Sequence[int]) -> None:
    boards = library().boards
    try:
        added = boards.add(board_id, asset_ids)
        name = verbatim(boards.get(board_id).name)
    except UsageError as exc:
        st.error(verbatim(str(exc)))
        return
    st.toast(f"Added {count(len(added), 'picture')} to {name}" if added else f"Already on {name}")
    st.rerun()
