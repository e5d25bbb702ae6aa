"""The page of one picture as a designer uses it: a real server, a real library, a real browser."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe import assert_accessible
from browser import running_chromium, running_page
from described import POSTER, PROMPT
from PIL import Image, PngImagePlugin
from studio import draw
from test_library import fill
from test_page import get

from stylesearch import Library, Query
from stylesearch.errors import ImageError
from stylesearch.metadata import xmp_sidecar
from stylesearch.palette import hex_of
from stylesearch.records import Asset
from ui.tiles import OVERLAP, TILE_SIDE, Pyramids, top_level

pytest.importorskip("playwright", reason="playwright is not installed")

HOSTILE = "<img src=x onerror=alert(1)>&amp;.png"
LARGE = (3000, 2000)


def large() -> Image.Image:
    """A picture whose colour tells the place."""
    across, down = np.meshgrid(np.arange(LARGE[0]), np.arange(LARGE[1]))
    return Image.fromarray(np.dstack([across * 255 // LARGE[0], down * 255 // LARGE[1], (across + down) // 20])
                           .astype(np.uint8))  # fmt: skip


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("asset")
    pictures = folder / "pictures"
    pictures.mkdir()
    for style in ("ink", "riso", "moss"):
        for shape in ("disc", "ring", "bars"):
            draw(style, shape).resize((640, 480)).save(pictures / f"{style}-{shape}.png")
    large().save(pictures / "large.jpg", quality=95, xmp=xmp_sidecar(POSTER, ["<b>Poster</b>"]))
    for name in ("large.jpg", "riso-disc.png"):
        (pictures / "copies").mkdir(exist_ok=True)
        (pictures / "copies" / name).write_bytes((pictures / name).read_bytes())
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", PROMPT.replace("a cat", "<script>alert(1)</script> a cat"))
    draw("night", "disc").save(pictures / HOSTILE, pnginfo=info)
    draw("night", "ring").save(pictures / "gone.png")
    with Library.create(folder / "studio", encoder="descriptors:lab-gradient") as opened:
        fill(opened, pictures)
        (pictures / "gone.png").unlink()
        (pictures / "copies" / "large.jpg").unlink()
        yield opened


@pytest.fixture(scope="module")
def ids(library) -> dict[str, int]:
    return {Path(path).name: asset.id for asset in library.browse(1000) for path in asset.paths}


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
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, base_url=address)
    context.set_default_timeout(15_000)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    window = context.new_page()
    errors: list[str] = []
    window.on("pageerror", lambda error: errors.append(str(error)))
    window.on("dialog", lambda dialog: errors.append(f"a script of a file ran: {dialog.message}"))
    yield window
    assert errors == []
    assert window.get_by_test_id("stException").count() == 0
    context.close()


def open_asset(page: Any, query: str) -> None:
    page.goto(f"/asset?{query}")
    page.locator(".picture .zoom[data-state=ready]").wait_for()


def rows(page: Any, selector: str) -> dict[str, str]:
    """The rows of a list of facts."""
    found = page.locator(f"{selector} > div").evaluate_all(
        "all => all.map(one => [one.children[0].textContent, one.children[1].textContent])"
    )
    return dict(found)


def test_a_large_picture_is_looked_into(page, library, ids):
    seen: list[str] = []
    page.on("response", lambda response: seen.append(response.url) if "/tiles/" in response.url else None)
    open_asset(page, f"id={ids['large.jpg']}")
    assert seen and all(f"/tiles/{ids['large.jpg']}/" in url for url in seen)
    deepest = f"/{top_level(*LARGE)}/"
    with page.expect_response(lambda response: deepest in response.url) as told:
        page.get_by_role("button", name="1:1").click()
    assert told.value.status == 200
    page.get_by_role("application").first.press("+")
    page.get_by_role("button", name="Fit").click()
    found = rows(page, ".facts")
    assert found["Made by"] == "Anna Müller, Bo" and found["Made"] == "3 May 1972"
    assert found["Licence"] == "CC BY 4.0" and found["Size"] == "3,000 × 2,000 pixels"
    link = page.get_by_role("link", name="CC BY 4.0")
    assert link.get_attribute("href") == POSTER.licence and "noopener" in link.get_attribute("rel")


def test_colours_and_paths_are_copied(page, library, ids):
    open_asset(page, f"id={ids['large.jpg']}")
    details = library.find(ids["large.jpg"])
    first = hex_of(details.appearance.palette[0])
    page.get_by_role("button", name=f"Copy {first}").click()
    page.get_by_text(f"Copied {first}").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == first
    page.get_by_role("heading", name="Where its 2 copies lie").wait_for()
    gone = page.locator(".places li", has=page.locator("code", has_text="copies"))
    assert gone.locator(".there").text_content() == "not there now"
    here = page.locator(".places li", has=page.locator(".there[hidden]"))
    here.get_by_role("button", name="Copy path").click()
    here.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == here.locator("code").text_content()


@pytest.mark.journey("07 why it matched")
def test_why_it_matched_is_shown(page, library, ids):
    open_asset(page, f"id={ids['riso-ring.png']}&like={ids['riso-disc.png']},{ids['ink-disc.png']}")
    page.locator(".bars[aria-busy=false]").wait_for()
    bars = page.get_by_role("meter")
    expected = library.explain(ids["riso-disc.png"], ids["riso-ring.png"])
    assert [float(bar.get_attribute("aria-valuenow")) for bar in bars.all()] == [
        pytest.approx(value, abs=0.006) for value in expected.traits
    ]
    page.get_by_role("button", name="Where they match").click()
    for side in (".picture", ".reference"):
        page.locator(f"{side} img.heat").wait_for()
    page.locator(".reference .zoom[data-state=ready]").wait_for()
    picture, heat = (page.locator(f".picture {part}").bounding_box() for part in (".openseadragon-canvas", ".heat"))
    assert heat["width"] == pytest.approx(heat["height"] * 640 / 480, rel=0.02)
    assert heat["width"] <= picture["width"] + 4
    assert_accessible(page)
    page.get_by_role("button", name="Compare with ink-disc.png").click()
    page.locator(".reference .name", has_text="ink-disc.png").wait_for()
    page.locator(".bars[aria-busy=false]").wait_for()
    assert float(bars.first.get_attribute("aria-valuenow")) < expected.traits.colour
    assert f"against={ids['ink-disc.png']}" in page.url
    page.get_by_role("button", name="Back to the search").click()
    page.locator(".gallery h2", has_text="your 2 references").wait_for()


def test_a_dropped_reference_stands_beside_the_picture(page, ids):
    page.goto("/")
    page.locator(".tile").first.wait_for()
    dropped = io.BytesIO()
    draw("riso", "disc", seed=7).save(dropped, "PNG")
    picture = {"name": "mine.png", "mimeType": "image/png", "buffer": dropped.getvalue()}
    page.locator("input[type=file]").set_input_files(picture)
    page.locator(".gallery:not(.busy) h2", has_text="your reference").wait_for()
    first = page.locator(".tile .open").first
    name = first.get_attribute("aria-label").removeprefix("Look closer at ")
    first.focus()
    page.keyboard.press("o")
    page.locator(".picture .name", has_text=name).wait_for()
    page.locator(".reference .name", has_text="mine.png").wait_for()
    page.locator(".reference .zoom[data-state=ready]").wait_for()
    page.locator(".bars[aria-busy=false]").wait_for()
    assert page.get_by_role("button", name="Where they match").is_enabled()
    assert f"id={ids[name]}&like=u" in page.url


def test_neighbours_lead_on_and_back(page, library, ids):
    open_asset(page, f"id={ids['ink-disc.png']}")
    images = page.locator(".neighbours img")
    hits = library.fold(library.search(Query(ids["ink-disc.png"], k=48)))
    names = images.evaluate_all("images => images.map(image => image.alt)")
    assert names == [Path(group[0].path).name for group in hits]
    assert names[0].startswith("ink")
    images.first.click()
    page.locator(".picture .name", has_text=names[0]).wait_for()
    page.locator(".reference .name", has_text="ink-disc.png").wait_for()
    page.go_back()
    page.locator(".picture .name", has_text="ink-disc.png").wait_for()
    page.get_by_role("button", name="More like this").click()
    page.locator(".gallery h2", has_text="your reference").wait_for()
    assert page.url.endswith(f"?like={ids['ink-disc.png']}")


def test_tags_are_given_and_taken_away(page, library, ids):
    open_asset(page, f"id={ids['large.jpg']}")
    assert page.locator(".tags li").all_text_contents() == ["<b>Poster</b>"]
    page.get_by_label("Add a tag").fill("  Art nouveau ")
    page.get_by_label("Add a tag").press("Enter")
    page.locator(".tags li", has_text="Art nouveau").wait_for()
    assert list(library.find(ids["large.jpg"]).tags) == ["<b>Poster</b>", "Art nouveau"]
    assert page.get_by_role("button", name="Take away the tag <b>Poster</b>").count() == 0
    page.get_by_role("button", name="Take away the tag Art nouveau").click()
    page.locator(".tags li", has_text="Art nouveau").wait_for(state="detached")
    assert list(library.find(ids["large.jpg"]).tags) == ["<b>Poster</b>"]


def test_what_a_model_was_asked_is_text(page, ids):
    open_asset(page, f"id={ids[HOSTILE]}")
    assert page.locator("h2").text_content() == HOSTILE
    found = rows(page, ".generation")
    assert found["Asked for"] == "<script>alert(1)</script> a cat" and found["Seed"] == "1"
    assert rows(page, ".facts")["Licence"] == "The file does not say. Ask before you use it."
    assert_accessible(page)


def test_a_picture_whose_file_is_gone_is_shown_small(page, ids):
    page.goto(f"/asset?id={ids['gone.png']}&like={ids['riso-disc.png']}")
    page.get_by_text("this is only its small picture").wait_for()
    page.get_by_text("they cannot be compared").wait_for()
    assert page.locator(".places .there").text_content() == "not there now"


@pytest.mark.parametrize("query", ["", "id=999999", "id=../1", f"id={10**30}", "id=1&like=x&against=%00&less=-1,@"])
def test_a_link_that_makes_no_sense_is_explained(page, query):
    page.goto(f"/asset?{query}")
    if "like" in query:
        page.locator(".picture .zoom[data-state=ready]").wait_for()
    else:
        page.get_by_text("There is no such picture in this library.").wait_for()


def test_the_server_gives_tiles_and_no_other_file(address, library, ids):
    asset = library.assets([ids["large.jpg"]])[ids["large.jpg"]]
    top, base = top_level(*LARGE), f"/tiles/{asset.id}/{asset.sha256}"
    status, headers = get(address, f"{base}/{top}/5_3.jpg")
    assert (status, headers["content-type"]) == (200, "image/jpeg") and "immutable" in headers["cache-control"]
    for path in (
        f"{base}/{top}/6_3.jpg",
        f"{base}/{top + 1}/0_0.jpg",
        f"{base}/0/0_0.jpg",
        f"{base}/{top}/{10**30}_0.jpg",
        f"{base}/..%2fwhole",
        f"/tiles/{asset.id + 1}/{asset.sha256}/{top}/0_0.jpg",
        f"/tiles/{10**30}/{asset.sha256}/{top}/0_0.jpg",
        "/vendor/../asset.js",
        "/vendor/..%2fasset.js",
    ):
        assert get(address, path)[0] in (400, 404), path
    assert get(address, f"/tiles/{ids['gone.png']}/x/9/0_0.jpg")[0] == 404
    assert get(address, "/vendor/openseadragon-6.1.1.min.js")[0] == 200


def asset_of(picture: Image.Image, number: int) -> Asset:
    return Asset(number, f"{number:064x}", 1, "PNG", *picture.size)


def cut(pyramids: Pyramids, asset: Asset) -> None:
    future = pyramids.cut(asset)
    assert future is not None
    future.result(30)


def put_together(pyramids: Pyramids, asset: Asset, level: int) -> Image.Image:
    """A level, from its tiles."""
    scale = 1 << (top_level(asset.width, asset.height) - level)
    whole = Image.new("RGB", (-(-asset.width // scale), -(-asset.height // scale)))
    for row in range(-(-whole.height // TILE_SIDE)):
        for column in range(-(-whole.width // TILE_SIDE)):
            path = pyramids.path(asset, level, column, row)
            assert path is not None
            tile = Image.open(io.BytesIO(path.read_bytes()))
            left, top = column * TILE_SIDE, row * TILE_SIDE
            right = min(left + TILE_SIDE + OVERLAP, whole.width)
            bottom = min(top + TILE_SIDE + OVERLAP, whole.height)
            left, top = max(0, left - OVERLAP), max(0, top - OVERLAP)
            assert tile.size == (right - left, bottom - top)
            whole.paste(tile, (left, top))
    return whole


@pytest.mark.parametrize("size", [(1601, 700), (513, 2050), (1024, 1024)])
def test_tiles_are_the_picture(tmp_path, size):
    picture = large().resize(size)
    asset = asset_of(picture, 1)
    pyramids = Pyramids(lambda _: picture, tmp_path, 10**9)
    cut(pyramids, asset)
    for level in range(9, top_level(*size) + 1):
        whole = put_together(pyramids, asset, level)
        expected = picture.resize(whole.size, Image.Resampling.BOX)
        assert np.abs(np.asarray(whole, int) - np.asarray(expected, int)).mean() < 4, level
    assert not list(tmp_path.rglob("*.partial"))


def test_tiles_on_disk_are_bounded(tmp_path):
    picture = large()
    first = Pyramids(lambda _: picture, tmp_path, 10**9)
    cut(first, asset_of(picture, 1))
    size = int(next(tmp_path.rglob("whole")).read_text())
    bounded = Pyramids(lambda _: picture, tmp_path, 2 * size)
    for number in (2, 3, 4):
        cut(bounded, asset_of(picture, number))
        time.sleep(0.02)  # so that the times of the files differ
    assert sorted(int(whole.parent.name, 16) for whole in tmp_path.rglob("whole")) == [3, 4]
    assert sum(file.stat().st_size for file in tmp_path.rglob("*.jpg")) <= 2 * size


def test_a_picture_that_cannot_be_read_has_no_tiles(tmp_path):
    def gone(_: Asset) -> Image.Image:
        raise ImageError("missing", "gone")

    future = Pyramids(gone, tmp_path, 10**9).cut(asset_of(large(), 1))
    assert isinstance(future, Future) and isinstance(future.exception(30), ImageError)


def test_the_command_explains(library, ids, tmp_path, capsys):
    from typer.testing import CliRunner

    from stylesearch.cli import app

    command = ["explain", f"id:{ids['riso-disc.png']}", f"id:{ids['riso-ring.png']}", "--library", str(library.folder)]
    heat = tmp_path / "heat.png"
    told = CliRunner().invoke(app, [*command, "--heat", str(heat)])
    assert told.exit_code == 0 and "texture" in told.stdout
    with Image.open(heat) as written:
        assert written.size == (2048, 1024)
    record = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    expected = library.explain(ids["riso-disc.png"], ids["riso-ring.png"])
    assert record["colour"] == pytest.approx(expected.traits.colour, abs=1e-5)
    np.testing.assert_allclose(record["heat"], expected.heat.cosines, atol=1e-4)
