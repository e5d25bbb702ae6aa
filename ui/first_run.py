"""What a library without pictures says, and the sample to try things with."""

from __future__ import annotations

import streamlit as st

from stylesearch.library import Library
from ui.sample_job import CONTENTS, STYLES, sample_job
from ui.wording import how_to_add


def show_first_run(opened: Library) -> None:
    """Draws what an empty library shows in the place of pictures."""
    with st.container(key="first_run"):
        st.header("Nothing here yet", anchor=False)
        st.markdown(
            "StyleSearch finds pictures that share a style: colour, tone, texture, line. Give it a folder, and it "
            "learns what your pictures look like. They stay where they are, nothing is changed, and nothing leaves "
            "this machine."
        )
        own, sample = st.columns(2, gap="medium")
        with own, st.container(border=True, height="stretch"):
            st.subheader("Add your pictures", anchor=False)
            st.markdown(
                "In a terminal, with your folder in the place of `PATH`. Pictures show up here as they come in."
            )
            st.code(how_to_add(opened), language=None, wrap_lines=True)
        with sample, st.container(border=True, height="stretch"):
            st.subheader("Or look around first", anchor=False)
            st.markdown(
                f"A sample of {STYLES * CONTENTS} pictures: {CONTENTS} scenes, each in {STYLES} styles. They are drawn "
                "on this machine, into the library's own folder, which takes about a minute."
            )
            busy = sample_job().progress is not None
            st.button(
                "Draw the sample", icon=":material/brush:", type="primary", disabled=busy, on_click=sample_job().start
            )


def show_sample_progress() -> None:
    """Draws how far the sample is, on every page, for as long as it takes."""
    job = sample_job()
    if job.take_failure():
        st.warning("The sample could not be made. The terminal that serves this page says why.")
    if job.progress is not None:
        _show_progress()


@st.fragment(run_every=1)
def _show_progress() -> None:
    progress = sample_job().progress
    if progress is None:
        st.rerun()
    what = "Drawing the sample" if progress.step == "drawing" else "Learning the styles of the sample"
    share = min(progress.done / progress.total, 1.0) if progress.total else 0.0
    with st.container(horizontal=True, vertical_alignment="center", key="sample_progress"):
        st.progress(share, f"{what}: {progress.done} of {progress.total}")
        st.button("Cancel", on_click=sample_job().cancel)
