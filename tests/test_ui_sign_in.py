"""Signing in: a provider, a real browser, and what somebody sees who has not signed in, or may not come in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import free_port, running_chromium, start_page
from oidc import CLIENT, Provider, running_provider
from pictures import draw
from visiting import visitor

from indexer.run import index
from stylesearch import Library
from stylesearch.errors import UsageError
from stylesearch.settings import Settings
from ui.sign_in import may_enter
from ui.sign_in_file import FILE, sign_in_file

pytest.importorskip("playwright", reason="playwright is not installed")


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("sign_in")
    (folder / "pictures").mkdir()
    draw(1).save(folder / "pictures" / "one.png")
    with Library.create(folder / "guarded", encoder="descriptors:lab-gradient") as opened:
        settings = Settings.from_environment()
        index(opened.catalog, opened.encoder, [folder / "pictures"], thumbnails=opened.thumbnails, settings=settings)
        yield opened


@pytest.fixture(scope="module")
def address(library, provider) -> Iterator[str]:
    port = free_port()
    write_file(library.folder, f"http://127.0.0.1:{port}/oauth2callback", provider.address)
    server = start_page(library.folder, port)
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.communicate(timeout=20)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with running_chromium() as browser:
        yield browser


def write_file(folder: Path, redirect: str, provider: str, **left_out: None) -> None:
    values = {
        "redirect_uri": redirect,
        "cookie_secret": "a long secret that only this test knows",
        "client_id": CLIENT,
        "client_secret": "shared",
        "server_metadata_url": f"{provider}/.well-known/openid-configuration",
    }
    lines = [f'{name} = "{value}"' for name, value in values.items() if name not in left_out]
    (folder / FILE).write_text("\n".join(["[auth]", *lines, "[people]", 'allowed = ["@example.org"]']))


def picture_of(library: Library) -> str:
    (asset,) = library.browse(1)
    return f"/pictures/{asset.id}/{asset.sha256}.webp"


def status(window: Any, path: str) -> int:
    """What the browser itself is answered, with the cookies that it has now."""
    answered: int = window.evaluate("path => fetch(path, { cache: 'no-store' }).then((answer) => answer.status)", path)
    return answered


def test_whoever_has_not_signed_in_sees_nothing(chromium, address, library):
    with visitor(chromium, address) as window:
        for path in ("/", "/library", "/boards", "/atlas", "/asset?id=1"):
            window.goto(path)
            window.get_by_role("button", name="Sign in").wait_for()
            assert window.get_by_text("one.png").count() == window.locator(".tile").count() == 0
        (asset,) = library.browse(1)
        thumbnail = library.thumbnail(asset).relative_to(library.thumbnails).as_posix()
        for path in (picture_of(library), f"/thumbnails/{thumbnail}"):
            assert status(window, path) == 401
        forged = {"name": "_streamlit_user", "value": "eyJpc19sb2dnZWRfaW4iOnRydWV9", "url": address}
        window.context.add_cookies([forged])
        assert status(window, picture_of(library)) == 401


def test_somebody_signs_in_looks_around_and_leaves(chromium, address, library, provider):
    provider.person = {"sub": "1", "email": "Ann@Example.org", "email_verified": True}
    with visitor(chromium, address) as window:
        window.goto("/")
        window.get_by_role("button", name="Sign in").click()
        window.locator(".tile img[alt='one.png']").wait_for()
        assert status(window, picture_of(library)) == 200
        window.get_by_role("link", name="Library").click()
        window.get_by_text("Signed in as Ann@Example.org").wait_for()
        window.get_by_role("button", name="Sign out").click()
        window.get_by_role("button", name="Sign in").wait_for()
        assert status(window, picture_of(library)) == 401


def test_somebody_whom_the_provider_knows_and_the_library_does_not(chromium, address, library, provider):
    provider.person = {"sub": "2", "email": "<b>eve</b>@example.com", "email_verified": True}
    with visitor(chromium, address) as window:
        window.goto("/")
        window.get_by_role("button", name="Sign in").click()
        window.get_by_text("You are signed in as <b>eve</b>@example.com, who may not use this library.").wait_for()
        assert status(window, picture_of(library)) == 401
        window.get_by_role("button", name="Sign out").wait_for()


@pytest.mark.parametrize(
    ("person", "allowed", "enters"),
    [
        ({}, [], False),
        ({"is_logged_in": False, "email": "ann@example.org"}, ["ann@example.org"], False),
        ({"is_logged_in": True}, [], True),
        ({"is_logged_in": True}, ["@example.org"], False),
        ({"is_logged_in": True, "email": "ann@example.org"}, ["ANN@example.org"], True),
        ({"is_logged_in": True, "email": "ann@example.org"}, ["@example.org"], True),
        ({"is_logged_in": True, "email": "ann@notexample.org"}, ["@example.org"], False),
        ({"is_logged_in": True, "email": "joann@example.org"}, ["ann@example.org"], False),
        ({"is_logged_in": True, "email": "ann@example.org", "email_verified": False}, ["@example.org"], False),
    ],
)
def test_who_may_enter(person, allowed, enters):
    assert may_enter(person, allowed) is enters


def test_a_file_that_is_incomplete_is_named_before_the_page_starts(tmp_path):
    assert sign_in_file(tmp_path) is None
    write_file(tmp_path, "http://127.0.0.1/oauth2callback", "http://127.0.0.1", client_secret=None)
    with pytest.raises(UsageError, match=r"sign-in.toml' lacks client_secret below \[auth\]"):
        sign_in_file(tmp_path)
    (tmp_path / FILE).write_text("[auth")
    with pytest.raises(UsageError, match="cannot be read"):
        sign_in_file(tmp_path)
    write_file(tmp_path, "http://127.0.0.1/oauth2callback", "http://127.0.0.1")
    assert sign_in_file(tmp_path) == tmp_path / FILE
    (tmp_path / FILE).write_text((tmp_path / FILE).read_text().replace("@example.org", "example"))
    with pytest.raises(UsageError, match="must list addresses"):
        sign_in_file(tmp_path)
