"""The library: what is in it, what is being added, what was refused and what to do about it, what it takes."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from stylesearch.records import Run
from stylesearch.running import RunningIndex
from stylesearch.uris import path_of_uri, printable
from ui import state
from ui.opened import library
from ui.regions import WORDS
from ui.sign_in import show_visitor
from ui.wording import advice, count, duration, encoder, how_to_add, megabytes, reason, verbatim

_SECONDS = 3  # between two looks at a library that may be growing
_MOST_REFUSALS = 200
_DISK_SECONDS = 120  # for which what the library takes on disk is remembered


def show() -> None:
    """Draws the view."""
    state.leave_search()
    with st.container(key="library"):
        show_visitor()
        _show_totals()
        st.subheader("Add pictures", anchor=False)
        st.markdown("In a terminal. Name a folder or single files; what is here already is not read again.")
        st.code(how_to_add(library()), language=None, wrap_lines=True)
        _show_spaces()
        _show_disk()
        _show_refusals()


@st.fragment(run_every=_SECONDS)
def _show_totals() -> None:
    """Counts, and how far a run has come, looked at again every few seconds."""
    status = library().status()
    counts = status.counts
    st.header(verbatim(status.folder.name), anchor=False)
    st.caption(f"{verbatim(str(status.folder))}  \nStyles are compared {verbatim(encoder(status.space))}.")
    running = library().running()
    if running is not None:
        _show_running(running)
    totals = {
        "Pictures": (status.searchable, "Different pictures that can be searched"),
        "Files": (counts.locations, "Copies of one picture count as several files"),
        "Gone": (counts.gone, "Files that were here once and have been deleted, or moved to where nobody looked"),
        "Refused": (counts.refused, "Files that could not be used"),
    }
    if counts.missing:
        totals["Away"] = (counts.missing, "Files on a disk that is not there now; their pictures stay")
    for column, (name, (number, meaning)) in zip(st.columns(len(totals)), totals.items(), strict=True):
        column.metric(name, f"{number:,}", help=meaning)
    last = library().last_run()
    if last is not None and running is None:
        st.caption(_last_run(last))


def _show_running(running: RunningIndex) -> None:
    share = running.done / running.found if running.found else 0.0
    found = f"{running.found:,}" if running.scan_finished else f"{running.found:,} found so far"
    parts = [f"**Indexing now:** {running.done:,} of {found}"]
    if running.rate:
        parts.append(f"{running.rate:,.0f} files a second")
    if running.seconds_left is not None:
        parts.append(f"{duration(running.seconds_left)} left")
    if running.refused:
        parts.append(f"{running.refused:,} refused")
    st.progress(min(share, 1.0), "  ·  ".join(parts))


def _last_run(run: Run) -> str:
    ago = duration((datetime.now(UTC) - run.finished).total_seconds())
    numbers = {name: run.report.get(name, 0) for name in ("new", "changed", "moved", "gone", "refused")}
    done = ", ".join(f"{number:,} {name}" for name, number in numbers.items() if isinstance(number, int) and number)
    took = duration((run.finished - run.started).total_seconds())
    stopped = " It was stopped before its end; run it again to go on." if run.report.get("interrupted") else ""
    encoded = run.report.get("encoded")  # also by runs that fill a space with pictures that are no news
    found = done or (
        f"{count(encoded, 'picture')} looked at" if isinstance(encoded, int) and encoded else "nothing new"
    )
    return f"Last run {ago} ago: {found}, in {took}.{stopped}"


def _show_spaces() -> None:
    st.subheader("How styles are compared", anchor=False)
    rows = library().filled_spaces()
    st.table(
        {
            "Model": [verbatim(space.encoder) for space, _ in rows],
            "Style of": [WORDS[space.region].lower() for space, _ in rows],
            "Pictures": [f"{number:,}" for _, number in rows],
            "Searches": ["run here" if space == library().space else "" for space, _ in rows],
        },
        hide_index=True,
        border="horizontal",
    )
    if len(rows) == 1:
        st.markdown(
            "Another model can be added beside it: `stylesearch space add NAME`; so can the style of backgrounds or of "
            "subjects alone: `stylesearch space add --region background`"
        )


def _show_disk() -> None:
    st.subheader("Disk", anchor=False)
    with st.spinner("Looking at the disk…"):
        use = _disk_use(str(library().folder))
    parts = {"Catalog": use[0], "Search index": use[1], "Small pictures": use[2], "Other": use[4]}
    if use[3]:
        parts["Made here"] = use[3]
    for column, (name, size) in zip(st.columns(len(parts)), parts.items(), strict=True):
        column.metric(name, megabytes(size))
    apart = "the catalog, and what was made here," if use[3] else "the catalog"
    st.caption(f"Your pictures stay where they are and are not counted. All but {apart} can be made again.")


@st.cache_data(ttl=_DISK_SECONDS, show_spinner=False)
def _disk_use(_folder: str) -> tuple[int, int, int, int, int]:
    use = library().disk_use()
    return use.catalog, use.index, use.thumbnails, use.created, use.other


@st.fragment(run_every=10 * _SECONDS)
def _show_refusals() -> None:
    refusals = library().refusals(_MOST_REFUSALS)
    total = library().catalog.counts().refused
    if not refusals:
        return
    st.subheader("Files that could not be used", anchor=False)
    st.table(
        {
            "File": [verbatim(printable(path_of_uri(refusal.stat.uri))) for refusal in refusals],
            "Why": [reason(refusal.reason) for refusal in refusals],
            "What to do": [advice(refusal.reason) for refusal in refusals],
            "In detail": [verbatim(refusal.message) for refusal in refusals],
        },
        hide_index=True,
        border="horizontal",
    )
    if total > len(refusals):
        st.markdown(f"The first {len(refusals):,} of {count(total, 'file')}. All of them: `stylesearch errors`")
