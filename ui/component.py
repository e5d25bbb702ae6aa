"""Components of our own, made of files in `assets/`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from ui import state

ASSETS = Path(__file__).parent / "assets"


def component(name: str, *parts: str) -> Callable[..., Any]:
    """The component made of `assets/NAME.html`, `.css` and `.js`.

    Args:
        parts: names of scripts and style sheets that come before its own; the style sheet `shared.css` always does.
    """

    def joined(names: tuple[str, ...], kind: str) -> str:
        files = [ASSETS / f"{one}.{kind}" for one in names]
        return "\n".join(file.read_text(encoding="utf-8") for file in files if file.exists())

    html = (ASSETS / f"{name}.html").read_text(encoding="utf-8")
    css, script = joined(("shared", *parts, name), "css"), joined((*parts, name), "js")
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
