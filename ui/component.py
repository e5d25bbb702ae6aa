"""Components of our own, made of files in `assets/`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from ui import state

ASSETS = Path(__file__).parent / "assets"


def component(name: str) -> Callable[..., Any]:
    """The component made of `assets/NAME.html`, `.css` and `.js`; the one style sheet `shared.css` comes first."""
    html, script = ((ASSETS / f"{name}.{kind}").read_text(encoding="utf-8") for kind in ("html", "js"))
    css = "\n".join((ASSETS / f"{part}.css").read_text(encoding="utf-8") for part in ("shared", name))
    return st.components.v2.component(f"stylesearch.{name}", html=html, css=css, js=script)


def on_event(key: str, act: Callable[[Any], None]) -> Callable[[], None]:
    """A callback for the trigger `act` of the component `key`.

    Args:
        act: called with what the browser sent, which may be anything.
    """

    def called() -> None:
        event = st.session_state[key].act
        if event is not None:
            state.count_step()
            act(event)

    return called
