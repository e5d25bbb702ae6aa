"""How fast the page answers in a browser: from a click on 'More like this' to the new pictures, with many tiles shown.

    python -m benchmarks.page_speed LIBRARY                # any library with more pictures than tiles
    python -m benchmarks.page_speed LIBRARY --tiles 250

Needs Playwright and a Chromium: pip install 'stylesearch[test]'.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import typer

WAIT_MS = 60_000
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


def main(
    library: Annotated[Path, typer.Argument(help="Folder of a library.")],
    tiles: Annotated[int, typer.Option(help="Pictures shown: 60, 120, 250 or 500.")] = 500,
    rounds: int = 15,
    port: int = 8599,
    chromium: str = "/usr/bin/chromium",
) -> None:
    """Prints the time to the first pictures and the median time of a step."""
    command = [sys.executable, "-c", "from stylesearch.cli import main; main()", "ui", "--no-browser"]
    server = subprocess.Popen([*command, "--library", str(library), "--port", str(port)], stdout=subprocess.DEVNULL)  # noqa: S603
    try:
        _wait(f"http://127.0.0.1:{port}/_stcore/health", server)
        first, steps = _measure(f"http://127.0.0.1:{port}/?n={tiles}", chromium, rounds)
    finally:
        server.terminate()
        server.wait()
    p95 = statistics.quantiles(steps, n=20)[-1]
    print(f"{tiles} tiles, {rounds} steps, {os.cpu_count()} x {platform.machine()}")
    print(f"page opened to pictures    {first:.2f} s")
    print(f"'More like this' to answer {statistics.median(steps):.2f} s (median), {p95:.2f} s (95th percentile)")


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310 - our own server
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("The page did not start.")


def _measure(url: str, chromium: str, rounds: int) -> tuple[float, list[float]]:
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
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
        steps = [_step(page, source, tiles) for _ in range(rounds)]
        browser.close()
    return first, steps


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


if __name__ == "__main__":
    typer.run(main)
