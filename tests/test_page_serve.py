"""Starting and stopping the page."""

from __future__ import annotations

import signal
import socket

import pytest
from browser import free_port, running_chromium, running_page, start_page
from studio import draw, draw_studio

from indexer.run import index
from stylesearch import Library
from stylesearch.errors import UsageError
from stylesearch.settings import Settings
from ui.serve import serve


@pytest.fixture
def library(tmp_path):
    draw_studio(tmp_path / "pictures")
    for seed in range(60):
        draw("riso", "ring", seed).resize((40, 30)).save(tmp_path / "pictures" / f"{seed}.png")
    with Library.create(tmp_path / "studio", encoder="descriptors:lab-gradient") as opened:
        roots, settings = [tmp_path / "pictures"], Settings.from_environment()
        index(opened.catalog, opened.encoder, roots, thumbnails=opened.thumbnails, settings=settings)
        opened.refresh()
        yield opened.folder


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_page_ends_quietly(tmp_path, end):
    Library.create(tmp_path / "empty", encoder="descriptors:lab-gradient").close()
    server = start_page(tmp_path / "empty", free_port())
    server.send_signal(end)
    output, _ = server.communicate(timeout=20)
    assert server.returncode == 0
    assert "Traceback" not in output
    assert len(output.splitlines()) == 1


def test_a_port_that_is_taken_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"127.0.0.1:{port}.*--port {port + 1}"):
            serve(tmp_path, port=port, open_browser=False)


def test_an_error_of_the_library_is_shown_as_its_message(library):
    (index_file,) = (library / "index").iterdir()
    with running_page(library) as address, running_chromium() as browser:
        page = browser.new_page()
        page.goto(address)
        page.locator(".tile").first.wait_for()
        index_file.write_bytes(b"damaged")
        page.locator(".tile").first.hover()
        page.get_by_role("button", name="More like").first.click()
        page.get_by_test_id("stAlert").get_by_text("stylesearch rebuild").wait_for()
        assert page.get_by_text("Traceback").count() == 0


def test_scrolling_on_loads_more(library):
    with running_page(library) as address, running_chromium() as browser:
        page = browser.new_page(viewport={"width": 600, "height": 400})
        page.goto(address)
        page.locator(".tile").first.wait_for()
        assert page.locator(".tile").count() == 60
        first = page.locator(".tile img").first.get_attribute("src")
        page.get_by_role("button", name="Show more").scroll_into_view_if_needed()
        page.locator(".tile").nth(75).wait_for()
        assert page.locator(".tile").count() == 76
        assert page.get_by_role("button", name="Show more").is_hidden()
        assert page.locator(".tile img").first.get_attribute("src") == first


def test_an_empty_library_says_how_to_begin(tmp_path):
    Library.create(tmp_path / "empty", encoder="descriptors:lab-gradient").close()
    with running_page(tmp_path / "empty") as address, running_chromium() as browser:
        page = browser.new_page()
        page.goto(address)
        page.get_by_text("Nothing here yet").wait_for()
        page.get_by_text(f"stylesearch index PATH --library {tmp_path / 'empty'}").wait_for()
