"""Searching by the style of the background or the subject, and by what somebody painted: a real server and browser."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from axe import assert_accessible
from browser import running_chromium, running_page
from PIL import Image, ImageDraw
from sqlalchemy import delete, update
from studio import SHAPES, STYLES, draw
from visiting import answers, open_page, tile_of, upload, visitor

from indexer.run import index
from stylesearch import Library, Query
from stylesearch.catalog.tables import MaskRow
from stylesearch.images import read_image
from stylesearch.mask_codec import SIDE, pack_mask
from stylesearch.query import Brushed
from stylesearch.records import REGIONS
from stylesearch.settings import Settings
from ui.painted import read_painting

pytest.importorskip("playwright", reason="playwright is not installed")


def disc() -> np.ndarray:
    """The subject of a disc that `studio.draw` draws: float32 (SIDE, SIDE)."""
    mask = Image.new("L", (160, 120))
    ImageDraw.Draw(mask).ellipse((45, 25, 115, 95), fill=255)
    return np.asarray(mask.resize((SIDE, SIDE)), np.float32) / 255


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Iterator[Library]:
    """Four styles of four shapes; their subjects have yet to be looked for. What the masker found in two is written
    over, so that it is known here, and what it found in a third is lost."""
    folder = tmp_path_factory.mktemp("regions")
    pictures = folder / "pictures"
    pictures.mkdir()
    for style in STYLES:
        for shape in SHAPES:
            draw(style, shape).resize((320, 240)).save(pictures / f"{style}-{shape}.png")
    with Library.create(folder / "studio", encoder="descriptors:lab-gradient", regions=REGIONS) as opened:
        for space in opened.spaces[:2]:
            encoder, settings = opened.encoder_for_indexing(space.name), Settings.from_environment()
            index(opened.catalog, encoder, [pictures], thumbnails=opened.thumbnails, settings=settings)
        ids = by_name(opened)
        with opened.catalog.writing() as connection:
            for name, usable, data in (("riso-disc.png", True, pack_mask(disc())), ("moss-bars.png", False, b"")):
                known = update(MaskRow).where(MaskRow.asset_id == ids[name])
                connection.execute(known.values(usable=usable, confidence=float(usable), data=data))
            connection.execute(delete(MaskRow).where(MaskRow.asset_id == ids["night-ring.png"]))
        yield opened


def by_name(library: Library) -> dict[str, int]:
    return {Path(asset.paths[0]).name: asset.id for asset in library.browse(1000)}


@pytest.fixture(scope="module")
def ids(library) -> dict[str, int]:
    return by_name(library)


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


def found(library: Library, query: Query, region: Any = "whole") -> list[str]:
    """The names that the page must show."""
    hits = library.search(query, space=library.space_of(region).name)
    return [Path(group[0].path).name for group in library.fold(hits)]


def wait_for_heading(page: Any, text: str) -> None:
    page.locator(".gallery:not(.busy)").get_by_text(text, exact=True).wait_for()


def choose_region(page: Any, label: str) -> None:
    page.get_by_role("radiogroup", name="Style of").get_by_role("radio", name=label).check()


def test_the_style_of_the_background(page, library, ids):
    open_page(page)
    assert page.get_by_role("radiogroup", name="Style of").is_hidden(), "there is nothing to look for yet"
    riso = ids["riso-disc.png"]
    open_page(page, f"?like={riso}")
    assert page.get_by_role("radio").evaluate_all("all => all.map(one => one.value)") == list(REGIONS)
    choose_region(page, "Background")
    wait_for_heading(page, "Backgrounds closest in style to your reference")
    assert page.url.endswith(f"?like={riso}&region=background")
    answers(page, found(library, Query(riso, k=60), "background"))
    page.go_back()
    wait_for_heading(page, "Closest in style to your reference")
    assert page.get_by_role("radio", name="Whole picture").is_checked()
    answers(page, found(library, Query(riso, k=60)))


def test_where_nothing_stands_out_all_of_it_counts_and_the_page_says_so(page, library, ids):
    moss = ids["moss-bars.png"]
    open_page(page, f"?like={ids['riso-disc.png']}&region=background")
    hits = library.search(Query(ids["riso-disc.png"], k=60), space=library.space_of("background").name)
    assert {hit.region for hit in hits if hit.asset.id == moss} == {"whole"}
    for hit in hits:
        said = tile_of(page, Path(hit.path).name).get_by_text("all of it").is_visible()
        assert said == (hit.region == "whole"), hit.path
    tile_of(page, "moss-bars.png").locator(".open").click()
    page.get_by_role("dialog").get_by_text("all of it: nothing stands out clearly in it").wait_for()
    open_page(page, f"?like={moss}&region=background")
    page.get_by_role("list", name="References").get_by_text("all of it").wait_for()
    page.get_by_text("Nothing stands out clearly in your reference").wait_for()
    choose_region(page, "Whole picture")
    wait_for_heading(page, "Closest in style to your reference")
    assert not any(said.is_visible() for said in page.get_by_text("all of it", exact=True).all())
    assert page.get_by_text("Nothing stands out clearly in your reference").is_hidden()


def test_a_dropped_picture_is_searched_by_its_background(page, library):
    buffer = io.BytesIO()
    draw("night", "ring", 9).resize((320, 240)).save(buffer, "PNG")
    open_page(page)
    upload(page, "mine.png", buffer.getvalue())
    wait_for_heading(page, "Closest in style to your reference")
    choose_region(page, "Background")
    wait_for_heading(page, "Backgrounds closest in style to your reference")
    picture = read_image(library.load_reference(buffer.getvalue()).picture)
    answers(page, found(library, Query(picture, k=60), "background"))
    mask = library.mask(picture)
    assert mask is not None
    assert page.locator(".chip .all").is_visible() == (not mask.usable)


def test_a_region_that_nobody_has_looked_for_yet(page, ids):
    open_page(page, f"?like={ids['riso-disc.png']}&region=<b>")
    wait_for_heading(page, "Closest in style to your reference")
    choose_region(page, "Subject")
    page.get_by_text("Nobody has looked for the subjects of these pictures yet.").wait_for()
    choose_region(page, "Whole picture")
    wait_for_heading(page, "Closest in style to your reference")


def shade(page: Any, x: float, y: float) -> tuple[int, ...]:
    """The colour of the picture in the asset view at a place in it, from 0 to 1."""
    place = page.locator(".picture .openseadragon-canvas").bounding_box()
    with Image.open(io.BytesIO(page.screenshot())) as shot:
        width = min(place["width"], place["height"] * 320 / 240)
        left = place["x"] + (place["width"] - width) / 2
        top = place["y"] + (place["height"] - width * 240 / 320) / 2
        pixel = shot.convert("RGB").getpixel((round(left + x * width), round(top + y * width * 240 / 320)))
    assert isinstance(pixel, tuple)
    return pixel


SQUARES = ((142, 142, 142), (201, 201, 201))  # what is shown where a part is cut away


def test_a_picture_says_what_its_subject_is(page, ids):
    page.goto(f"/asset?id={ids['riso-disc.png']}")
    page.locator(".picture .zoom[data-state=ready]").wait_for()
    only = page.get_by_role("button", name="Only the subject")
    only.click()
    page.locator(".veil").wait_for()
    inside, outside = (0.5, 0.5), (0.12, 0.15)
    assert shade(page, *inside) not in SQUARES and shade(page, *outside) in SQUARES
    page.get_by_role("button", name="Only the background").click()
    assert shade(page, *inside) in SQUARES and shade(page, *outside) not in SQUARES
    assert only.get_attribute("aria-pressed") == "false"
    page.get_by_role("button", name="Only the background").click()
    page.locator(".veil").wait_for(state="detached")
    page.goto(f"/asset?id={ids['moss-bars.png']}")
    page.get_by_text("Nothing stands out clearly in it, or it lies on white, so all of it counts.").wait_for()
    assert only.is_hidden()
    page.goto(f"/asset?id={ids['night-ring.png']}")
    page.get_by_text("Nobody has looked for its subject yet.").wait_for()


def test_the_page_of_a_picture_goes_by_the_region_of_the_search(page, library, ids):
    riso = ids["riso-disc.png"]
    page.goto(f"/asset?id={riso}&like={ids['ink-disc.png']}&region=background")
    page.get_by_role("heading", name="Backgrounds closest in style").wait_for()
    names = page.locator(".neighbours img").evaluate_all("images => images.map(image => image.alt)")
    assert names == found(library, Query(riso, k=48), "background")
    page.get_by_text("As whole pictures, with subject and background.").wait_for()
    page.get_by_role("button", name="Back to the search").click()
    wait_for_heading(page, "Backgrounds closest in style to your reference")


def paint(page: Any, *places: tuple[float, float]) -> None:
    """Draws a line with the brush; places are shares of the picture's sides."""
    box = page.locator(".stage img").bounding_box()
    for number, (x, y) in enumerate(places):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
        if number == 0:
            page.mouse.down()
    page.mouse.up()


def open_brush(page: Any, name: str) -> Any:
    page.get_by_role("button", name=f"Choose a part of {name}").click()
    dialog = page.get_by_role("dialog", name="Which part counts?")
    dialog.wait_for()
    page.wait_for_function(
        """() => [...document.querySelectorAll("*")].some(
          (host) => host.shadowRoot?.querySelector(".stage img")?.naturalWidth)"""
    )
    dialog.get_by_role("radio", name="Brush").check()
    return dialog


def painted(page: Any) -> np.ndarray:
    """What the address says that was painted: bool (64, 64)."""
    page.wait_for_url(re.compile("%40p"))
    cells = read_painting(unquote(page.url).partition("@p")[2].partition("&")[0])
    assert cells is not None
    return cells


def test_what_is_painted_counts(page, library, ids):
    ink = ids["ink-bars.png"]
    open_page(page, f"?like={ink}")
    dialog = open_brush(page, "ink-bars.png")
    use, undo = (dialog.get_by_role("button", name=name) for name in ("Use this part", "Undo"))
    assert use.is_disabled() and undo.is_disabled()
    paint(page, (0.2, 0.1), (0.2, 0.9))
    paint(page, (0.8, 0.1), (0.8, 0.9))
    undo.click()
    dialog.get_by_role("radio", name="Erase").check()
    paint(page, (0.05, 0.5), (0.4, 0.5))
    use.click()
    cells = painted(page)
    assert cells[10:26, 11:15].all() and cells[40:54, 11:15].all()
    assert not cells[30:34].any() and not cells[:, 24:].any()
    answers(page, found(library, Query(Brushed(ink, cells), k=60)))
    page.locator(".chip[data-part=painted]").wait_for()
    choose_region(page, "Background")
    wait_for_heading(page, "Backgrounds closest in style to your reference")
    answers(page, found(library, Query(Brushed(ink, cells), k=60), "background"))


def test_a_painting_is_changed_and_taken_back(page, ids):
    open_page(page, f"?like={ids['ink-bars.png']}")
    dialog = open_brush(page, "ink-bars.png")
    stage = page.get_by_role("application")
    stage.press("[")
    for _ in range(3):
        stage.press("ArrowLeft")
    stage.press("Space")
    for _ in range(2):
        stage.press("Shift+ArrowDown")
    stage.press("Enter")
    first = painted(page)
    assert 40 < first.sum() < 400 and not first[:, 40:].any()
    page.get_by_role("button", name="Choose a part of ink-bars.png").click()
    assert dialog.get_by_role("radio", name="Brush").is_checked()
    dialog.get_by_role("button", name="Invert").click()
    before = page.url
    dialog.get_by_role("button", name="Use this part").click()
    page.wait_for_url(lambda url: url != before)
    assert (painted(page) == ~first).mean() > 0.98
    page.get_by_role("button", name="Choose a part of ink-bars.png").click()
    dialog.get_by_role("button", name="Start again").click()
    assert dialog.get_by_role("button", name="Use this part").is_disabled()
    stage.press("Control+z")
    assert dialog.get_by_role("button", name="Use this part").is_enabled()
    dialog.get_by_role("button", name="Use all of it").click()
    page.wait_for_url(re.compile(f"like={ids['ink-bars.png']}$"))


def test_the_library_says_by_what_it_can_be_searched(page):
    page.goto("/library")
    page.get_by_role("cell", name="whole picture").wait_for()
    assert page.get_by_role("cell", name="background").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out(chromium, address, ids, scheme):
    with visitor(chromium, address, color_scheme=scheme) as page:
        open_page(page, f"?like={ids['moss-bars.png']}&region=background")
        assert_accessible(page)
        open_brush(page, "moss-bars.png")
        paint(page, (0.4, 0.4), (0.6, 0.6))
        assert_accessible(page)
        page.goto(f"/asset?id={ids['riso-disc.png']}&like={ids['moss-bars.png']}&region=background")
        page.get_by_role("button", name="Only the background").click()
        page.locator(".bars[aria-busy=false]").wait_for()
        assert_accessible(page)
