"""How fast the page answers in a browser: from a click on 'More like this' to new pictures, with many tiles shown."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.drawn import draw_files
from benchmarks.speed.result import Part, Row
from indexer.run import index
from stylesearch.errors import StyleSearchError
from stylesearch.library import Library
from stylesearch.settings import Settings

if TYPE_CHECKING:
    from benchmarks.speed import Config

WAIT_MS = 60_000
ENCODER = "descriptors:lab-gradient"  # the page's time does not depend on it, and this one is quick
SPARE = 20  # pictures of the library beyond those that are shown
STEPS = 30  # clicks at most: each takes a good part of a second
# Resolves once the gallery holds new pictures and those in sight are decoded.
ANSWERED = """async ([before, tiles]) => {
  const root = [...document.querySelectorAll('*')].find((e) => e.shadowRoot?.querySelector('.gallery')).shadowRoot;
  const images = () => [...root.querySelectorAll('.tile img')];
  while (images().length < tiles || images()[0].src === before || root.querySelector('.busy'))
    await new Promise(requestAnimationFrame);
  const seen = images().filter((image) => image.getBoundingClientRect().top < innerHeight);
  await Promise.all(seen.map((image) => image.decode()));
  return images()[0].src;
}"""


def measure(config: Config, tell: Callable[[str], None]) -> Part:
    """Seconds to the first pictures, and of steps: a click, its answer, everything in sight decoded."""
    steps = min(config.rounds, STEPS)
    setting = f"{config.tiles} tiles, {steps} steps"
    if not find_spec("playwright"):
        return Part("page", setting, (), ("the page: Playwright is not installed. Install: pip install playwright",))
    try:
        with _browser(config.chromium) as browser, tempfile.TemporaryDirectory() as folder:
            tell(f"drawing and indexing {config.tiles + SPARE} pictures")
            _fill(Path(folder), config.tiles + SPARE)
            tell("clicking")
            with _served(Path(folder, "library")) as url:
                first, seconds = _click(browser, f"{url}/?n={config.tiles}", steps)
    except StyleSearchError as exc:
        return Part("page", setting, (), (f"the page: {exc}",))
    p50, p95 = np.percentile(seconds, [50, 95]).tolist()
    rows = (
        Row("page opened to pictures", {"p50 s": first}),
        Row("'More like this' to the answer", {"p50 s": p50, "p95 s": p95}),
    )
    return Part("page", setting, rows)


def _fill(folder: Path, count: int) -> None:
    draw_files(folder / "pictures", count)
    with Library.create(folder / "library", encoder=ENCODER) as library:
        settings = Settings.from_environment()
        roots = [folder / "pictures"]
        index(library.catalog, library.encoder, roots, thumbnails=library.thumbnails, settings=settings)


@contextmanager
def _served(library: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "stylesearch", "ui", "--no-browser", "--port", str(port)]
    server = subprocess.Popen(  # noqa: S603 - this very program
        [*command, "--library", str(library)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(f"http://127.0.0.1:{port}/_stcore/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310 - our own server
            return
        except OSError:
            time.sleep(0.1)
    raise StyleSearchError("its server did not start. Try: stylesearch ui --no-browser")


@contextmanager
def _browser(chromium: Path | None) -> Iterator[Any]:
    from playwright.sync_api import Error, sync_playwright

    program = chromium or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    flags = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=program, args=flags)
        except Error as exc:
            raise StyleSearchError(
                f"no Chromium can be started ({exc.message.splitlines()[0]}). Install one: playwright install chromium"
            ) from exc
        yield browser
        browser.close()


def _click(browser: Any, url: str, rounds: int) -> tuple[float, list[float]]:
    """Seconds to the first pictures, and of each step."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(WAIT_MS)
    page.goto(url)  # the server's own first time
    page.locator(".tile").first.wait_for()
    start = time.perf_counter()
    page.goto(url)
    page.locator(".tile").first.wait_for()
    tiles = page.locator(".tile").count()
    source = page.evaluate(ANSWERED, ["", tiles])
    first = time.perf_counter() - start
    return first, [_step(page, source, tiles) for _ in range(rounds)]


def _step(page: Any, before: str, tiles: int) -> float:
    """Seconds from a click to the answer; then the references are cleared again."""
    tile = page.locator(".tile").nth(3)
    tile.hover()
    start = time.perf_counter()
    tile.locator("[data-do=like]").click()
    page.evaluate(ANSWERED, [before, tiles - 1])
    seconds = time.perf_counter() - start
    page.get_by_role("button", name="Clear").click()
    page.locator(".chip").wait_for(state="detached")
    page.get_by_text("From your library").wait_for()
    return seconds
