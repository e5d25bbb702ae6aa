"""The colours of pictures as a drawing that design tools open: each swatch a shape that is named by its colour."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

import numpy as np

from stylesearch.palette import hex_of, palette_of, srgb_of_oklab
from stylesearch.records import Colour

_SIDE, _GAP, _NAMES = 64, 8, 320  # pixels
_POINTS = 200  # that stand for one picture among all


def common_palette(palettes: Sequence[Sequence[Colour]]) -> tuple[Colour, ...]:
    """The colours of several pictures together, the largest share first; each picture counts alike."""
    points = [
        np.repeat(srgb_of_oklab(np.array(colour[:3]))[None], max(1, round(colour.share * _POINTS)), axis=0)
        for palette in palettes
        for colour in palette
    ]
    return palette_of(np.concatenate(points)[None]) if points else ()


def swatches_svg(title: str, palettes: Sequence[tuple[str, Sequence[Colour]]]) -> str:
    """An SVG with a row of swatches for all pictures together, and one for each.

    Args:
        title: of the first row.
        palettes: names and colours of the pictures.
    """
    rows = [(title, common_palette([colours for _, colours in palettes])), *palettes]
    step = _SIDE + _GAP
    width, height = _NAMES + 8 * step + _GAP, len(rows) * step + _GAP
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">']
    for row, (name, colours) in enumerate(rows):
        top = _GAP + row * step
        weight = ' font-weight="bold"' if row == 0 else ""
        lines.append(
            f'<text x="{_GAP}" y="{top + _SIDE // 2 + 5}" font-family="sans-serif" font-size="14"{weight}>'
            f"{escape(name[:40])}</text>"
        )
        for place, colour in enumerate(colours):
            code = hex_of(colour)
            lines.append(
                f'<rect id="{code[1:]}-{row}" x="{_NAMES + place * step}" y="{top}" width="{_SIDE}" height="{_SIDE}"'
                f' fill="{code}"><title>{code}</title></rect>'
            )
    return "\n".join([*lines, "</svg>\n"])
