"""Signing in through an OpenID Connect provider, where a library's folder holds `sign-in.toml`.

Streamlit does the signing in. What is added here: who may come in, and that pictures, which the browser loads past the
script of the page, are for the same people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME
from streamlit.web.server.starlette.starlette_websocket import _get_signed_cookie_with_chunks as signed_cookie

from ui.opened import library
from ui.sign_in_file import allowed_people
from ui.wording import verbatim


def may_enter(person: Mapping[str, Any], allowed: Sequence[str]) -> bool:
    """Whether somebody who has signed in may use the library.

    Args:
        person: what the provider says.
        allowed: addresses, or "@" and a domain; none: everybody whom the provider lets in.
    """
    if not person.get("is_logged_in"):
        return False
    if not allowed:
        return True
    address = str(person.get("email") or "").casefold()
    if person.get("email_verified") is False or "@" not in address:
        return False
    return any(address == one.casefold() or (one[0] == "@" and address.endswith(one.casefold())) for one in allowed)


def require_sign_in() -> None:
    """Ends the drawing of a page for whoever has not signed in, where that is asked for."""
    allowed = allowed_people(library().folder)
    if allowed is None or may_enter(st.user.to_dict(), allowed):
        return
    with st.container(key="sign_in"):
        st.header("Sign in", anchor=False)
        if st.user.is_logged_in:
            st.markdown(
                f"You are signed in as {verbatim(str(st.user.get('email', '')))}, who may not use this library."
            )
            st.button("Sign out", on_click=st.logout)
        else:
            st.markdown("This library is for people who sign in.")
            st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login)
    st.stop()


def show_visitor() -> None:
    """Draws who has signed in, and the way out."""
    if allowed_people(library().folder) is not None:
        with st.container(horizontal=True, vertical_alignment="center", key="visitor"):
            st.caption(f"Signed in as {verbatim(str(st.user.get('email') or st.user.get('name') or 'somebody'))}")
            st.button("Sign out", type="tertiary", on_click=st.logout)


def guarded(routes: Sequence[BaseRoute]) -> list[BaseRoute]:
    """These routes, for people who have signed in alone, where that is asked for."""
    for route in routes:
        if isinstance(route, (Route, Mount)):
            route.app = _Guard(route.app)
    return list(routes)


class _Guard:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        allowed = allowed_people(library().folder)
        if allowed is None or may_enter(_person(HTTPConnection(scope)), allowed):
            await self._app(scope, receive, send)
        else:
            await PlainTextResponse("Sign in first.", 401)(scope, receive, send)


def _person(connection: HTTPConnection) -> dict[str, Any]:
    cookie = signed_cookie(dict(connection.cookies), USER_COOKIE_NAME)
    said = json.loads(cookie) if cookie else {}
    return said if isinstance(said, dict) else {}
