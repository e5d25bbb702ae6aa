"""The library page, the first run of an empty library, and what a hostile visitor or file tries."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from axe import assert_accessible
from browser import running_chromium, running_page
from pictures import png_bomb
from studio import STYLES, draw
from visiting import names, open_page, upload, visitor

from indexer.announce import announced
from indexer.report import Progress
from indexer.run import index
from stylesearch import Library
from stylesearch.disk import disk_use
from stylesearch.errors import ImageReason
from stylesearch.records import Run
from stylesearch.running import FILE, RunningIndex, read_running, write_running
from stylesearch.settings import Settings
from ui.library_view import _last_run
from ui.wording import advice, duration, megabytes

pytest.importorskip("playwright", reason="playwright is not installed")

HOSTILE = "<img src=x onerror=alert(1)> *b* [x](y) $x$.png"
SVG = b"""<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60" onload="alert(1)">
<script>alert(1)</script><rect width="90" height="60" fill="#d6362b"/>
<a href="javascript:alert(1)"><text y="30">x</text></a>
<foreignObject width="9" height="9"><body xmlns="http://www.w3.org/1999/xhtml"><img src="x" onerror="alert(1)"/></body>
</foreignObject><image href="file:///etc/passwd"/></svg>"""


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Iterator[Library]:
    """A few pictures, one of them with a hostile name, an SVG with a script, and files that are refused."""
    folder = tmp_path_factory.mktemp("library")
    pictures = folder / "pictures"
    pictures.mkdir()
    for style in STYLES:
        draw(style, "disc").save(pictures / f"{style}.png")
    draw("ink", "ring").save(pictures / HOSTILE)
    (pictures / "script.svg").write_bytes(SVG)
    (pictures / f"not {HOSTILE}").write_text("<script>alert(1)</script>")
    (pictures / "bomb.png").write_bytes(png_bomb())
    (pictures / "empty.jpg").touch()
    with Library.create(folder / "a_b *studio*", encoder="descriptors:lab-gradient") as opened:
        settings = Settings.from_environment()
        index(opened.catalog, opened.encoder, [pictures], thumbnails=opened.thumbnails, settings=settings)
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


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ({"new": 60, "encoded": 60}, "60 new, in"),
        ({"encoded": 60}, "60 pictures looked at, in"),
        ({"encoded": 0}, "nothing new, in"),
    ],
)
def test_a_run_that_fills_a_space_is_told_from_one_that_found_nothing(report, said):
    now = datetime.now(UTC)
    assert said in _last_run(Run(now, now, report))


def running(**changes: Any) -> RunningIndex:
    told = RunningIndex(400, True, 100, 90, 3, 10.0, socket.gethostname(), os.getpid(), time.time())
    return replace(told, **changes)


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_page_says_what_is_there_and_what_to_do(page, library):
    page.goto("/library")
    page.get_by_text("Files that could not be used").wait_for()
    page.get_by_test_id("stMetric").filter(has_text="Refused3").wait_for()
    row = page.get_by_role("row", name="empty.jpg")
    assert "The file is empty" in row.text_content()
    assert "Copy the file again" in row.text_content()
    assert "Too large" in page.get_by_role("row", name="bomb.png").text_content()
    page.get_by_role("row", name=f"not {HOSTILE}").wait_for()
    page.get_by_role("heading", name="a_b *studio*").wait_for()
    page.get_by_text("Last run").wait_for()
    page.get_by_role("row", name="descriptors:lab-gradient").wait_for()
    page.get_by_test_id("stMetric").filter(has_text="Search index").wait_for()
    assert page.locator("img[src='x']").count() == 0


def test_a_run_elsewhere_is_followed(page, library):
    page.goto("/library")
    page.get_by_text("Last run").wait_for()
    write_running(library.folder, running())
    page.get_by_text("Indexing now: 100 of 400").wait_for()
    page.get_by_text("10 files a second  ·  30 seconds left  ·  3 refused").wait_for()
    write_running(library.folder, running(done=300, scan_finished=False))
    page.get_by_text("300 of 400 found so far").wait_for()
    (library.folder / FILE).unlink()
    page.get_by_text("Indexing now").wait_for(state="detached")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_library_page_keeps_nobody_out(chromium, address, scheme):
    with visitor(chromium, address, color_scheme=scheme) as window:
        window.goto("/library")
        window.get_by_text("Files that could not be used").wait_for()
        assert_accessible(window)


def test_a_picture_with_a_script_is_only_a_picture(page, library):
    open_page(page)
    assert HOSTILE in names(page)
    assert "script.svg" in names(page)
    upload(page, "<b>mine</b>.svg", SVG)
    page.locator(".chip:not(.waiting)").wait_for()
    assert page.locator("img[src='x'], b:text('mine')").count() == 0
    asset = next(one for one in library.browse(50) if one.paths[0].endswith(".svg"))
    answer = page.request.get(f"/pictures/{asset.id}/{asset.sha256}.webp")
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("bomb.png", png_bomb(), "Too large"),
        ("<script>.png", b"<script>alert(1)</script>", "Not a picture"),
        ("empty.png", b"", "could not be used"),
    ],
)
def test_what_is_no_picture_is_refused_in_a_sentence(page, name, data, said):
    open_page(page)
    before = names(page)
    upload(page, name, data)
    page.get_by_role("alert").get_by_text(f"“{name}” could not be used").get_by_text(said).wait_for()
    assert names(page) == before


def test_200_megabytes_stay_with_the_visitor(page):
    open_page(page)
    page.locator("input[type=file]").evaluate(
        """input => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(200e6)], "<b>huge</b>.tif"));
          input.files = transfer.files;
          input.dispatchEvent(new Event("change"));
        }"""
    )
    page.get_by_role("alert").get_by_text("“<b>huge</b>.tif” has 200 MB; a reference may have 50 MB.").wait_for()


@pytest.mark.parametrize(
    "path",
    [
        "/?like=../../etc/passwd&less=-1&in=../../../etc",
        "/?like=99999999999999999999,7e3&text=%3Cscript%3Ealert(1)%3C/script%3E",
        "/asset?id=../../etc/passwd",
        "/asset?id=-1",
        "/asset?id=999999",
        "/asset?id=99999999999999999999999",
        "/boards?board=../1",
        "/boards?board=999999",
        "/atlas?family=%00&x=NaN",
        "/library?<script>alert(1)</script>",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/library.json",
    ],
)
def test_a_link_that_lies_gets_a_plain_answer(page, path):
    """No script runs, no traceback shows, and nothing of another file: `visitor` looks after the first two."""
    page.goto(path)
    page.wait_for_load_state("networkidle")
    text = page.locator("body").inner_text()
    assert "Traceback" not in text and "root:" not in text and '"space"' not in text
    assert "Something went wrong" not in text


def test_routes_give_pictures_alone(page, library):
    for path in (
        "/thumbnails/%2e%2e/library.json",
        "/thumbnails/..%2fcatalog.db",
        "/app/static/../../library.json",
        "/sample/x",
        "/indexing.json",
        "/pictures/1/../../library.json",
        f"/pictures/{10**30}/x.webp",
    ):
        answer = page.request.get(path)
        assert "fingerprint" not in answer.text(), path
        assert answer.status in (200, 400, 404), path  # 200: the page itself, for a path that it does not know


def test_many_visitors_see_the_same(chromium, address):
    windows = [visitor(chromium, address) for _ in range(3)]
    opened = [window.__enter__() for window in windows]
    for window in opened:
        window.goto("/")
    found = []
    for window in opened:
        window.locator(".tile").first.wait_for()
        found.append(names(window))
    for window in windows:
        window.__exit__(None, None, None)
    assert found[0] == found[1] == found[2]


def test_an_empty_library_draws_its_sample_and_can_be_stopped(tmp_path, chromium):
    folder = tmp_path / "empty"
    Library.create(folder, encoder="descriptors:lab-gradient").close()
    with running_page(folder) as address, visitor(chromium, address) as window:
        window.set_default_timeout(60_000)  # painters start slowly on a busy machine
        window.goto("/")
        window.get_by_text(f"stylesearch index PATH --library {folder}").wait_for()
        assert_accessible(window)
        window.get_by_role("button", name="Draw the sample").click()
        window.get_by_text("Drawing the sample").wait_for()
        wait_until(lambda: any(folder.glob("sample/*/*")))
        window.get_by_role("button", name="Cancel").click()
        window.get_by_text("Drawing the sample").wait_for(state="detached")
        wait_until(lambda: not (folder / "sample").exists())
        (folder / "sample" / "ink").mkdir(parents=True)  # as if all of it had been drawn
        for shape in ("disc", "ring"):
            draw("ink", shape).save(folder / "sample" / "ink" / f"{shape}.png")
        (folder / "sample" / ".whole").touch()
        window.get_by_role("button", name="Draw the sample").click()
        window.locator(".tile").nth(1).wait_for()
        window.get_by_text("Learning the styles").wait_for(state="detached")
    with Library.open(folder) as library:
        assert library.catalog.counts().assets == 2
        assert library.running() is None


def test_a_run_is_announced_while_it_lasts(tmp_path):
    with Library.create(tmp_path / "one", encoder="descriptors:lab-gradient") as library:
        shown: list[Progress] = []
        with announced(library.folder, shown.append) as tell:
            tell(Progress(found=8, scan_finished=True, done=2, encoded=2, refused=1, seconds=1.0))
            now = library.running()
            assert now is not None
            assert (now.found, now.done, now.rate, now.seconds_left, now.refused) == (8, 2, 2.0, 3.0, 1)
        assert library.running() is None
        assert len(shown) == 1


def test_the_command_announces_its_run(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for seed in range(40):
        draw("riso", "ring", seed).save(pictures / f"{seed}.png")
    Library.create(tmp_path / "one", encoder="descriptors:lab-gradient").close()
    seen: list[RunningIndex] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            seen.extend(filter(None, [read_running(tmp_path / "one")]))

    watching = threading.Thread(target=watch)
    watching.start()
    command = [sys.executable, "-m", "stylesearch", "index", str(pictures), "--library", str(tmp_path / "one")]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    finally:
        over.set()
        watching.join(10)
    assert seen and all(one.done <= one.found <= 40 for one in seen)
    assert not (tmp_path / "one" / FILE).exists()


def test_a_run_that_was_killed_is_not_taken_for_one_that_goes_on(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(60)
    write_running(tmp_path, running(process=gone.pid))
    assert read_running(tmp_path) is None
    write_running(tmp_path, running(host="elsewhere"))
    assert read_running(tmp_path) is not None
    write_running(tmp_path, running(host="elsewhere", told=time.time() - 600))
    assert read_running(tmp_path) is None
    for text in ("", "[]", "{}", '{"found": 1}', "\0"):
        (tmp_path / FILE).write_text(text)
        assert read_running(tmp_path) is None
    write_running(tmp_path / "nowhere", running())  # only informs


def test_disk_use_counts_what_is_there(tmp_path, monkeypatch):
    sizes = {"catalog.db": 5, "catalog.db-wal": 7, "index/a": 11, "thumbnails/00/a": 13, "thumbnails/01/b": 13, "x": 17}
    sizes["created/2026-01-02/a.png"] = 19
    for name, size in sizes.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(size))
    use = disk_use(tmp_path)
    assert (use.catalog, use.index, use.thumbnails, use.created, use.other) == (12, 11, 26, 19, 17)
    monkeypatch.setattr("stylesearch.disk._LOOKED_AT", 0)  # one subfolder stands for both
    assert disk_use(tmp_path).thumbnails == 26
    assert disk_use(tmp_path / "nowhere").other == 0


def test_words():
    assert all(advice(word) for word in get_args(ImageReason))
    assert [duration(seconds) for seconds in (0.2, 30, 100, 7_000, 200_000)] == [
        "1 second",
        "30 seconds",
        "2 minutes",
        "2 hours",
        "2 days",
    ]
    assert [megabytes(size) for size in (0, 12_345_678, 1_500_000_000)] == ["0.0 MB", "12 MB", "1.5 GB"]
