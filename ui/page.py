"""The script that Streamlit runs for each visitor and each step."""

from __future__ import annotations

import streamlit as st

from ui import asset_view, atlas_view, boards_view, library_view, search_view, transfer_view
from ui.component import ASSETS
from ui.first_run import show_sample_progress
from ui.sign_in import require_sign_in

st.set_page_config("StyleSearch", str(ASSETS / "icon.svg"), layout="wide")
st.html(ASSETS / "page.css")
st.logo(str(ASSETS / "logo.svg"), size="large")
require_sign_in()
chosen = st.navigation(
    [
        st.Page(search_view.show, title="Search", url_path="search", default=True),
        st.Page(asset_view.show, title="Picture", url_path="asset", visibility="hidden"),
        st.Page(atlas_view.show, title="Atlas", url_path="atlas"),
        st.Page(boards_view.show, title="Boards", url_path="boards"),
        st.Page(transfer_view.show, title="Transfer", url_path="transfer"),
        st.Page(library_view.show, title="Library", url_path="library"),
    ],
    position="top",
)
show_sample_progress()
chosen.run()
