"""Contact sheets: the hits of a search as one picture, and a board as one picture or as pages to print."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import IO, Literal, NamedTuple, TypeAlias

from PIL import Image, ImageDraw, ImageFont

from stylesearch.errors import UsageError
from stylesearch.export import in_one_step
from stylesearch.images import read_image
from stylesearch.records import Asset, Hit
from stylesearch.uris import printable

TILE = 224  # pixels
GAP = 12
CAPTION = 34
COLUMNS = 6

# Of Linux, macOS and Windows; Pillow looks where they keep their fonts.
_FONTS = ("NotoSans-Regular.ttf", "DejaVuSans.ttf", "LiberationSans-Regular.ttf", "Arial.ttf", "Helvetica.ttc")

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
    with in_one_step(target) as file:  # whoever else has a link to the old file keeps that
        sheet.save(file, Image.registered_extensions()[target.suffix.lower()])


@lru_cache(maxsize=16)
def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The first of the usual fonts that this machine has: Pillow's own knows hardly more letters than ASCII."""
    for name in _FONTS:
        with suppress(OSError):
            return ImageFont.truetype(name, size)
    return ImageFont.load_default(size)


def _draw_tile(sheet: Image.Image, image: Image.Image, caption: str, framed: bool, left: int, top: int) -> None:
    image.thumbnail((TILE, TILE), Image.Resampling.LANCZOS)
    x, y = left + (TILE - image.width) // 2, top + (TILE - image.height) // 2
    sheet.paste(image, (x, y))
    draw = ImageDraw.Draw(sheet)
    if framed:
        draw.rectangle((x - 3, y - 3, x + image.width + 2, y + image.height + 2), outline="#e4572e", width=3)
    font = _font(13)
    while len(caption) > 8 and draw.textlength(caption, font=font) > TILE:
        caption = caption[:-2].rstrip("…") + "…"
    draw.text((left, top + TILE + 6), caption, fill="#333333", font=font)


Paper: TypeAlias = Literal["a4", "a3", "letter", "tabloid"]

PAPERS: dict[Paper, tuple[float, float]] = {  # millimetres, width and height, lying
    "a4": (297, 210),
    "a3": (420, 297),
    "letter": (279.4, 215.9),
    "tabloid": (431.8, 279.4),
}
DPI = 200  # of pages
_SCREEN_DPI = 150  # of one picture
_MARGIN, _SPACE, _HEADER, _LINES = 10.0, 5.0, 13.0, 13.5  # millimetres: around, between, above, and of captions
_TILE = 47.0  # millimetres that a tile is wide, at least
_SHAPE = 0.8  # height of a tile's picture to its width: three rows on a lying page
_INK, _QUIET, _EMPTY = "#1c1b19", "#6b6863", "#eeece8"


def paper_of(name: str) -> Paper:
    """The paper of this name.

    Raises:
        UsageError: there is none.
    """
    for paper in PAPERS:
        if paper == name.lower():
            return paper
    raise UsageError(f"There is no paper '{name}'. There are: {', '.join(PAPERS)}.")


class SheetTile(NamedTuple):
    """One picture of a board's sheet.

    Attributes:
        picture: RGB; None leaves its place empty.
        title: of the picture.
        told: who made it, when, and under which licence; may be empty.
        source: where it lies; may be empty.
        note: what people wrote beside it; may be empty.
        missing: whether its file is.
    """

    picture: Image.Image | None
    title: str
    told: str
    source: str
    note: str
    missing: bool


def board_sheet(
    title: str, notes: str, tiles: Iterable[SheetTile], file: IO[bytes], suffix: str, paper: Paper, count: int
) -> None:
    """Writes a board: as pages of a PDF, or as one picture. One page is held in memory at a time.

    Args:
        title, notes: of the board.
        tiles: `count` of them; each is asked for when its place is drawn.
        file: open for reading and writing.
        suffix: ".pdf" or ".png".
        paper: of a PDF.

    Raises:
        UsageError: more pictures than one picture has room for.
    """
    heading = (title, notes.partition("\n")[0])
    if suffix == ".png":
        page = _Page(PAPERS["a4"][0], None, _SCREEN_DPI, count)
        if page.height > _LONGEST_ELSE // 2:
            raise UsageError(f"One picture has no room for {count:,} pictures. Write a PDF instead.")
        page.draw(heading, "", list(tiles)).save(file, "PNG")
        return
    remaining, number = iter(tiles), 0
    page = _Page(*PAPERS[paper], DPI, count)
    last = max(1, -(-count // page.room))
    while (some := list(islice(remaining, page.room))) or number == 0:
        number += 1
        drawn = page.draw(heading, f"{number} / {last}", some)
        file.seek(0)
        drawn.save(file, "PDF", resolution=DPI, title=title, quality=90, append=number > 1)


class _Page:
    """Where things stand on a page of this size, in pixels."""

    def __init__(self, width: float, height: float | None, dpi: int, count: int) -> None:
        self._unit = dpi / 25.4
        self.columns = int((width - 2 * _MARGIN + _SPACE) // (_TILE + _SPACE))
        self.side = (width - 2 * _MARGIN + _SPACE) / self.columns - _SPACE
        self.tall = _SHAPE * self.side
        step = self.tall + _LINES + _SPACE
        rows = max(1, -(-count // self.columns))
        if height is not None:
            rows = max(1, int((height - 2 * _MARGIN - _HEADER + _SPACE) // step))
            # Whole rows seldom fill the height: what is left goes between them.
            self._step = max(step, (height - 2 * _MARGIN - _HEADER + _SPACE) / rows)
        else:
            self._step = step
        self.room = rows * self.columns
        self.width = round(width * self._unit)
        self.height = round((height or 2 * _MARGIN + _HEADER + rows * step) * self._unit)

    def draw(self, heading: tuple[str, str], number: str, tiles: Sequence[SheetTile]) -> Image.Image:
        sheet = Image.new("RGB", (self.width, self.height), "white")
        self._text(sheet, heading[0], _MARGIN, _MARGIN - 1.5, 5.2, _INK, self.columns * self.side)
        self._text(sheet, heading[1], _MARGIN, _MARGIN + 5, 3.2, _QUIET, self.columns * self.side)
        edge = self.width / self._unit - _MARGIN
        self._text(sheet, number, edge - 2.2 * len(number), _MARGIN - 1, 3.2, _QUIET, 40)
        for place, tile in enumerate(tiles):
            row, column = divmod(place, self.columns)
            self._tile(sheet, tile, _MARGIN + column * (self.side + _SPACE), _MARGIN + _HEADER + row * self._step)
        return sheet

    def _tile(self, sheet: Image.Image, tile: SheetTile, left: float, top: float) -> None:
        wide, tall = round(self.side * self._unit), round(self.tall * self._unit)
        x, y = round(left * self._unit), round(top * self._unit)
        if tile.picture is None:
            ImageDraw.Draw(sheet).rectangle((x, y, x + wide - 1, y + tall - 1), fill=_EMPTY)
        else:
            picture = tile.picture
            picture.thumbnail((wide, tall), Image.Resampling.LANCZOS)
            sheet.paste(picture, (x, y + tall - picture.height))  # those of one row stand on one ground
        title = f"Missing: {tile.title}" if tile.missing else tile.title
        lines = [(title, _INK), (tile.told, _QUIET), (tile.note.replace("\n", " "), _INK), (tile.source, _QUIET)]
        below = top + self.tall + 1.2
        for text, colour in [line for line in lines if line[0]][:4]:
            self._text(sheet, text, left, below, 2.6, colour, self.side, from_end=text is tile.source)
            below += 3.1

    def _text(
        self, sheet: Image.Image, text: str, left: float, top: float, size: float, colour: str, width: float,
        *, from_end: bool = False,
    ) -> None:  # fmt: skip
        """Text in millimetres, cut where it is wider; of a path, the end is kept."""
        pen, font = ImageDraw.Draw(sheet), _font(size * self._unit)
        room = width * self._unit
        whole = text
        while len(text) > 1 and pen.textlength(text + ("" if text == whole else "…"), font=font) > room:
            text = text[max(1, len(text) // 40) :] if from_end else text[: -max(1, len(text) // 40)]
        if text != whole:
            text = f"…{text}" if from_end else f"{text.rstrip()}…"
        pen.text((left * self._unit, top * self._unit), text, fill=colour, font=font)
