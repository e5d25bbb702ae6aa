"""The library: what is in it, what was refused and why, how to add more."""

from __future__ import annotations

import streamlit as st

from stylesearch.records import path_of_uri, printable
from ui import state
from ui.opened import library
from ui.wording import encoder, how_to_add, reason, verbatim

_SECONDS = 3  # between two looks at a library that may be growing
_MOST_REFUSALS = 200


def show() -> None:
    """Draws the view."""
    state.leave_search()
    with st.container(key="library"):
        _totals()
        st.subheader("Add pictures")
        st.markdown("In a terminal. Name a folder or single files; what is here already is not read again.")
        st.code(how_to_add(library()), language=None)


@st.fragment(run_every=_SECONDS)
def _totals() -> None:
    """Counts and refused files, looked at again every few seconds."""
    status = library().status()
    counts = status.counts
    st.subheader(verbatim(status.folder.name))
    st.caption(f"{verbatim(str(status.folder))}  \nStyles are compared {verbatim(encoder(status.space))}.")
    totals = {
        "Pictures": (status.searchable, "Different pictures that can be searched"),
        "Files": (counts.locations, "Copies of one picture count as several files"),
        "Gone": (counts.gone, "Files that were here once and have been deleted, or moved to where nobody looked"),
        "Refused": (counts.refused, "Files that could not be used"),
    }
    for column, (name, (number, meaning)) in zip(st.columns(len(totals)), totals.items(), strict=True):
        column.metric(name, f"{number:,}", help=meaning)
    if counts.refused:
        _refusals()


def _refusals() -> None:
    refusals = library().refusals()
    shown = refusals[:_MOST_REFUSALS]
    st.subheader("Files that could not be used")
    st.table(
        {
            "File": [verbatim(printable(path_of_uri(refusal.stat.uri))) for refusal in shown],
            "Why": [reason(refusal.reason) for refusal in shown],
            "In detail": [verbatim(refusal.message) for refusal in shown],
        },
        hide_index=True,
        border="horizontal",
    )
    if len(refusals) > len(shown):
        st.caption(f"The first {len(shown):,} of {len(refusals):,}. All of them: `stylesearch errors`")
