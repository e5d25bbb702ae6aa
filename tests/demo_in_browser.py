"""The demo without a person: `python tests/demo_in_browser.py DEMO_FOLDER`.

Opens the search page of the demo's library in Chromium, asks for the style of a crop of one of its pictures, and fails
unless the page answers with that style.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from browser import running_chromium, running_page
from PIL import Image

from stylesearch import Library

FIRST = 8  # hits that are looked at


def main(demo: Path) -> None:
    """Prints what was found and writes a screenshot to `DEMO_FOLDER/page.png`."""
    with Library.open(demo / "library") as library:
        style = {asset.sha256: Path(asset.paths[0]).parent.name for asset in library.browse(10_000)}
    reference = sorted((demo / "pictures").rglob("*.png"))[0]
    with running_page(demo / "library") as address, running_chromium() as chromium:
        page = chromium.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        page.locator(".tile").first.wait_for(timeout=60_000)
        page.locator("input[type=file]").set_input_files(
            {"name": "reference.png", "mimeType": "image/png", "buffer": middle_of(reference)}
        )
        page.locator(".gallery:not(.busy) h2", has_text="Closest in style").wait_for(timeout=60_000)
        shown = page.locator(".tile img").evaluate_all("images => images.map(image => image.src)")
        page.screenshot(path=demo / "page.png")
    found = [style[Path(address).stem] for address in shown[:FIRST]]  # a thumbnail is named by its content
    share = found.count(reference.parent.name) / FIRST
    print(f"asked for {reference.parent.name}; found: {', '.join(found)}")
    if share < 0.5:
        sys.exit(f"Only {share:.0%} of the first {FIRST} hits have the style of the reference.")


def middle_of(path: Path) -> bytes:
    """The middle of a picture, as a PNG: content of the library, but no file of it."""
    with Image.open(path) as image:
        width, height = image.size
        crop = image.crop((width // 8, height // 8, width - width // 8, height - height // 8))
    buffer = io.BytesIO()
    crop.save(buffer, "PNG")
    return buffer.getvalue()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
