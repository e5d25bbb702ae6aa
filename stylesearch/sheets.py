"""A contact sheet: the hits of a search as one picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from stylesearch.errors import UsageError
from stylesearch.images import read_image
from stylesearch.records import Asset, Hit, printable

TILE = 224  # pixels
GAP = 12
CAPTION = 34
COLUMNS = 6

# Pixels along a side that WebP and JPEG can have at most. The others could have more, which memory could not.
_LONGEST = {".webp": 16_383}
_LONGEST_ELSE = 65_500


def contact_sheet(
    hits: Sequence[Hit],
    path: str | os.PathLike[str],
    thumbnail: Callable[[Asset], Path | None],
    references: Sequence[str | os.PathLike[str]] = (),
) -> None:
    """Writes the references and the hits, with their scores, in the format that the file name asks for.

    Args:
        hits: in the order in which they are drawn.
        path: ".png", ".jpg", ".webp" or ".pdf".
        thumbnail: says where an asset's thumbnail lies; None leaves its place empty.
        references: drawn first, framed.

    Raises:
        UsageError: another kind of file, more hits than it can hold, or a folder that cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() not in {".png", ".jpg", ".jpeg", ".webp", ".pdf"}:
        raise UsageError(f"The contact sheet '{target}' must end in .png, .jpg, .webp or .pdf.")
    count = len(references) + len(hits)
    columns = min(COLUMNS, max(1, count))
    rows = -(-count // columns)
    most = (_LONGEST.get(target.suffix.lower(), _LONGEST_ELSE) - GAP) // (TILE + CAPTION + GAP)
    if rows > most:
        raise UsageError(
            f"The contact sheet '{target}' has room for {most * COLUMNS:,} pictures, and there are {count:,}. "
            "Ask for fewer with -k."
        )
    tiles = [(read_image(reference), "reference", True) for reference in references]
    for hit in hits:
        small = thumbnail(hit.asset)
        picture = read_image(small) if small else Image.new("RGB", (TILE, TILE), "#eeeeee")
        tiles.append((picture, f"{hit.cosine:.3f}  {Path(printable(hit.path)).name}", False))
    sheet = Image.new("RGB", (GAP + columns * (TILE + GAP), GAP + rows * (TILE + CAPTION + GAP)), "white")
    for position, (image, caption, framed) in enumerate(tiles):
        row, column = divmod(position, columns)
        _draw_tile(sheet, image, caption, framed, GAP + column * (TILE + GAP), GAP + row * (TILE + CAPTION + GAP))
    try:
        sheet.save(target)
    except OSError as exc:
        raise UsageError(f"The contact sheet '{target}' cannot be written ({exc.strerror or exc}).") from exc


def _draw_tile(sheet: Image.Image, image: Image.Image, caption: str, framed: bool, left: int, top: int) -> None:
    image.thumbnail((TILE, TILE), Image.Resampling.LANCZOS)
    x, y = left + (TILE - image.width) // 2, top + (TILE - image.height) // 2
    sheet.paste(image, (x, y))
    draw = ImageDraw.Draw(sheet)
    if framed:
        draw.rectangle((x - 3, y - 3, x + image.width + 2, y + image.height + 2), outline="#e4572e", width=3)
    font = ImageFont.load_default(13)
    while len(caption) > 8 and draw.textlength(caption, font=font) > TILE:
        caption = caption[:-2].rstrip("…") + "…"
    draw.text((left, top + TILE + 6), caption, fill="#333333", font=font)
