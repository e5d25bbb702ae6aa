"""Starting and stopping the page, and what it does where there is little or much to show, or something is broken."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from browser import free_port, running_chromium, running_page, start_page
from studio import draw

from indexer.run import index
from stylesearch import Library
from stylesearch.errors import UsageError
from stylesearch.settings import Settings
from ui.serve import serve

PICTURES = 70  # more than are shown at once


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Iterator[Library]:
    pictures = tmp_path_factory.mktemp("pictures")
    for seed in range(PICTURES):
        draw("riso", "ring", seed).resize((40, 30)).save(pictures / f"{seed}.png")
    with Library.create(tmp_path_factory.mktemp("library") / "rings", encoder="descriptors:lab-gradient") as opened:
        settings = Settings.from_environment()
        index(opened.catalog, opened.encoder, [pictures], thumbnails=opened.thumbnails, settings=settings)
        opened.refresh()
        yield opened


@pytest.fixture(scope="module")
def address(library) -> Iterator[str]:
    with running_page(library.folder) as url:
        yield url


def test_a_port_that_is_taken_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"127.0.0.1:{port}.*--port {port + 1}"):
            serve(tmp_path, port=port, open_browser=False)


def test_an_empty_library_says_how_to_begin_and_the_page_ends_quietly(tmp_path, chromium):
    Library.create(tmp_path / "empty", encoder="descriptors:lab-gradient").close()
    port = free_port()
    server = start_page(tmp_path / "empty", port)
    page = chromium.new_page()
    page.goto(f"http://127.0.0.1:{port}")
    page.get_by_text("Nothing here yet").wait_for()
    page.get_by_text(f"stylesearch index PATH --library {tmp_path / 'empty'}").wait_for()
    server.send_signal(signal.SIGINT)
    output, _ = server.communicate(timeout=20)
    page.close()
    assert server.returncode == 0
    assert "Traceback" not in output
    assert len(output.splitlines()) == 1


def test_scrolling_on_loads_more(address, chromium):
    page = chromium.new_page(viewport={"width": 600, "height": 400})
    page.goto(address)
    page.locator(".tile").first.wait_for()
    assert page.locator(".tile").count() == 60
    first = page.locator(".tile img").first.get_attribute("src")
    page.get_by_role("button", name="Show more").scroll_into_view_if_needed()
    page.locator(".tile").nth(PICTURES - 1).wait_for()
    assert page.locator(".tile").count() == PICTURES
    assert page.get_by_role("button", name="Show more").is_hidden()
    assert page.locator(".tile img").first.get_attribute("src") == first
    page.close()


def test_a_damaged_index_is_shown_as_its_message_until_it_is_rebuilt(library, chromium):
    (index_file,) = (library.folder / "index").glob("*.vectors")
    index_file.write_bytes(b"damaged")
    with running_page(library.folder) as address:
        page = chromium.new_page()
        page.goto(f"{address}/?like=1")
        page.get_by_test_id("stAlert").get_by_text("stylesearch rebuild").wait_for()
        assert page.get_by_text("Traceback").count() == 0
        library.rebuild()
        page.reload()
        page.locator(".tile").first.wait_for()
        page.close()
