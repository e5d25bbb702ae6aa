"""Filters as a designer uses them: what there is, how many, what is chosen; saved searches; links that lie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe import assert_accessible
from browser import running_chromium, running_page
from studio import EXTENSIONS, SHAPES, STYLES, draw
from visiting import names, open_page, visitor

from indexer.run import index
from stylesearch import Library
from stylesearch.metadata import xmp_sidecar
from stylesearch.query import Filters
from stylesearch.records import Metadata
from stylesearch.settings import Settings
from ui.filters import changed, query_filters
from ui.narrowing import Narrowing
from ui.state import Search

pytest.importorskip("playwright", reason="playwright is not installed")

HOSTILE = "<img src=x onerror=alert(1)>"
YEARS = {"ink": 1931, "riso": 1978, "night": 1984, "moss": 2003}


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Iterator[Library]:
    """Four styles of four shapes with a creator, tags and a year each; what is written about some is hostile."""
    folder = tmp_path_factory.mktemp("filters")
    for style in STYLES:
        place = folder / "pictures" / style
        place.mkdir(parents=True)
        for shape, extension in zip(SHAPES, EXTENSIONS, strict=True):
            size = (640, 480) if shape != "ring" else (480, 700)
            draw(style, shape).resize(size).save(place / f"{style}-{shape}.{extension}", quality=95)
            creator = HOSTILE if style == "moss" else f"Studio {style}"
            about = Metadata(creators=(creator,), licence="CC BY 4.0", date=str(YEARS[style]))
            tags = [shape, f"{HOSTILE} | *bold*" if style == "moss" else "print, proof"]
            (place / f"{style}-{shape}.xmp").write_bytes(xmp_sidecar(about, tags))
    with Library.create(folder / "studio", encoder="descriptors:lab-gradient") as opened:
        settings = Settings.from_environment()
        index(opened.catalog, opened.encoder, [folder / "pictures"], thumbnails=opened.thumbnails, settings=settings)
        yield opened


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


def expected(library: Library, **filters: Any) -> set[str]:
    return {Path(asset.paths[0]).name for asset in library.browse(100, **filters)}


def open_filters(page: Any, query: str = "") -> Any:
    page.goto(f"/{query}")
    page.get_by_role("button", name="Filters").click()
    panel = page.locator(".facets")
    panel.locator("details").first.wait_for()
    return panel


def wait_for_total(panel: Any, text: str) -> None:
    """Until the panel says so, and the gallery shows as many."""
    panel.get_by_role("heading", name=text, exact=True).wait_for()
    number = int(text.partition(" ")[0])
    tiles = panel.page.locator(".tile")
    tiles.nth(number - 1).wait_for()
    tiles.nth(number).wait_for(state="detached")


def test_a_designer_narrows_it_down_by_everything(page, library):
    panel = open_filters(page)
    wait_for_total(panel, "16 pictures")
    assert panel.get_by_text("Medium, 640 to 1,599 px").locator("xpath=..").locator(".number").text_content() == "16"
    panel.get_by_role("checkbox", name="Landscape").click()
    wait_for_total(panel, "12 pictures")
    panel.get_by_role("checkbox", name="PNG").click()
    wait_for_total(panel, "4 pictures")
    panel.get_by_role("checkbox", name="JPEG").click()
    wait_for_total(panel, "8 pictures")
    panel.get_by_role("button", name="1970s, 2").click()
    wait_for_total(panel, "2 pictures")
    assert "format=jpeg%2Cpng&shape=landscape&years=1970..1979" in page.url
    assert set(names(page)) == {"riso-disc.png", "riso-bars.jpg"}
    page.get_by_role("button", name="Filters (3)").wait_for()
    panel.get_by_role("button", name="Clear all").click()
    wait_for_total(panel, "16 pictures")
    assert "?" not in page.url


def test_a_colour_is_picked_and_combined(page, library):
    panel = open_filters(page)
    panel.get_by_role("button", name="Pink, 4").click()
    wait_for_total(panel, "4 pictures")
    assert set(names(page)) == expected(library, colours="pink")
    panel.get_by_role("button", name="Pink, 4").click()
    wait_for_total(panel, "16 pictures")
    panel.locator("input[type=color]").evaluate(
        "input => { input.value = '#778bdb'; input.dispatchEvent(new Event('change')); }"
    )
    wait_for_total(panel, "4 pictures")
    assert set(names(page)) == expected(library, colours="#778bdb") == expected(library, paths="night/**")
    assert "colour=%23778bdb" in page.url
    panel.get_by_role("button", name="Take away #778bdb").click()
    wait_for_total(panel, "16 pictures")


def test_folders_are_walked_and_words_are_found(page, library):
    panel = open_filters(page)
    panel.get_by_role("button", name="moss 4").click()
    wait_for_total(panel, "4 pictures")
    assert set(names(page)) == expected(library, paths="moss/**")
    panel.get_by_role("button", name="All", exact=True).click()
    wait_for_total(panel, "16 pictures")
    panel.get_by_label("Folder contains").fill("IGH")
    panel.get_by_label("Folder contains").press("Enter")
    wait_for_total(panel, "4 pictures")
    assert "folder=IGH" in page.url


def test_what_files_say_is_shown_as_it_is_written_and_can_be_chosen(page, library):
    panel = open_filters(page)
    panel.get_by_text("Creator", exact=True).click()
    panel.get_by_role("checkbox", name=HOSTILE, exact=False).first.click()
    wait_for_total(panel, "4 pictures")
    panel.get_by_role("checkbox", name=f"{HOSTILE} 4").wait_for()
    tag = f"{HOSTILE} | *bold*"
    page.goto(f"/?{Search(narrowing=Narrowing(tags=(tag,), creators=(HOSTILE,))).to_address()['tag']}")
    assert page.locator("img[src='x']").count() == 0
    assert set(expected(library, tags=tag)) == expected(library, paths="moss/**")


@pytest.mark.journey("06 narrowed down, saved, found by a colleague")
def test_a_search_is_saved_found_and_deleted(page, chromium, address, library):
    open_page(page, "?colour=pink&size=medium")
    before = set(names(page))
    page.get_by_role("button", name="Saved").click()
    page.get_by_label("Save this search as").fill(f"Pink {HOSTILE} **x**")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name=f"Pink {HOSTILE} **x**", exact=True).wait_for()
    with visitor(chromium, address) as other:  # another visitor finds it
        open_page(other)
        other.get_by_role("button", name="Saved").click()
        other.get_by_role("button", name=f"Pink {HOSTILE} **x**", exact=True).click()
        other.locator(".tile img[alt='ink-disc.png']").wait_for(state="detached")
        assert set(names(other)) == before
        assert "colour=pink" in other.url and "size=medium" in other.url
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name=f"Pink {HOSTILE} **x**", exact=True).wait_for(state="detached")
    assert library.saved_searches.all() == []


@pytest.mark.parametrize(
    "query",
    [
        "?size=enormous&shape=%3Cb%3E&colour=%23zzzzzz&years=1990..1980&n=-1",
        "?format=exe,../../etc/passwd",
        "?in=%00&years=x..y",
    ],
)
def test_a_link_with_nonsense_is_left_out_with_a_notice(page, query):
    open_page(page, query)
    page.get_by_text("A part of this link makes no sense here and was left out.").wait_for()
    assert len(names(page)) == 16


def test_a_link_to_a_folder_outside_the_library_finds_nothing(page):
    page.goto("/?in=../../etc")
    page.get_by_text("No picture passes these filters.").wait_for()
    page.goto("/?in=/etc")
    page.get_by_text("No picture passes these filters.").wait_for()
    page.get_by_role("button", name="Clear the filters").click()
    page.locator(".tile").first.wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_filters_keep_nobody_out(chromium, address, scheme):
    with visitor(chromium, address, color_scheme=scheme) as window:
        panel = open_filters(window, "?creator=Studio+ink")
        panel.get_by_text("Creator", exact=True).click()
        window.locator(".tile").first.wait_for()
        assert_accessible(window)


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {"do": "toggle", "facet": "__class__", "value": "x"},
        {"do": "toggle", "facet": "tags", "value": 7},
        {"do": "years", "first": "1970", "last": None},
        {"do": "count", "value": 10**9},
        {"do": "place", "value": ["/etc"]},
    ],
)
def test_events_that_no_panel_sends_change_nothing(event):
    search = Search(formats=("PNG",), narrowing=Narrowing(tags=("a",)))
    assert changed(search, event) == search


def test_filters_of_a_search_are_those_of_a_query():
    narrowing = Narrowing(("small",), ("square",), ("red",), ("a",), ("b",), ("c",), (None, 1980), "/art")
    filters = Filters(**query_filters(Search(formats=("PNG", "NONSENSE"), folder="x", narrowing=narrowing)))
    assert (filters.formats, filters.sizes, filters.folders) == (("PNG",), ("small",), ("/art",))
    assert filters.whole and filters.years == (None, 1980) and len(filters.paths) == 1
    assert Search.from_address(Search(narrowing=narrowing).to_address()).narrowing == narrowing
