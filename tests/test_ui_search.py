"""Saying what one looks for, as a designer does it: weights, words, parts, what surely matches, copies folded."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe import assert_accessible
from browser import running_chromium, running_page
from PIL import Image
from studio import SHAPES, STYLES, draw
from visiting import answers, names, open_page, tile_of, upload, visitor, wait_for_heading

from indexer.run import index
from stylesearch import Library, Query
from stylesearch.query import Crop
from stylesearch.settings import Settings

pytest.importorskip("playwright", reason="playwright is not installed")

SVG = b"""<svg xmlns="http://www.w3.org/2000/svg" width="120" height="90" onload="alert(1)">
<script>alert(2)</script><rect width="120" height="90" fill="#fae95a"/><circle cx="60" cy="45" r="30" fill="#e63c78"/>
<image href="file:///etc/passwd" width="9" height="9"/></svg>"""


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Iterator[Library]:
    """Four styles of four shapes, twice, and three files that hold one poster; read by an encoder that knows words."""
    folder = tmp_path_factory.mktemp("search")
    pictures = folder / "pictures"
    pictures.mkdir()
    for style in STYLES:
        for shape in SHAPES:
            for seed in range(2):
                turned = draw(style, shape, seed).rotate(180 * seed).resize((320, 240), Image.Resampling.BICUBIC)
                turned.save(pictures / f"{style}-{shape}-{seed}.png")
    two = Image.new("RGB", (480, 320))
    two.paste(draw("riso", "disc", 5).resize((240, 320)), (0, 0))
    two.paste(draw("night", "bars", 5).resize((240, 320)), (240, 0))
    two.save(pictures / "poster.png")
    two.save(pictures / "poster-web.jpg", quality=70)
    two.resize((300, 200)).save(pictures / "poster-small.png")
    with Library.create(folder / "studio", encoder="compact:v3") as opened:
        index(
            opened.catalog,
            opened.encoder,
            [pictures],
            thumbnails=opened.thumbnails,
            settings=Settings.from_environment(),
        )
        yield opened


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


def found(library: Library, query: Query) -> list[str]:
    """The names that the page must show."""
    return [Path(group[0].path).name for group in library.fold(library.search(query))]


def test_a_reference_counts_twice_or_half(page, library, ids):
    ink, night = ids["ink-disc-0.png"], ids["night-bars-0.png"]
    open_page(page, f"?like={ink},{night}")
    weight = page.get_by_role("button", name="ink-disc-0.png counts ×1. Change")
    weight.click()
    page.get_by_role("button", name="ink-disc-0.png counts ×2. Change").wait_for()
    assert f"like={ink}%2A2%2C{night}" in page.url
    answers(page, found(library, Query([(ink, 2.0), night], k=60)))
    page.get_by_role("button", name="ink-disc-0.png counts ×2. Change").click()
    page.get_by_role("button", name="ink-disc-0.png counts ×½. Change").wait_for()
    answers(page, found(library, Query([(ink, 0.5), night], k=60)))
    open_page(page, f"?like={ink}*0.5&less={night}*2")
    answers(page, found(library, Query([(ink, 0.5)], counter_references=[(night, 1.0)], k=60)))


@pytest.mark.journey("04 a style in words")
def test_a_style_in_words(page, library, ids):
    open_page(page)
    field = page.get_by_role("searchbox", name="Describe a style in words")
    field.fill("neon, dark blue")
    field.press("Enter")
    wait_for_heading(page, "Closest in style to “neon, dark blue”")
    assert "text=neon" in page.url
    answers(page, found(library, Query(texts="neon, dark blue", k=60)))
    tile_of(page, "ink-ring-0.png").hover()
    page.get_by_role("button", name="More like ink-ring-0.png").click()
    wait_for_heading(page, "Closest in style to your reference and “neon, dark blue”")
    answers(page, found(library, Query(ids["ink-ring-0.png"], texts="neon, dark blue", k=60)))
    field.fill("")
    field.press("Enter")
    page.wait_for_url(lambda url: "text" not in url)
    answers(page, found(library, Query(ids["ink-ring-0.png"], k=60)))


def test_a_part_of_a_reference(page, library, ids):
    poster = ids["poster.png"]
    open_page(page, f"?like={poster}")
    page.get_by_role("button", name="Choose a part of poster.png").click()
    dialog = page.get_by_role("dialog", name="Which part counts?")
    dialog.wait_for()
    page.wait_for_function(
        """() => [...document.querySelectorAll("*")].some(
          (host) => host.shadowRoot?.querySelector(".stage img")?.naturalWidth)"""
    )
    place = page.locator(".stage img").bounding_box()
    assert dialog.get_by_role("button", name="Use this part").is_disabled()
    page.mouse.move(place["x"] + 0.5 * place["width"], place["y"] + 1)
    page.mouse.down()
    page.mouse.move(place["x"] + 0.8 * place["width"], place["y"] + 0.7 * place["height"], steps=3)
    page.mouse.move(place["x"] + place["width"] + 40, place["y"] + place["height"] + 40)  # past the edge
    page.mouse.up()
    assert_accessible(page)
    dialog.get_by_role("button", name="Use this part").click()
    page.locator(".chip[data-part=box]").wait_for()
    left, top, right, bottom = map(int, page.url.partition("%40")[2].split("-"))
    assert (round(left, -1), round(top, -1), right, bottom) == (500, 0, 1000, 1000)
    box = (left / 1000, top / 1000, 1, 1)
    expected = found(library, Query(Crop(poster, box), k=60))
    answers(page, expected)
    assert expected[0].startswith("night")
    page.get_by_role("button", name="Choose a part of poster.png").click()
    page.get_by_role("application").press("Shift+ArrowLeft")
    page.get_by_role("application").press("Escape")
    dialog.wait_for(state="hidden")
    for _ in range(3):  # a click while the page is still closing the dialog is not heard
        page.get_by_role("button", name="Choose a part of poster.png").click()
        page.wait_for_timeout(2000)
        if dialog.is_visible():
            break
    page.get_by_role("button", name="Use all of it").click()
    page.locator(".chip[data-part=box]").wait_for(state="detached")
    assert page.url.endswith(f"?like={poster}")


@pytest.mark.journey("03 a part of a dropped picture")
def test_a_part_of_a_picture_that_was_dropped(page):
    buffer = io.BytesIO()
    two = Image.new("RGB", (900, 600))
    two.paste(draw("moss", "ring", 9).resize((450, 600)), (0, 0))
    two.paste(draw("ink", "bars", 9).resize((450, 600)), (450, 0))
    two.save(buffer, "PNG")
    open_page(page)
    upload(page, "mine.png", buffer.getvalue())
    wait_for_heading(page, "Closest")
    page.get_by_role("button", name="Choose a part of mine.png").click()
    stage = page.get_by_role("application", name="mine.png: choose a part")
    for _ in range(13):
        stage.press("ArrowRight")
    for _ in range(13):
        stage.press("Shift+ArrowDown")
    stage.press("Enter")
    page.locator(".chip[data-part=box]").wait_for()
    assert "%40500-250-1000-1000" in page.url
    page.locator(".tile:first-child img[alt='ink-bars-0.png']").wait_for()
    assert {name.partition("-")[0] for name in names(page)[:5]} == {"ink"}


def test_copies_are_folded_into_one_tile(page, library, ids):
    open_page(page, f"?like={ids['night-bars-0.png']},{ids['riso-disc-0.png']}")
    posters = [name for name in names(page) if name.startswith("poster")]
    assert len(posters) == 1
    badge = page.get_by_role("button", name=f"2 that look like {posters[0]}")
    assert badge.text_content() == "+2"
    before = names(page)
    badge.click()
    unfolded = names(page)
    at = unfolded.index(posters[0])
    assert sorted(unfolded[at : at + 3]) == ["poster-small.png", "poster-web.jpg", "poster.png"]
    assert len(unfolded) == len(before) + 2
    assert_accessible(page)
    badge.click()
    assert names(page) == before


def test_a_tile_is_dragged_to_the_references(page, ids):
    open_page(page, f"?like={ids['ink-disc-0.png']}")
    name = names(page)[5]
    place = tile_of(page, name).bounding_box()
    page.mouse.move(place["x"] + 40, place["y"] + 40)
    page.mouse.down()
    page.mouse.move(place["x"] + 60, place["y"] + 20, steps=3)
    zone = page.locator(".zone[data-side=less]")
    zone.wait_for()
    target = zone.bounding_box()
    page.mouse.move(target["x"] + target["width"] / 2, target["y"] + 10, steps=3)
    page.mouse.up()
    page.get_by_role("button", name=f"Less like {name}. Look for more").wait_for()
    zone.wait_for(state="hidden")
    assert page.url.endswith(f"like={ids['ink-disc-0.png']}&less={ids[name]}")


def test_a_link_to_a_picture_is_pasted(page, address, ids):
    open_page(page)
    paste = """text => {
      const clipboardData = new DataTransfer();
      clipboardData.setData("text/plain", text);
      document.body.dispatchEvent(new ClipboardEvent("paste", { bubbles: true, cancelable: true, clipboardData }));
    }"""
    page.evaluate(paste, "https://example.org/asset?id=3")
    page.evaluate(paste, f"{address}/asset?id=99999")
    page.get_by_role("alert").get_by_text("That picture is not in this library.").wait_for()
    page.evaluate(paste, f"{address}/asset?id={ids['moss-ring-0.png']}")
    page.get_by_role("button", name="More like moss-ring-0.png. Look").wait_for()
    assert page.url.endswith(f"?like={ids['moss-ring-0.png']}")


@pytest.mark.journey("05 only what surely matches")
def test_only_what_surely_matches(page, library, ids):
    riso = ids["riso-disc-0.png"]
    open_page(page, f"?like={riso}")
    slider = page.get_by_role("slider", name="How sure the page must be")
    assert slider.is_hidden()
    page.get_by_role("button", name="Find out what surely matches").click()
    slider.wait_for(timeout=60_000)
    slider.press("ArrowRight")
    page.wait_for_url("**sure=0.25**")
    slider.press("ArrowRight")
    page.wait_for_url("**sure=0.5**")
    hits = library.fold(library.search(Query(riso, k=240), min_score=0.5))
    answers(page, [Path(group[0].path).name for group in hits])
    assert {name.partition("-")[0] for name in names(page)} == {"riso"}
    assert page.locator(".sure output").text_content() == "What likely matches"
    slider.press("ArrowRight")
    page.get_by_text("Nothing here has this style for sure.").wait_for()
    page.get_by_role("button", name="Show what comes closest").click()
    page.locator(".tile").nth(20).wait_for()
    assert page.url.endswith(f"?like={riso}")
    open_page(page, "?text=ink wash&sure=0.75")  # scores say nothing of words
    assert len(names(page)) > 20
    assert slider.is_hidden()


def test_a_region_that_this_library_has_not_is_left_out(page, ids):
    open_page(page, f"?like={ids['riso-disc-0.png']}&region=background")
    page.get_by_role("alert").get_by_text("This library knows nothing of “background”: that was left out.").wait_for()
    assert page.url.endswith(f"?like={ids['riso-disc-0.png']}")
    assert page.get_by_role("radiogroup", name="Style of").is_hidden()


def bomb() -> bytes:
    """A PNG of a few bytes that says it has 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(9_999)))
        + chunk(b"IEND", b"")
    )


def test_hostile_files_are_refused_or_harmless(page):
    open_page(page)
    name = "<img src=x onerror=alert(3)>.png"
    upload(page, name, bomb())
    notice = page.get_by_role("alert").get_by_text(f"“{name}” could not be used. Too large.")
    notice.wait_for()
    assert page.locator(".chip").count() == 0
    upload(page, "<b>drawing</b>.svg", SVG)
    wait_for_heading(page, "Closest")
    assert page.locator(".chip img").get_attribute("alt") == "<b>drawing</b>.svg"
    assert page.locator(".chip img").get_attribute("src").startswith("data:image/webp;base64,")
    page.locator(".chip img").evaluate("image => image.decode()")


def test_a_drop_of_200_mb_is_not_sent(page):
    open_page(page)
    page.evaluate(
        """() => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([new Uint8Array(200e6)], "scan.tif"));
          document.body.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer }));
        }"""
    )
    page.get_by_role("alert").get_by_text("“scan.tif” has 200 MB; a reference may have 50 MB.").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out(chromium, address, ids, scheme):
    with visitor(chromium, address, color_scheme=scheme) as page:
        open_page(page)
        assert_accessible(page)
        open_page(
            page, f"?like={ids['ink-disc-0.png']}*2,{ids['poster.png']}@0-0-500-1000&less={ids['moss-disc-0.png']}"
        )
        page.locator(".tile").nth(3).hover()
        assert_accessible(page)
        page.locator(".open").nth(3).click()
        page.get_by_role("dialog").wait_for()
        assert_accessible(page)
