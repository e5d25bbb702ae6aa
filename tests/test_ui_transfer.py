"""From found style to new pictures, as a designer does it: a real server, a real library, a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe import assert_accessible
from browser import running_chromium, running_page
from studio import draw_studio

from indexer.run import index
from stylesearch import Library
from stylesearch.settings import Settings

pytest.importorskip("playwright", reason="playwright is not installed")

HOSTILE = "<img src=x onerror=alert(1)> & 'a fox'"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("transfer")
    draw_studio(folder / "pictures")
    with Library.create(folder / "studio", encoder="descriptors:lab-gradient") as opened:
        settings = Settings.from_environment()
        index(opened.catalog, opened.encoder, [folder / "pictures"], thumbnails=opened.thumbnails, settings=settings)
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
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, base_url=address)
    context.set_default_timeout(60_000)  # the first picture waits for torch
    window = context.new_page()
    errors: list[str] = []
    window.on("pageerror", lambda error: errors.append(str(error)))
    window.on("dialog", lambda dialog: errors.append(f"a script of a name ran: {dialog.message}"))
    yield window
    assert errors == []
    assert window.get_by_test_id("stException").count() == 0
    context.close()


def ids(library: Library) -> dict[str, int]:
    """Asset ids by STYLE/SHAPE."""
    found = [(Path(asset.paths[0]), asset.id) for asset in library.browse(100)]
    return {f"{path.parent.name}/{path.stem}": asset_id for path, asset_id in found}


def made(library: Library) -> list[int]:
    """Ids of what was made here, the latest first."""
    found = [asset.id for asset in library.browse(100, folders=[str(library.folder)])]
    return sorted(found, reverse=True)


def test_found_selected_transferred_and_found_again(page: Any, library: Library) -> None:
    known = ids(library)
    page.goto(f"/?like={known['riso/ring']}")
    page.locator(".tile").first.wait_for()
    for place in range(3):
        page.locator(".tile .pick").nth(place).click(force=True)
    bar = page.get_by_role("toolbar", name="Selected pictures")
    bar.get_by_text("3 selected").wait_for()
    bar.get_by_role("button", name="Transfer").click()
    page.locator(".styles .chip").nth(2).wait_for()
    assert "/transfer?like=" in page.url and page.locator(".terms").inner_text(), "the terms are said before"
    assert_accessible(page)
    page.locator(".size").select_option("256x256")
    page.locator(".seed").fill("7")
    page.get_by_role("button", name="Make a picture").click()
    result = page.locator(".result")
    result.wait_for()
    (made_id,) = made(library)
    lineage = library.lineage(made_id)
    assert lineage is not None and lineage.fidelity is not None and lineage.seed == 7 and len(lineage.references) == 3
    shown = result.locator(".number").all_inner_texts()
    assert shown == [f"{lineage.fidelity.style:.2f}", f"{lineage.fidelity.leak:.2f}"]
    assert f"made={made_id}" in page.url
    assert_accessible(page)
    page.goto(f"/?like={lineage.references[0].asset_id}")
    page.locator(f".tile[data-id='{made_id}']").wait_for()


def test_a_result_is_varied_used_put_on_a_board_and_looked_at(page: Any, library: Library) -> None:
    known = ids(library)
    page.goto(f"/transfer?like={known['ink/disc']}*2&seed=3&strength=0.5&size=256x256")
    page.get_by_role("button", name="Make a picture").click()
    page.locator(".result").wait_for()
    first = made(library)[0]
    page.get_by_role("button", name="Vary").click()
    page.locator(".result").nth(1).wait_for()
    second = made(library)[0]
    lineages = [library.lineage(one) for one in (first, second)]
    assert lineages[0] and lineages[1] and lineages[0].seed == 3 != lineages[1].seed
    assert lineages[1].references[0].weight == 2 and lineages[1].strength == 0.5
    result = page.locator(f".result[data-id='{second}']")
    result.get_by_role("button", name="Use as reference").click()
    page.locator(".styles .chip").nth(1).wait_for()
    result.get_by_role("button", name="Add to board").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name of a new board").fill("Made")
    dialog.get_by_role("button", name="Create").click()
    page.get_by_text("Added 1 picture to Made").wait_for()
    dialog.wait_for(state="detached")
    result.locator(".open").click()
    origin = page.locator(".origin")
    origin.get_by_text("disc.png").wait_for()
    assert "preview" in origin.inner_text() and "50 %" in origin.inner_text()
    assert_accessible(page, exclude=[".stToast"])  # Streamlit's own message, which is about to go
    origin.get_by_role("button", name="disc.png").click()
    page.wait_for_url(f"**/asset?id={known['ink/disc']}*")
    page.locator(".descendants button").nth(1).wait_for()


def test_what_is_cancelled_leaves_nothing(page: Any, library: Library) -> None:
    before = made(library)
    page.goto(f"/transfer?like={ids(library)['moss/bars']}&n=4&size=1024x1024")
    page.get_by_role("button", name="Make 4 pictures").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Make 4 pictures").wait_for()
    assert made(library) == before
    assert page.locator(".result").count() == 0


def test_a_board_is_sent_and_a_file_is_added(page: Any, library: Library, tmp_path: Path) -> None:
    board = library.boards.create("Night")
    library.boards.add(board.id, [ids(library)["night/ring"], ids(library)["night/disc"]])
    page.goto(f"/boards?board={board.id}")
    page.locator(".actions").get_by_role("button", name="Transfer").click()
    page.locator(".styles .chip").nth(1).wait_for()
    words = page.get_by_label("What to show, in words")
    words.fill("a boat")
    draw_studio(tmp_path / "more")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Use a picture of what to show").click()
    chooser.value.set_files(tmp_path / "more" / "moss" / "bars.jpg")
    page.locator(".shown .chip").wait_for()
    assert words.is_disabled() and words.input_value() == "a boat", "kept for when the picture is taken away"
    page.locator(".size").select_option("256x256")
    page.get_by_role("button", name="Take away ring.png").click()
    page.locator(".styles .chip").nth(1).wait_for(state="detached")
    page.get_by_role("button", name="Make a picture").click()
    page.locator(".result").wait_for()
    lineage = library.lineage(made(library)[0])
    assert lineage is not None and lineage.content is not None and lineage.prompt == ""
    assert [one.name for one in lineage.references] == ["disc.png"]
    assert lineage.content.asset_id == ids(library)["moss/bars"], "the library has this file"


def test_links_that_make_no_sense(page: Any, library: Library) -> None:
    page.goto("/transfer")
    page.get_by_text("From found style to new pictures").wait_for()
    page.get_by_text("It needs at least one picture").wait_for()
    assert_accessible(page)
    page.goto("/transfer?like=99999,x&made=99999,-1&with=flux:mega@/etc&size=9x9&n=77&strength=nan&seed=-1")
    page.get_by_text("cannot be found here any more").wait_for()
    assert page.locator(".backend").input_value() == "preview"


SLOW = """
import sys, time
if "streamlit" in sys.orig_argv:
    from streamlit.navigation.page import StreamlitPage
    run = StreamlitPage.run
    def slowly(page):
        run(page)
        time.sleep(2)
    StreamlitPage.run = slowly
"""


def test_progress_ends_where_scripts_are_slow(
    chromium: Any, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with running_page(library.folder) as url, chromium.new_context(base_url=url) as context:
        page = context.new_page()
        page.goto(f"/transfer?like={ids(library)['ink/disc']}&size=256x256")
        # Pressed as soon as it is there, and so while the script that drew it still runs.
        page.get_by_role("button", name="Make a picture").click()
        page.locator(".result").wait_for(timeout=60_000)
