"""The atlas as a designer uses it: a real server, a real library, a real browser with WebGL."""

from __future__ import annotations

import io
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe import assert_accessible
from browser import running_chromium, running_page
from PIL import Image
from studio import SHAPES, STYLES, draw

from indexer.run import index
from stylesearch import Library
from stylesearch.atlas import Atlas
from stylesearch.settings import Settings
from ui.atlas_routes import MOST_IN_SHEET, SIDE, points_of

SEEDS = 3
PICTURES = len(STYLES) * len(SHAPES) * SEEDS


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """Four styles, each in a folder; the map is drawn by the first visitor."""
    folder = tmp_path_factory.mktemp("atlas")
    for style in STYLES:
        (folder / "pictures" / style).mkdir(parents=True)
        for shape in SHAPES:
            for seed in range(SEEDS):
                draw(style, shape, seed).save(folder / "pictures" / style / f"{shape}-{seed}.png")
    with Library.create(folder / "studio", encoder="descriptors:lab-gradient") as opened:
        settings = Settings.from_environment()
        roots = [folder / "pictures"]
        index(opened.catalog, opened.encoder, roots, thumbnails=opened.thumbnails, settings=settings)
        yield opened


@pytest.fixture(scope="module")
def address(library: Library) -> Iterator[str]:
    with running_page(library.folder) as url:
        yield url


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def page(chromium: Any, address: str) -> Iterator[Any]:
    """A visitor's window. Whatever happens in it, no script may fail and no traceback may show."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, base_url=address, reduced_motion="reduce")
    context.set_default_timeout(30_000)
    window = context.new_page()
    errors: list[str] = []
    window.on("pageerror", lambda error: errors.append(str(error)))
    yield window
    assert errors == []
    assert window.get_by_test_id("stException").count() == 0
    context.close()


@pytest.fixture(scope="module")
def atlas(library: Library, chromium: Any, address: str) -> Atlas:
    """The map, which the server draws when it is first asked for."""
    page = chromium.new_page(base_url=address)
    page.goto("/atlas")
    page.locator(".map[data-ready]").wait_for(timeout=120_000)
    page.close()
    drawn = library.drawn_atlas()
    assert drawn is not None
    return drawn


def open_atlas(page: Any, query: str = "") -> Any:
    """Opens the page and waits for points and pictures; the box of the map."""
    page.goto(f"/atlas{query}")
    page.locator(f".map[data-ready='{PICTURES}']").wait_for()
    page.locator(".map[data-pictures]:not([data-pictures='0'])").wait_for()
    return page.locator(".points").bounding_box()


def get(address: str, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(address + path) as response:  # noqa: S310 - our own server
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, b""


def test_the_first_visitor_sees_the_map_being_drawn_and_then_the_map(page, atlas):
    open_atlas(page)
    assert page.get_by_text(f"{PICTURES} pictures, {len(atlas.listed)} style families").is_visible()
    names = page.locator(".family .go > .name").all_text_contents()
    assert names == [family.name for family in atlas.listed] and set(names) & set(STYLES)
    drawn = page.evaluate(
        """async () => {
          const hosts = [...document.querySelectorAll('*')];
          const { shadowRoot } = hosts.find((host) => host.shadowRoot?.querySelector('.atlas'));
          const image = await createImageBitmap(shadowRoot.querySelector('.pictures'));
          const pen = new OffscreenCanvas(image.width, image.height).getContext('2d');
          pen.drawImage(image, 0, 0);
          return pen.getImageData(0, 0, image.width, image.height).data.some((value) => value > 0);
        }"""
    )
    assert drawn


def test_a_family_is_shown_and_selected_by_keyboard_alone(page, atlas):
    open_atlas(page)
    page.locator(".family .go").first.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text(f"{atlas.listed[0].size} pictures selected").wait_for()
    page.get_by_role("button", name="Add to a board").focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_text("Add to a board").wait_for()


@pytest.mark.journey("10 from the atlas to a search")
def test_a_lasso_selects_what_it_surrounds_and_searches_like_that(page, library, atlas):
    box = open_atlas(page)
    page.get_by_role("button", name="Lasso").click()
    corners = [(2, 62), (2, box["height"] - 2), (box["width"] - 2, box["height"] - 2), (box["width"] - 2, 62), (6, 60)]
    page.mouse.move(box["x"] + corners[0][0], box["y"] + corners[0][1])
    page.mouse.down()
    for across, down in corners[1:]:
        page.mouse.move(box["x"] + across, box["y"] + down, steps=12)
    page.mouse.up()
    page.get_by_text(f"{PICTURES} pictures selected").wait_for()
    page.get_by_role("button", name="Search like these").click()
    page.wait_for_url("**/?like=*")
    like = page.url.partition("like=")[2].replace("%2C", ",").split(",")
    assert list(map(int, like)) == atlas.typical(atlas.ids, 5)


def test_pointing_shows_a_picture_and_a_click_opens_it(page, atlas):
    box = open_atlas(page)
    page.keyboard.press("Escape")
    found = None
    for across in np.linspace(0.1, 0.9, 33):
        page.mouse.move(box["x"] + across * box["width"], box["y"] + 0.55 * box["height"])
        if page.locator(".preview").is_visible():
            found = page.locator(".preview img").get_attribute("src")
            break
    assert found is not None, "no picture along the middle of the map"
    shown = int(found.rpartition("/")[2])
    assert shown in atlas.ids
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url(f"**/asset?id={shown}*")


def test_keys_move_and_zoom_and_show_all(page, atlas):
    open_atlas(page)
    page.locator(".points").focus()

    def picture() -> bytes:
        page.wait_for_timeout(300)
        shot: bytes = page.locator(".map").screenshot()
        return shot

    before = picture()
    for key in ("+", "ArrowLeft", "ArrowDown"):
        page.keyboard.press(key)
        after = picture()
        assert after != before, key
        before = after


def test_a_search_leads_to_its_place_on_the_map(page, library, atlas):
    reference = int(atlas.ids[0])
    page.goto(f"/?like={reference}")
    page.get_by_role("button", name="On the map").click()
    page.wait_for_url(f"**/atlas?like={reference}")
    page.get_by_text("pictures closest to your search").wait_for()


def test_hits_of_a_search_are_marked(page, library, atlas):
    open_atlas(page, f"?like={atlas.ids[0]}")
    assert page.get_by_text("pictures closest to your search").is_visible()
    page.goto("/atlas?like=999999999")
    page.locator(".map[data-ready]").wait_for()
    page.get_by_role("alert").get_by_text("999999999").wait_for()


def test_the_atlas_keeps_nobody_out(page, atlas):
    open_atlas(page)
    page.locator("[data-do=parts]").first.click()
    page.locator("[data-do=select]").first.click()
    assert_accessible(page)


def test_without_webgl_the_families_still_work(chromium, address, atlas):
    context = chromium.new_context(base_url=address)
    context.add_init_script(
        "const { getContext } = HTMLCanvasElement.prototype;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...more) {"
        " return kind.includes('webgl') ? null : getContext.call(this, kind, ...more); }"
    )
    page = context.new_page()
    page.goto("/atlas")
    page.get_by_text("it needs WebGL").wait_for(timeout=30_000)
    page.locator("[data-do=select]").first.click()
    page.get_by_role("button", name="Search like these").click()
    page.wait_for_url("**/?like=*", timeout=30_000)
    context.close()


def test_an_empty_library_explains_itself(chromium, tmp_path):
    Library.create(tmp_path / "empty", encoder="descriptors:lab-gradient").close()
    with running_page(tmp_path / "empty") as url:
        page = chromium.new_page(base_url=url)
        page.goto("/atlas")
        page.get_by_text("Nothing here yet").wait_for(timeout=30_000)
        page.close()


def test_the_buffer_holds_what_the_map_says(address, atlas):
    status, data = get(address, f"/map/{atlas.token}/points")
    count = len(atlas)
    assert status == 200 and data == points_of(atlas)
    assert np.frombuffer(data, "<u4", 1)[0] == count
    assert np.array_equal(np.frombuffer(data, "<f8", count, 8), atlas.ids)
    places = np.frombuffer(data, "<u2", 2 * count, 8 + 8 * count).reshape(-1, 2) / 65535
    assert np.abs(places - atlas.positions).max() < 1e-4
    assert np.array_equal(np.frombuffer(data, "<u2", count, 8 + 12 * count), atlas.branches)


def test_sheets_hold_the_pictures_that_were_asked_for(address, library, atlas):
    ids = atlas.ids[:10].tolist()
    status, data = get(address, f"/map/pictures?ids={','.join(map(str, ids))}")
    assert status == 200
    with Image.open(io.BytesIO(data)) as sheet:
        assert sheet.size == (8 * SIDE, 2 * SIDE)
        own = sheet.crop((SIDE, SIDE, 2 * SIDE, 2 * SIDE)).convert("RGB")  # the tenth
    path = Path(library.assets([ids[9]])[ids[9]].paths[0])
    with Image.open(path) as picture:
        expected = picture.convert("RGB").crop((20, 0, 140, 120)).resize((SIDE, SIDE))
    assert np.abs(np.asarray(own, int) - np.asarray(expected, int)).mean() < 25


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/map/0123456789abcdef/points", 404),
        ("/map/..%2flibrary.json/points", 400),
        ("/map/pictures", 400),
        ("/map/pictures?ids=", 400),
        ("/map/pictures?ids=1,x", 400),
        ("/map/pictures?ids=-1", 400),
        (f"/map/pictures?ids={10**30}", 400),
        (f"/map/pictures?ids={','.join(['1'] * (MOST_IN_SHEET + 1))}", 400),
        ("/map/pictures/999999", 404),
        (f"/map/pictures/{10**30}", 404),
    ],
)
def test_forged_addresses_get_nothing(address, path, status):
    assert get(address, path)[0] == status
