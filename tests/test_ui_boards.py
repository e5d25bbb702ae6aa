"""Boards as a designer uses them: a real server, a real library, a real browser."""

from __future__ import annotations

import io
import re
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from axe import assert_accessible
from browser import running_chromium, running_page
from studio import EXTENSIONS, SHAPES, draw

from indexer.run import index
from stylesearch import Library
from stylesearch.records import Board
from stylesearch.settings import Settings

pytest.importorskip("playwright", reason="playwright is not installed")

HOSTILE = "<img src=x onerror=alert(1)>&amp;`*[x](y)"
STYLES = ("ink", "riso")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """Two styles of four shapes, one picture whose file is gone, and one with a hostile name."""
    folder = tmp_path_factory.mktemp("boards")
    pictures = folder / "pictures"
    pictures.mkdir()
    for style in STYLES:
        for shape, extension in zip(SHAPES, EXTENSIONS, strict=True):
            draw(style, shape).save(pictures / f"{style}-{shape}.{extension}", quality=95)
    draw("moss", "ring").save(pictures / "gone.png")
    draw("night", "ring").save(pictures / f"{HOSTILE}.png")
    with Library.create(folder / "studio", encoder="descriptors:lab-gradient") as opened:
        settings = Settings.from_environment()
        index(opened.catalog, opened.encoder, [pictures], thumbnails=opened.thumbnails, settings=settings)
        (pictures / "gone.png").unlink()
        opened.forget(pictures / "gone.png")
        yield opened


@pytest.fixture(scope="module")
def ids(library: Library) -> dict[str, int]:
    """Asset id by the name of the file, without its extension."""
    found = {Path(asset.paths[0]).stem: asset.id for asset in library.browse(1000)}
    gone = next(number for number in range(1, 20) if number not in found.values())
    return found | {"gone": gone}


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
    context.set_default_timeout(15_000)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    window = context.new_page()
    errors: list[str] = []
    window.on("pageerror", lambda error: errors.append(str(error)))
    window.on("dialog", lambda dialog: errors.append(f"a script of a name ran: {dialog.message}"))
    yield window
    assert errors == []
    assert window.get_by_test_id("stException").count() == 0
    context.close()


@pytest.fixture(autouse=True)
def no_boards_stay(library: Library) -> Iterator[None]:
    """Whatever a test does, and however it ends, the next one finds no boards."""
    yield
    for left in library.boards.all():
        library.boards.delete(left.id)


@pytest.fixture
def board(library: Library, ids: dict[str, int]) -> Board:
    """A board of four pictures: ink-disc, ink-bars, riso-disc, and the one whose file is gone."""
    made = library.boards.create("Ink", "For Anna")
    library.boards.add(made.id, [ids[name] for name in ("ink-disc", "ink-bars", "riso-disc", "gone")])
    return library.boards.get(made.id)


def open_board(page: Any, board: Board) -> None:
    page.goto(f"/boards?board={board.id}")
    page.locator(".item").first.wait_for()


def names(page: Any) -> list[str]:
    """The pictures of the board as they are shown, in order."""
    found: list[str] = page.locator(".item img").evaluate_all("images => images.map(image => image.alt)")
    return [name.rpartition(".")[0] for name in found]


def stored(library: Library, board: Board) -> list[str]:
    return [item.name.rpartition(".")[0] for item in library.boards.get(board.id).items]


def wait_for_change(page: Any, library: Library, board: Board, before: Board) -> Board:
    """The board, once something about it has been written."""
    for _ in range(300):
        now = library.boards.get(board.id)
        if now.changed_at > before.changed_at:
            return now
        page.wait_for_timeout(20)
    raise AssertionError("nothing was written")


def test_without_boards_the_page_explains_them(page: Any, library: Library) -> None:
    page.goto("/boards")
    page.get_by_text("Keep together what belongs together").wait_for()
    assert_accessible(page)
    page.get_by_label("Name of a new board").fill(HOSTILE)
    page.get_by_role("button", name="Create").click()
    page.get_by_text("Nothing on this board yet").wait_for()
    (made,) = library.boards.all()
    assert page.get_by_label("Name of the board").input_value() == made.name == HOSTILE
    assert page.url.endswith(f"/boards?board={made.id}")
    # The list, which says so too, stays for as long as the page is being drawn.
    shown = page.get_by_role("region", name="Board", exact=True)
    shown.get_by_role("button", name="Look for pictures").click()
    page.locator(".tile").first.wait_for()


@pytest.mark.journey("08 from a search to a board")
def test_pictures_of_a_search_go_to_a_board(page: Any, library: Library, board: Board, ids: dict[str, int]) -> None:
    page.goto(f"/?like={ids['riso-disc']}")
    page.locator(".tile").first.wait_for()
    page.locator(".tile .open").first.focus()
    page.keyboard.press("b")
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Ink", exact=True).wait_for()
    assert_accessible(page)
    before = library.boards.get(board.id)
    dialog.get_by_text("Ink", exact=True).click()
    now = wait_for_change(page, library, board, before)
    assert now.count == 5
    page.get_by_text("Added 1 picture to Ink").wait_for()
    dialog.wait_for(state="detached")
    page.locator(".tile .open").first.focus()
    page.keyboard.press("b")
    dialog.get_by_text("5 pictures · holds it").wait_for()
    dialog.get_by_label("Name of a new board").fill("Another")
    dialog.get_by_role("button", name="Create").click()
    page.get_by_text("Added 1 picture to Another").wait_for()
    assert [(one.name, one.count) for one in library.boards.all()] == [("Another", 1), ("Ink", 5)]


def test_the_order_is_changed_by_dragging_and_by_keyboard(page: Any, library: Library, board: Board) -> None:
    open_board(page, board)
    assert names(page) == ["ink-disc", "ink-bars", "riso-disc", "gone"]
    items = page.locator(".item")
    items.nth(2).drag_to(items.nth(0), target_position={"x": 20, "y": 80})
    assert names(page) == ["riso-disc", "ink-disc", "ink-bars", "gone"], "at once"
    before = wait_for_change(page, library, board, board)
    assert stored(library, board) == names(page)
    page.locator(".item .open").first.focus()
    page.keyboard.press("Alt+ArrowRight")
    assert names(page) == ["ink-disc", "riso-disc", "ink-bars", "gone"]
    wait_for_change(page, library, board, before)
    assert stored(library, board) == names(page)
    assert page.get_by_text("is number 2 of 4").count() == 1, "said to those who do not see it"
    page.reload()
    page.locator(".item").first.wait_for()
    assert names(page) == ["ink-disc", "riso-disc", "ink-bars", "gone"]


def test_several_pictures_are_moved_taken_off_and_put_back(page: Any, library: Library, board: Board) -> None:
    open_board(page, board)
    page.locator(".item .open").nth(1).focus()
    page.keyboard.press("Space")
    page.locator(".item .open").nth(2).click(modifiers=["Shift"])
    bar = page.get_by_role("toolbar", name="Selected pictures")
    bar.get_by_text("2 selected").wait_for()
    assert_accessible(page)
    bar.get_by_role("button", name="Move to the start").click()
    before = wait_for_change(page, library, board, board)
    assert stored(library, board) == ["ink-bars", "riso-disc", "ink-disc", "gone"]
    bar.get_by_role("button", name="Take off").click()
    page.get_by_text("Took 2 pictures off.").wait_for()
    now = wait_for_change(page, library, board, before)
    assert stored(library, board) == ["ink-disc", "gone"]
    page.get_by_role("button", name="Undo").click()
    wait_for_change(page, library, board, now)
    assert stored(library, board) == ["ink-bars", "riso-disc", "ink-disc", "gone"]
    page.get_by_text("Took 2 pictures off.").wait_for(state="hidden")
    page.locator(".item .open").nth(1).focus()
    page.keyboard.press("Delete")
    page.get_by_text("Took 1 picture off.").wait_for()
    focused = page.evaluate("document.activeElement.shadowRoot.activeElement.ariaLabel")
    assert focused == "Open ink-disc.png", "the one after it"


def test_names_notes_and_weights(page: Any, library: Library, board: Board) -> None:
    open_board(page, board)
    page.get_by_label("Name of the board").fill(HOSTILE)
    page.keyboard.press("Enter")
    before = wait_for_change(page, library, board, board)
    assert before.name == HOSTILE
    page.get_by_label("Notes on the board").fill("Two\nlines")
    before = wait_for_change(page, library, board, before)
    assert before.notes == "Two\nlines", "sent without a further key"
    page.get_by_role("button", name="Open ink-disc.png").click()
    panel = page.get_by_role("dialog", name="ink-disc.png")
    panel.get_by_label("Note").fill(HOSTILE)
    before = wait_for_change(page, library, board, before)
    assert before.items[0].note == HOSTILE
    assert_accessible(page)
    panel.get_by_label("Double").check(force=True)
    before = wait_for_change(page, library, board, before)
    assert before.items[0].weight == 2
    panel.get_by_role("button", name="Later").click()
    before = wait_for_change(page, library, board, before)
    assert stored(library, board)[:2] == ["ink-bars", "ink-disc"]
    panel.get_by_text("2 of 4").wait_for()
    panel.get_by_label("Note").fill("unsent")
    page.keyboard.press("Escape")
    assert wait_for_change(page, library, board, before).items[1].note == "unsent", "kept on leaving"
    page.locator(".item .weight", has_text="×2").wait_for()


def test_a_board_is_a_search(page: Any, library: Library, board: Board, ids: dict[str, int]) -> None:
    library.boards.weigh(board.id, [ids["ink-disc"]], 2)
    library.boards.weigh(board.id, [ids["riso-disc"], ids["gone"]], 0)
    open_board(page, board)
    page.get_by_role("button", name="Search with this board").click()
    page.locator(".gallery h2", has_text="Closest").wait_for()
    address = page.url.replace("%2C", ",").replace("%2A", "*")
    assert re.search(rf"\?like={ids['ink-disc']}\*2,{ids['ink-bars']}$", address)
    first = page.locator(".tile img").first.get_attribute("alt")
    assert first.startswith("ink")


def test_a_picture_without_a_file_stays_and_says_so(page: Any, library: Library, board: Board) -> None:
    open_board(page, board)
    page.get_by_text("4 pictures, 1 of them without its file").wait_for()
    gone = page.locator(".item").nth(3)
    gone.get_by_text("File missing").wait_for()
    assert gone.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 160
    gone.locator(".open").click()
    page.get_by_role("dialog", name="gone.png").get_by_text("Was at /").wait_for()
    page.get_by_text("so this is only its small picture").wait_for()


@pytest.mark.journey("09 a board taken along")
def test_a_board_is_taken_along(page: Any, library: Library, board: Board) -> None:
    open_board(page, board)
    page.get_by_role("button", name="Export").click()
    assert_accessible(page)
    found = {}
    for name in ("Original files", "For Figma", "Contact sheet to print", "Contact sheet as a picture", "Table"):
        with page.expect_download() as waiting:
            page.get_by_role("link", name=name).click()
        found[waiting.value.suggested_filename] = Path(waiting.value.path()).read_bytes()
    assert list(found) == ["Ink.zip", "Ink for Figma.zip", "Ink sheet.pdf", "Ink sheet.png", "Ink table.csv"]
    with zipfile.ZipFile(io.BytesIO(found["Ink.zip"])) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == [
            "Ink/manifest.json",
            *(f"Ink/pictures/{name}" for name in ("ink-bars.jpg", "ink-disc.png", "riso-disc.png")),
        ]
    assert found["Ink sheet.pdf"].startswith(b"%PDF") and found["Ink sheet.png"].startswith(b"\x89PNG")
    page.keyboard.press("Escape")
    assert page.get_by_role("link", name="Original files").count() == 0


def test_a_link_shows_the_board_and_forged_ones_are_explained(page: Any, address: str, board: Board) -> None:
    open_board(page, board)
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == f"{address}/boards?board={board.id}"
    for forged in ("9999", "-1", "9" * 30, "1 OR 1=1"):
        page.goto(f"/boards?board={forged}")
        page.get_by_text("The board of this link cannot be found here.").wait_for()
        page.locator(".card").first.wait_for()


def test_a_deleted_board_can_be_brought_back(page: Any, library: Library, board: Board) -> None:
    open_board(page, board)
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_text("Deleted “Ink”.").wait_for()
    assert board.id not in [one.id for one in library.boards.all()]
    page.get_by_role("button", name="Undo").click()
    page.locator(".card", has_text="Ink").wait_for()
    assert_accessible(page)
    page.locator(".card .open").first.click()
    page.locator(".item").first.wait_for()
    page.get_by_role("link", name="All boards").click()
    page.locator(".card", has_text="Ink").wait_for()


def test_what_somebody_else_did_is_kept_and_told(
    page: Any, library: Library, board: Board, ids: dict[str, int]
) -> None:
    open_board(page, board)
    library.boards.remove(board.id, [ids["ink-bars"]])
    library.boards.add(board.id, [ids["riso-ring"]])
    page.get_by_role("button", name="Open ink-bars.jpg").click()
    page.get_by_label("Note", exact=True).fill("too late")
    page.get_by_text("has been taken off this board in the meantime").wait_for()
    assert names(page) == stored(library, board) == ["ink-disc", "riso-disc", "gone", "riso-ring"]


def test_names_of_files_and_boards_are_never_code(page: Any, library: Library, ids: dict[str, int]) -> None:
    made = library.boards.create(HOSTILE, HOSTILE)
    library.boards.add(made.id, [ids[HOSTILE]])
    page.goto("/boards")
    page.locator(".card", has_text=HOSTILE).wait_for()
    open_board(page, made)
    assert names(page) == [HOSTILE]
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_text(f"Deleted “{HOSTILE}”.").wait_for()


@pytest.mark.parametrize("path", ["0/originals.zip", "9999/table.csv", f"{10**30}/sheet.png", "1/../../library.json"])
def test_downloads_of_what_is_not_there(address: str, path: str) -> None:
    with pytest.raises(HTTPError) as caught:
        urllib.request.urlopen(f"{address}/downloads/boards/{path}", timeout=10)  # noqa: S310 - our own server
    assert caught.value.code in (400, 404)
    caught.value.close()


def test_dark_is_as_readable(chromium: Any, address: str, board: Board) -> None:
    context = chromium.new_context(
        viewport={"width": 1280, "height": 800}, base_url=address, color_scheme="dark", reduced_motion="reduce"
    )
    window = context.new_page()
    open_board(window, board)
    assert_accessible(window)
    window.goto("/boards")
    window.locator(".card").first.wait_for()
    assert_accessible(window)
    context.close()
