"""How long the map of a library takes to draw, to follow a growing library, and to open in a browser.

    python -m benchmarks.atlas --pictures 100000

Fills a library with vectors of drawn styles, and thumbnails of a few hundred drawn pictures, draws its map, adds one in
a hundred pictures more, and opens the page in Chromium (software WebGL where there is no GPU). Prints seconds; `opened`
is from the address to points that are drawn, the median of several visits after a first one. Exits with 1 where drawing
takes more than five minutes, or opening four seconds or more.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.drawn import draw
from benchmarks.machine import machine
from benchmarks.speed.memory import memory_now
from benchmarks.speed.served import browser, served
from stylesearch.library import Library
from stylesearch.palette import palette_of
from stylesearch.records import Appearance, Batch, FileStat, IndexedFile, Metadata
from stylesearch.thumbnails import write_thumbnail

MOST_DRAWING = 300.0
MOST_OPENING = 4.0
STYLES = 200
GROUPS = 20  # of styles that are alike
DRAWN = 300  # thumbnails
_BATCH = 2_000
_VISITS = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--encoder", default="compact:v3", help="whose length of vectors is used")
    parser.add_argument("--chromium", type=Path, help="Program to open the page with.")
    arguments = parser.parse_args()
    print(", ".join(machine().values()))
    with tempfile.TemporaryDirectory() as folder:
        with Library.create(Path(folder, "library"), encoder=arguments.encoder) as library:
            fill(library, arguments.pictures)
            drawing = measure_drawing(library, arguments.pictures)
        opening = measure_opening(Path(folder, "library"), arguments.chromium)
    failed = [f"drawing took {drawing:.0f} s"] if drawing > MOST_DRAWING else []
    failed += [f"opening took {opening:.1f} s"] if opening >= MOST_OPENING else []
    print("FAILED: " + "; ".join(failed) if failed else "OK")
    return 1 if failed else 0


def fill(library: Library, count: int, start: int = 0) -> None:
    """Adds pictures of `STYLES` styles, from number `start` on."""
    catalog, dim = library.catalog, library.space.dim
    rng = np.random.default_rng(0)
    groups = rng.normal(size=(GROUPS, dim))
    styles = groups[rng.integers(0, GROUPS, STYLES)] + 0.7 * rng.normal(size=(STYLES, dim))
    within = rng.normal(size=(40, dim)) / 6  # pictures of a style differ along few directions
    thumbnails, appearances = _drawn(min(DRAWN, count))
    dice = np.random.default_rng([1, start])
    space, scan = catalog.ensure_space(library.space), catalog.begin_scan("/drawn")
    for first in range(start, start + count, _BATCH):
        numbers = range(first, min(first + _BATCH, start + count))
        which = dice.integers(0, STYLES, len(numbers))
        noise = 0.9 * dice.normal(size=(len(numbers), 40)) @ within + 0.3 * dice.normal(size=(len(numbers), dim))
        vectors = styles[which] + noise
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        files = []
        for number, style, vector in zip(numbers, which.tolist(), vectors.astype(np.float32), strict=True):
            stat = FileStat(f"/drawn/{style // 50}/{number}.png", 1000, 1)
            file = IndexedFile(stat, f"{number:064x}", "PNG", 320, 240, vector, Metadata())
            file = replace(
                file, sha256=f"{number % 256:02x}{number:062x}", appearance=appearances[number % len(appearances)]
            )
            files.append(file)
            write_thumbnail(
                library.thumbnails / file.sha256[:2] / f"{file.sha256}.webp", thumbnails[number % len(thumbnails)]
            )
        catalog.write(space, scan, Batch(files))


def measure_drawing(library: Library, count: int) -> float:
    """Seconds to draw the map; prints those to follow, too."""
    before = memory_now()
    start = time.perf_counter()
    atlas = library.atlas()
    drawing = time.perf_counter() - start
    grown = memory_now() - before
    print(f"{count:9,} pictures: drawn in {drawing:.1f} s, {len(atlas.listed)} families, {grown / 1e6:,.0f} MB kept")
    more = max(1, count // 100)
    fill(library, more, start=count)
    start = time.perf_counter()
    followed = library.drawn_atlas()
    seconds = time.perf_counter() - start
    assert followed is not None and len(followed) == count + more  # noqa: S101 - what is measured has happened
    print(f"{more:9,} more: placed in {seconds:.2f} s", flush=True)
    return drawing


def measure_opening(folder: Path, chromium: Path | None) -> float:
    """Seconds from the address to the drawn points, and to the first small pictures."""
    with browser(chromium) as chrome, served(folder) as address:
        page = chrome.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(120_000)
        points, pictures = [], []
        for _ in range(_VISITS + 1):
            page.goto("about:blank")
            start = time.perf_counter()
            page.goto(f"{address.url}/atlas")
            page.locator(".map[data-ready]").wait_for()
            points.append(time.perf_counter() - start)
            page.locator(".map[data-pictures]:not([data-pictures='0'])").wait_for()
            pictures.append(time.perf_counter() - start)
    opened, first = statistics.median(points[1:]), points[0]
    seen = statistics.median(pictures[1:])
    print(f"opened in {opened:.2f} s, with pictures in {seen:.2f} s (the first visitor: {first:.2f} s)")
    return opened


def _drawn(count: int) -> tuple[list[bytes], list[Appearance]]:
    thumbnails, appearances = [], []
    for number in range(count):
        picture = draw(number, (320, 240))
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=80)
        thumbnails.append(buffer.getvalue())
        appearances.append(Appearance(palette_of(np.asarray(picture.resize((96, 72)))), number))
    return thumbnails, appearances


if __name__ == "__main__":
    sys.exit(main())
