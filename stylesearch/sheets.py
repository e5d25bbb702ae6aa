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


def contact_sheet(
    hits: Sequence[Hit],
    path: str | os.PathLike[str],
    thumbnail: Callable[[Asset], Path],
    references: Sequence[str | os.PathLike[str]] = (),
) -> None:
    """Writes the references and the hits, with their scores, in the format that the file name asks for.

    Args:
        hits: in the order in which they are drawn.
        path: ".png", ".jpg", ".webp" or ".pdf".
        thumbnail: says where an asset's thumbnail lies.
        references: drawn first, framed.

    Raises:
        UsageError: another kind of file, or a folder that cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() not in {".png", ".jpg", ".jpeg", ".webp", ".pdf"}:
        raise UsageError(f"The contact sheet '{target}' must end in .png, .jpg, .webp or .pdf.")
    tiles = [(read_image(reference), "reference", True) for reference in references]
    tiles += [
        (read_image(thumbnail(hit.asset)), f"{hit.cosine:.3f}  {Path(printable(hit.path)).name}", False) for hit in hits
    ]
    columns = min(6, max(1, len(tiles)))
    rows = -(-len(tiles) // columns)
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
