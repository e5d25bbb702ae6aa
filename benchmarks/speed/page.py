"""How fast the page answers in a browser, to new pictures in sight: a dropped file, another query, many tiles."""

from __future__ import annotations

import base64
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.drawn import draw, draw_files
from benchmarks.speed.memory import MB, memory_of
from benchmarks.speed.result import Part, Row
from benchmarks.speed.served import browser, served
from indexer.run import index
from stylesearch.errors import StyleSearchError
from stylesearch.library import Library
from stylesearch.settings import Settings

if TYPE_CHECKING:
    from benchmarks.speed import Config

WAIT_MS = 60_000
SPARE = 20  # pictures of the library beyond those that are shown
FEW = 60  # tiles that the page shows where nobody asks for more
STEPS = 30  # at most of each kind: each takes a good part of a second
QUERIES = 5  # for each round, over which the memory of the server is watched: 500 of 100
DROPPED = (1600, 1200)  # pixels of a picture that is dropped

# Resolves once the gallery holds new pictures and those in sight are decoded.
ANSWERED = """async ([before, wait]) => {
  const root = [...document.querySelectorAll('*')].find((e) => e.shadowRoot?.querySelector('.gallery')).shadowRoot;
  const images = () => [...root.querySelectorAll('.tile img')];
  const late = performance.now() + wait;
  while (!images().length || images()[0].src === before || root.querySelector('.busy')) {
    if (performance.now() > late) throw new Error('no answer');
    await new Promise(requestAnimationFrame);
  }
  const seen = images().filter((image) => image.getBoundingClientRect().top < innerHeight);
  await Promise.all(seen.map((image) => image.decode()));
}"""

DROP = """(data) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], "dropped.jpg", { type: "image/jpeg" }));
  document.body.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer }));
}"""


def measure(config: Config, tell: Callable[[str], None]) -> Part:
    """Seconds until everything in sight is decoded, and what the server's processes hold as queries go on."""
    steps, pictures = min(config.rounds, STEPS), max(config.count, config.tiles + SPARE)
    setting = f"{pictures:,} pictures, {config.encoder}, {steps} steps of each kind"
    if not find_spec("playwright"):
        return Part("page", setting, (), ("the page: Playwright is not installed. Install: pip install playwright",))
    try:
        with browser(config.chromium) as chromium, tempfile.TemporaryDirectory() as folder:
            tell(f"drawing and indexing {pictures:,} pictures")
            _fill(Path(folder), pictures, config.encoder)
            with served(Path(folder, "library")) as page:
                window = chromium.new_page(viewport={"width": 1440, "height": 900})
                window.set_default_timeout(WAIT_MS)
                visit = _Visit(window, page.url, tell)
                rows = [
                    visit.opened(),
                    visit.dropped(steps),
                    visit.queried("next query, few tiles", FEW, steps),
                    visit.queried(f"next query, {config.tiles} tiles", config.tiles, steps),
                    visit.remembered(page.pid, QUERIES * config.rounds),
                ]
    except StyleSearchError as exc:
        return Part("page", setting, (), (f"the page: {exc}",))
    return Part("page", setting, tuple(rows))


def _fill(folder: Path, count: int, encoder: str) -> None:
    draw_files(folder / "pictures", count)
    with Library.create(folder / "library", encoder=encoder) as library:
        settings = Settings.from_environment()
        roots = [folder / "pictures"]
        index(library.catalog, library.encoder, roots, thumbnails=library.thumbnails, settings=settings)
        library.refresh()


class _Visit:
    """A window on the page, and what is measured in it."""

    def __init__(self, window: Any, url: str, tell: Callable[[str], None]) -> None:
        self._window = window
        self._url = url
        self._tell = tell

    def opened(self) -> Row:
        """A first visit to a server that has answered another one."""
        self._open(FEW)
        start = time.perf_counter()
        self._open(FEW)
        return Row("page opened to pictures", {"p50 s": time.perf_counter() - start})

    def dropped(self, rounds: int) -> Row:
        """From a picture that nobody has seen before to what shares its style; the encoder is loaded."""
        self._tell("dropping pictures")
        self._open(FEW)
        seconds = []
        for seed in range(rounds + 1):
            data = base64.b64encode(_picture(seed)).decode()
            before = self._first()
            start = time.perf_counter()
            self._window.evaluate(DROP, data)
            self._answer(before)
            seconds.append(time.perf_counter() - start)
            self._clear()
        return _row("a dropped picture to what is like it", seconds[1:])

    def queried(self, name: str, tiles: int, rounds: int) -> Row:
        """From a click on 'More like this' to the answer."""
        self._tell(f"clicking, {tiles} tiles")
        self._open(tiles)
        return _row(name, [self._query(tiles) for _ in range(rounds)])

    def remembered(self, pid: int, queries: int) -> Row:
        """What the server's processes hold after a tenth of the queries, and after all."""
        self._tell(f"asking {queries} times")
        if not Path("/proc/self/smaps_rollup").exists():
            return Row("server's memory: read from /proc, on Linux only", {})
        self._open(FEW)
        early = 0
        for number in range(queries):
            if number == queries // 10:
                early = memory_of(pid)
            self._query(FEW)
        values = {"MB early": early / MB, "MB late": memory_of(pid) / MB}
        return Row(f"server's memory over {queries} queries", values)

    def _open(self, tiles: int) -> None:
        self._window.goto(f"{self._url}/?n={tiles}")
        self._window.locator(".tile").nth(tiles - 1).wait_for(state="attached")
        self._answer("")

    def _query(self, tiles: int) -> float:
        """Seconds from a click to the answer; then the references are cleared again."""
        tile = self._window.locator(".tile").nth(3)
        before = self._first()
        tile.hover()
        start = time.perf_counter()
        tile.locator("[data-do=like]").click()
        self._answer(before)
        seconds = time.perf_counter() - start
        self._clear()
        return seconds

    def _clear(self) -> None:
        self._window.get_by_role("button", name="Clear").click()
        self._window.get_by_text("From your library").wait_for()

    def _first(self) -> str:
        source: str = self._window.locator(".tile img").first.evaluate("image => image.src")
        return source

    def _answer(self, before: str) -> None:
        self._window.evaluate(ANSWERED, [before, WAIT_MS])


def _picture(seed: int) -> bytes:
    """A JPEG file that no library of `draw_files` holds."""
    buffer = io.BytesIO()
    draw(10_000_000 + seed, DROPPED).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _row(name: str, seconds: Sequence[float]) -> Row:
    p50, p95 = np.percentile(seconds, [50, 95]).tolist()
    return Row(name, {"p50 s": p50, "p95 s": p95})
