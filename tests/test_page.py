"""The page as a designer uses it: a real server, a real library, a real browser."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any

import pytest
from browser import running_chromium, running_page
from studio import EXTENSIONS, SHAPES, STYLES, draw
from visiting import FOCUSED, focused, names, open_page, upload, visitor, wait_for_heading

from indexer.run import index
from stylesearch import Library, Query
from stylesearch.settings import Settings

pytest.importorskip("playwright", reason="playwright is not installed")

HOSTILE = "<img src=x onerror=alert(1)>&amp;`*[x](y).png"  # a file name, and nothing else
PICTURES = len(STYLES) * len(SHAPES) + 2


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Iterator[Library]:
    """Four styles of four shapes, one picture whose file is gone, one with a hostile name, and a file that is none."""
    folder = tmp_path_factory.mktemp("page")
    pictures = folder / "pictures"
    for style in STYLES:
        (pictures / style).mkdir(parents=True)
        for shape, extension in zip(SHAPES, EXTENSIONS, strict=True):
            draw(style, shape).resize((640, 480)).save(pictures / style / f"{style}-{shape}.{extension}", quality=95)
    draw("moss", "ring", seed=1).save(pictures / "gone.png")
    draw("night", "ring", seed=1).save(pictures / HOSTILE)
    (pictures / "notes.png").write_text("not a picture")
    with Library.create(folder / "studio", encoder="descriptors:lab-gradient") as opened:
        settings = Settings.from_environment()
        index(opened.catalog, opened.encoder, [pictures], thumbnails=opened.thumbnails, settings=settings)
        (pictures / "gone.png").unlink()
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


def png(style: str, shape: str, tmp_path: Path) -> bytes:
    """A picture that the library does not hold."""
    path = tmp_path / "reference.png"
    draw(style, shape, seed=7).save(path)
    return path.read_bytes()


def style(name: str) -> str:
    return name.partition("-")[0]


def test_the_page_opens_on_the_pictures_of_the_library(page):
    open_page(page)
    assert page.title() == "StyleSearch"
    assert len(names(page)) == PICTURES
    assert HOSTILE in names(page)
    assert page.locator(".likeness:visible").count() == 0
    widths = page.locator(".tile img").evaluate_all(
        "images => Promise.all(images.map(image => image.decode().then(() => image.naturalWidth)))"
    )
    assert min(widths) >= 160


def test_a_library_that_reads_no_words_says_so(page):
    open_page(page)
    field = page.get_by_role("searchbox", name="Describe a style in words")
    assert field.is_disabled()
    assert field.get_attribute("placeholder") == "The model of this library reads no words"
    open_page(page, "?text=ink")
    page.get_by_role("alert").get_by_text("reads no words").wait_for()


def test_an_uploaded_reference_finds_its_style(page, tmp_path):
    open_page(page)
    upload(page, "mine.png", png("riso", "disc", tmp_path))
    wait_for_heading(page, "Closest in style to your reference")
    assert [style(name) for name in names(page)[:4]] == ["riso"] * 4
    assert page.locator(".chip img").get_attribute("alt") == "mine.png"
    assert re.search(r"\?like=u[0-9a-f]{12}$", page.url)


def test_an_uploaded_picture_of_the_library_becomes_that_picture(page, library, ids):
    path = library.assets([ids["ink-ring.png"]])[ids["ink-ring.png"]].paths[0]
    open_page(page)
    upload(page, "anything.png", Path(path).read_bytes())
    wait_for_heading(page, "Closest")
    assert page.url.endswith(f"?like={ids['ink-ring.png']}")
    assert "ink-ring.png" not in names(page)


def test_more_like_this_searches_and_adds_up(page, ids):
    open_page(page)
    for name in ("ink-disc.png", "night-bars.jpg"):
        tile = page.locator(".tile", has=page.locator(f"img[alt='{name}']"))
        tile.hover()
        tile.get_by_role("button", name="More like").click()
        page.locator(f".chip:not(.waiting) img[alt='{name}']").wait_for()
        if name.startswith("ink"):
            wait_for_heading(page, "your reference")
            assert [style(hit) for hit in names(page)[:3]] == ["ink"] * 3
    wait_for_heading(page, "your 2 references")
    assert page.url.endswith(f"?like={ids['ink-disc.png']}%2C{ids['night-bars.jpg']}")
    assert {style(hit) for hit in names(page)[:6]} == {"ink", "night"}
    assert page.locator(".likeness").first.text_content() > page.locator(".likeness").last.text_content()


@pytest.mark.journey("02 more like this, less like that")
def test_less_like_this_steers_away(page, library, ids):
    open_page(page, f"?like={ids['ink-disc.png']}")
    unwanted = names(page)[3]
    page.locator(".tile").nth(3).hover()
    page.get_by_role("button", name=f"Less like {unwanted}").click()
    page.locator(".chip.less").wait_for()
    wait_for_heading(page, "Closest")
    assert page.url.endswith(f"?like={ids['ink-disc.png']}&less={ids[unwanted]}")
    hits = library.search(Query(ids["ink-disc.png"], counter_references=ids[unwanted], k=50))
    assert names(page) == [Path(group[0].path).name for group in library.fold(hits)]


def test_chips_turn_and_go(page, ids):
    open_page(page, f"?like={ids['ink-disc.png']},{ids['riso-disc.png']}")
    page.get_by_role("button", name="More like riso-disc.png").click()
    page.locator(".chip.less").wait_for()
    assert page.url.endswith(f"?like={ids['ink-disc.png']}&less={ids['riso-disc.png']}")
    page.get_by_role("button", name="Take away riso-disc.png").click()
    page.locator(".chip.less").wait_for(state="detached")
    page.get_by_role("button", name="Clear").click()
    wait_for_heading(page, "From your library")
    assert "?" not in page.url


def test_filters_narrow_the_pictures(page, ids):
    open_page(page, f"?like={ids['ink-disc.png']}")
    page.get_by_role("button", name="Filters").click()
    page.get_by_role("checkbox", name="JPEG").click()
    page.locator(".tile img[alt='ink-ring.png']").wait_for(state="detached")
    assert names(page)[0] == "ink-bars.jpg"
    assert {Path(name).suffix for name in names(page)} == {".jpg"}
    assert "format=jpeg" in page.url
    page.get_by_label("Folder contains").fill("OSS")
    page.get_by_label("Folder contains").press("Enter")
    page.locator(".tile img[alt='ink-bars.jpg']").wait_for(state="detached")
    assert names(page) == ["moss-bars.jpg"]
    page.get_by_label("Folder contains").fill("nowhere")
    page.get_by_label("Folder contains").press("Enter")
    page.get_by_role("button", name="Clear the filters").click()
    page.locator(".tile img[alt='ink-ring.png']").wait_for()
    assert page.url.endswith(f"?like={ids['ink-disc.png']}")


def test_one_of_each_folder_shows_many_hands(page, ids):
    open_page(page, f"?like={ids['ink-disc.png']}")
    assert [name.partition("-")[0] for name in names(page)[:3]] == ["ink"] * 3
    page.get_by_label("Which of them to show").select_option("One of each folder")
    page.wait_for_url("**each=folder**")
    page.locator(".tile").nth(6).wait_for(state="detached")
    shown = [name.partition("-")[0] for name in names(page)]
    assert shown[0] == "ink" and all(shown.count(style) == 1 for style in STYLES)
    page.get_by_label("Which of them to show").select_option("Every picture")
    page.locator(".tile").nth(10).wait_for()
    assert page.url.endswith(f"?like={ids['ink-disc.png']}")
    open_page(page)
    assert page.get_by_label("Which of them to show").is_hidden()


def test_a_link_restores_the_search(page, ids):
    open_page(page, f"?like={ids['riso-ring.png']}&less={ids['ink-disc.png']}&format=png&folder=iso")
    assert names(page) == ["riso-disc.png"]
    assert page.locator(".chip img").evaluate_all("all => all.map(one => one.alt)") == ["riso-ring.png", "ink-disc.png"]
    page.get_by_role("button", name="Filters (2)").wait_for()


def test_back_undoes_a_step_and_another_view_keeps_the_search(page, ids):
    open_page(page)
    page.locator(".tile", has=page.locator("img[alt='moss-disc.png']")).hover()
    page.get_by_role("button", name="More like moss-disc.png").click()
    wait_for_heading(page, "Closest")
    page.get_by_role("link", name="Library").click()
    page.get_by_text("Add pictures").wait_for()
    page.get_by_role("link", name="Search").click()
    wait_for_heading(page, "Closest")
    assert page.url.endswith(f"?like={ids['moss-disc.png']}")
    open_page(page, f"?like={ids['moss-disc.png']}")
    page.get_by_role("button", name="Clear").click()
    wait_for_heading(page, "From your library")
    page.go_back()
    wait_for_heading(page, "Closest")
    assert page.locator(".chip img").get_attribute("alt") == "moss-disc.png"


@pytest.mark.journey("01 a reference is pasted or dropped")
@pytest.mark.parametrize("way", ["paste", "drop"])
def test_a_picture_is_pasted_or_dropped(page, tmp_path, way):
    open_page(page)
    page.evaluate(
        """([way, data]) => {
          const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], "image.png", { type: "image/png" }));
          const options = { bubbles: true, cancelable: true };
          document.body.dispatchEvent(
            way === "paste"
              ? new ClipboardEvent("paste", { ...options, clipboardData: transfer })
              : new DragEvent("drop", { ...options, dataTransfer: transfer }),
          );
        }""",
        [way, base64.b64encode(png("night", "disc", tmp_path)).decode()],
    )
    wait_for_heading(page, "Closest")
    assert [style(name) for name in names(page)[:2]] == ["night"] * 2


def test_a_bad_upload_is_explained_and_changes_nothing(page, ids):
    open_page(page, f"?like={ids['ink-disc.png']}")
    before = names(page)
    for _ in range(2):  # the second time must not leave the page waiting
        upload(page, "notes.png", b"not a picture")
        notice = page.get_by_role("alert").get_by_text("“notes.png” could not be used")
        notice.wait_for()
        page.locator(".chip.waiting").wait_for(state="detached")
    assert "Not a picture" in notice.text_content()
    assert page.locator(".chip").count() == 1
    assert names(page) == before
    page.get_by_role("button", name="Dismiss").click()
    assert notice.count() == 0


def test_a_picture_that_is_too_large_to_send_stays_here(page):
    open_page(page)
    page.locator("input[type=file]").evaluate(
        """input => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(60e6)], "huge.tif"));
          input.files = transfer.files;
          input.dispatchEvent(new Event("change"));
        }"""
    )
    page.get_by_role("alert").get_by_text("“huge.tif” has 60 MB; a reference may have 50 MB.").wait_for()
    assert page.locator(".chip").count() == 0


def test_the_keyboard_reaches_everything(page, library, ids):
    open_page(page)
    first, second = names(page)[:2]
    page.locator(".open[tabindex='0']").focus()
    page.keyboard.press("ArrowDown")
    assert focused(page) not in (first, second)
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    detail = page.get_by_role("dialog", name=second)
    detail.wait_for()
    assert library.assets([ids[second]])[ids[second]].paths[0] == detail.locator("code").text_content()
    page.keyboard.press("ArrowLeft")
    page.get_by_role("dialog", name=first).wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog", name=first).wait_for(state="hidden")
    page.wait_for_function(FOCUSED, arg=first)  # the browser tells of a closed dialog only afterwards
    page.keyboard.press("m")
    wait_for_heading(page, "Closest")
    assert page.url.endswith(f"?like={ids[first]}")


def test_the_closer_look(page, library, ids):
    open_page(page)
    page.get_by_role("link", name="Look closer at ink-bars.jpg").click()
    detail = page.get_by_role("dialog", name="ink-bars.jpg")
    page.wait_for_function(
        """() => [...document.querySelectorAll('*')].some(
          (host) => host.shadowRoot?.querySelector('.detail img')?.naturalWidth === 640)"""
    )
    detail.get_by_role("button", name="Copy path").click()
    detail.get_by_text("Copied").wait_for()
    path = library.assets([ids["ink-bars.jpg"]])[ids["ink-bars.jpg"]].paths[0]
    assert page.evaluate("navigator.clipboard.readText()") == path
    assert detail.get_by_text("only its small picture").is_hidden()
    detail.get_by_role("button", name="Close").click()
    page.get_by_role("link", name="Look closer at gone.png").click()
    page.get_by_text("only its small picture").wait_for()
    page.get_by_role("dialog").get_by_role("button", name="More like this").click()
    wait_for_heading(page, "Closest")
    assert page.get_by_role("dialog").count() == 0


def test_a_link_of_another_library_is_explained(page):
    open_page(page, "?like=9999,abc,-1,u000000000000&less=12345678901234567890&format=%00&n=7&folder=")
    page.get_by_role("alert").get_by_text("2 references of this link cannot be found here any more.").wait_for()


def test_the_library_view_counts_and_explains(page, library):
    page.goto("/library")
    page.get_by_text("Files that could not be used").wait_for()
    page.get_by_test_id("stMetric").filter(has_text=f"Pictures{PICTURES}").wait_for()
    row = page.get_by_role("row", name="notes.png")
    assert "Not a picture" in row.text_content()
    assert str(library.folder) in page.get_by_test_id("stCode").text_content()


def test_the_server_gives_pictures_and_no_other_file(address, library, ids):
    asset = library.assets([ids["ink-disc.png"]])[ids["ink-disc.png"]]
    status, headers = get(address, f"/pictures/{asset.id}/{asset.sha256}.webp")
    assert (status, headers["content-type"]) == (200, "image/webp")
    assert "immutable" in headers["cache-control"]
    for path in (
        "/thumbnails/../library.json",
        "/thumbnails/..%2flibrary.json",
        "/thumbnails/%2e%2e/catalog.db",
        f"/pictures/{asset.id + 1}/{asset.sha256}.webp",
        f"/pictures/{10**30}/{asset.sha256}.webp",
        f"/pictures/{asset.id}/..%2f..%2flibrary.json",
    ):
        assert get(address, path)[0] in (400, 404), path


def get(address: str, path: str) -> tuple[int, HTTPMessage]:
    """Status and headers of a path that no client has tidied up."""
    connection = HTTPConnection(address.removeprefix("http://"))
    with closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.headers
