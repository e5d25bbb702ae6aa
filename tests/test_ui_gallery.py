"""The gallery as a designer uses it: keys, several pictures at once, a larger look, sizes, and many pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe import assert_accessible
from browser import running_chromium, running_page
from studio import SHAPES, STYLES, draw
from visiting import focused, names, open_page, tile_of, visitor, wait_for_heading

from indexer.run import index
from stylesearch import Library
from stylesearch.settings import Settings

pytest.importorskip("playwright", reason="playwright is not installed")

PICTURES = 80  # more than are sent at first


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("gallery")
    pictures = folder / "pictures"
    pictures.mkdir()
    for number in range(PICTURES):
        style, shape = list(STYLES)[number % 4], SHAPES[number // 4 % 4]
        draw(style, shape, number).save(pictures / f"{style}-{shape}-{number}.png")
    with Library.create(folder / "studio", encoder="descriptors:lab-gradient") as opened:
        settings = Settings.from_environment()
        index(opened.catalog, opened.encoder, [pictures], thumbnails=opened.thumbnails, settings=settings)
        yield opened


@pytest.fixture(scope="module")
def paths(library) -> dict[str, str]:
    """Path by file name."""
    return {Path(asset.paths[0]).name: asset.paths[0] for asset in library.browse(1000)}


@pytest.fixture(scope="module")
def ids(library) -> dict[str, int]:
    """Asset id by file name."""
    return {Path(asset.paths[0]).name: asset.id for asset in library.browse(1000)}


@pytest.fixture(scope="module")
def address(library) -> Iterator[str]:
    with running_page(library.folder) as url:
        yield url


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def page(chromium, address) -> Iterator[Any]:
    with visitor(chromium, address) as window:
        yield window


def chosen(page: Any) -> list[str]:
    found: list[str] = page.locator(".tile.chosen img").evaluate_all("images => images.map(image => image.alt)")
    return found


def test_the_keyboard_selects(page):
    open_page(page)
    shown = names(page)
    bar = page.get_by_role("toolbar", name="Selected pictures")
    page.locator(".open[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".keys").is_visible()
    page.keyboard.press("Space")
    assert chosen(page) == shown[1:2]
    assert bar.get_by_text("1 selected").is_visible()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    assert chosen(page) == shown[1:5]
    page.keyboard.press("Shift+ArrowLeft")
    assert chosen(page) == shown[1:4]
    page.keyboard.press("Shift+ArrowDown")
    assert len(chosen(page)) > 4
    assert chosen(page)[0] == shown[1]
    assert page.get_by_role("checkbox", name=f"Select {shown[1]}", exact=True).is_checked()
    assert_accessible(page)
    page.keyboard.press("Control+a")
    assert chosen(page) == names(page)
    page.keyboard.press("Escape")
    assert chosen(page) == []
    assert bar.is_hidden()
    page.keyboard.press("Home")
    assert focused(page) == shown[0]


def test_the_pointer_selects_a_range_to_find_more_like_all_of_it(page, ids):
    open_page(page)
    shown = names(page)
    tile_of(page, shown[2]).hover()
    page.get_by_role("checkbox", name=f"Select {shown[2]}", exact=True).click()
    tile_of(page, shown[4]).locator(".open").click(modifiers=["Shift"])
    assert chosen(page) == shown[2:5]
    tile_of(page, shown[3]).locator(".open").click()  # with a selection, a click selects
    tile_of(page, shown[6]).locator(".open").click(modifiers=["Control"])
    assert chosen(page) == [shown[2], shown[4], shown[6]]
    page.get_by_role("button", name="More like these").click()
    wait_for_heading(page, "your 3 references")
    assert page.url.endswith("%2C".join(str(ids[shown[at]]) for at in (2, 4, 6)))
    assert chosen(page) == []
    page.locator(".open[tabindex='0']").focus()
    page.keyboard.press("Space")
    page.keyboard.press("l")
    page.locator(".chip.less").wait_for()


def test_paths_and_a_link_are_copied(page, paths):
    open_page(page)
    shown = names(page)
    for name in shown[:2]:
        tile_of(page, name).hover()
        page.get_by_role("checkbox", name=f"Select {name}", exact=True).click()
    page.get_by_role("button", name="Copy paths").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").splitlines() == [paths[name] for name in shown[:2]]
    page.get_by_role("button", name="Copy link").click()
    page.get_by_role("button", name="Copied").nth(1).wait_for()
    page.goto(page.evaluate("navigator.clipboard.readText()"))
    page.locator(".tile.chosen").nth(1).wait_for()
    assert chosen(page) == shown[:2]


def test_pictures_go_to_a_board(page, library, ids):
    open_page(page)
    name = names(page)[0]
    page.locator(".open[tabindex='0']").focus()
    page.keyboard.press("b")
    dialog = page.get_by_role("dialog", name="Add to a board")
    dialog.get_by_placeholder("Name of a new board").fill("Covers")
    dialog.get_by_role("button", name="Create").click()
    page.get_by_text("Added 1 picture to Covers").wait_for()
    (board,) = library.boards.all()
    assert [item.asset.id for item in library.boards.get(board.id).items] == [ids[name]]


def test_a_resting_pointer_shows_a_larger_picture(page):
    open_page(page)
    size = page.get_by_role("slider", name="Size of the pictures")
    size.fill("80")
    assert page.locator(".tile").first.bounding_box()["height"] < 110
    name = names(page)[3]
    tile_of(page, name).hover()
    preview = page.locator(".preview")
    preview.get_by_text(f"{name} · 160 × 120").wait_for()
    assert preview.locator("img").bounding_box()["width"] == 160
    page.mouse.move(600, 5)
    preview.wait_for(state="hidden")
    size.fill("300")
    page.reload()
    page.locator(".tile").first.wait_for()
    assert page.get_by_role("slider", name="Size of the pictures").input_value() == "300"
    assert page.locator(".tile").first.bounding_box()["height"] >= 300


def test_more_pictures_are_sent_once_and_again_where_they_were_lost(page):
    open_page(page)
    assert page.locator(".tile").count() == 60
    sent: list[int] = []
    page.context.pages[0].on(
        "websocket", lambda socket: socket.on("framereceived", lambda frame: sent.append(len(frame)))
    )
    page.reload()
    page.locator(".tile").nth(59).wait_for()
    first = max(sent)
    sent.clear()
    page.get_by_role("button", name="Show more").scroll_into_view_if_needed()
    page.locator(".tile").nth(PICTURES - 1).wait_for()
    assert max(sent) < first  # twenty more and not eighty
    shown = names(page)
    page.get_by_role("link", name="Library").click()
    page.get_by_text("Add pictures").wait_for()
    page.get_by_role("link", name="Search").click()
    page.locator(".tile").nth(PICTURES - 1).wait_for()
    assert names(page) == shown


def test_many_at_once_come_by_themselves_and_stay_selected(page, ids):
    open_page(page)
    page.get_by_role("button", name="Show more").scroll_into_view_if_needed()
    page.locator(".tile").nth(PICTURES - 1).wait_for()
    last = names(page)[-1]
    open_page(page, f"?n=120&select={ids[last]}")
    page.locator(".tile").nth(PICTURES - 1).wait_for(state="attached")
    page.locator(".bar output", has_text="1 selected").wait_for()
    assert chosen(page) == [last]


def test_a_narrow_window_and_a_wide_one(chromium, address):
    for width, columns in ((390, range(2, 5)), (2560, range(5, 14))):
        with visitor(chromium, address, viewport={"width": width, "height": 900}) as page:
            open_page(page)
            tops = page.locator(".tile").evaluate_all("tiles => tiles.map((tile) => tile.getBoundingClientRect().top)")
            assert tops.count(tops[0]) in columns
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
