"""The server: Streamlit's own routes, and the pictures of the library beside them.

Started by `ui.serve` as `streamlit run ui/app.py -- FOLDER`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

from stylesearch.errors import StyleSearchError
from stylesearch.settings import Settings
from ui.atlas_routes import atlas_routes
from ui.downloads import download_routes
from ui.opened import open_library
from ui.pictures import picture_routes
from ui.sign_in import guarded
from ui.tiles import tile_routes
from ui.wording import report

try:
    library = open_library(Path(sys.argv[1]))
except StyleSearchError as exc:
    sys.exit(f"Error: {exc}")

routes = [
    *picture_routes(library),
    *atlas_routes(library),
    *download_routes(library),
    *tile_routes(library, Settings.from_environment().tile_bytes),
]
app = st.App(Path(__file__).with_name("page.py"), routes=guarded(routes), on_script_error=report)
