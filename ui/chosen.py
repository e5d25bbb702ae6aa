"""A reference as the address holds it: which picture, which part of it, and how much it counts.

Written `12`, `12*2` (counts twice), `12@250-0-750-500` (a part of it), `12@250-0-750-500*0.5`; `12@p` and letters is a
part that somebody painted, see `ui.painted`.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple, TypeAlias

from stylesearch.query import Box, Brushed, Crop, PictureSource
from ui.painted import LONGEST, read_painting

# The id of a picture of the library, or "u" and the first 12 digits of the digest of one that was dropped.
Key: TypeAlias = int | str

MOST_REFERENCES = 24
WEIGHTS = (1.0, 2.0, 0.5)  # that the page offers, in this order; a link may hold any up to the largest here
MOST_WEIGHT = 100.0

_PARTS = 1000  # into which a side is divided
_WRITTEN = re.compile(
    r"(?P<key>[0-9]{1,15}|u[0-9a-f]{12})"
    rf"(@((?P<box>[0-9]{{1,4}}(-[0-9]{{1,4}}){{3}})|p(?P<painted>[A-Za-z0-9_-]{{1,{LONGEST}}})))?"
    r"(\*(?P<weight>[0-9.]{1,8}))?",
    re.ASCII,
)


class Chosen(NamedTuple):
    """A reference of a search.

    Attributes:
        key: of the picture.
        weight: how much it counts, beside 1 for any other.
        box: the part of it that counts; None: all of it.
        painted: the part of it that counts, as `ui.painted.write_painting` writes it; there is no box then.
    """

    key: Key
    weight: float = 1.0
    box: Box | None = None
    painted: str | None = None

    def __str__(self) -> str:
        part = ""
        if self.box is not None:
            part = "@" + "-".join(str(round(edge * _PARTS)) for edge in self.box)
        elif self.painted is not None:
            part = f"@p{self.painted}"
        return f"{self.key}{part}" + ("" if self.weight == 1 else f"*{self.weight:g}")

    @property
    def in_part(self) -> bool:
        """Whether not all of it counts."""
        return self.box is not None or self.painted is not None

    def of(self, source: PictureSource) -> PictureSource | Crop | Brushed:
        """What of its picture counts, for a `Query`."""
        if self.box is not None:
            return Crop(source, self.box)
        cells = None if self.painted is None else read_painting(self.painted)
        return source if cells is None else Brushed(source, cells)


def read_chosen(text: str) -> tuple[Chosen, ...]:
    """References separated by commas; what makes no sense is left out, and so is a picture that was named before."""
    found: dict[Key, Chosen] = {}
    for written in text.split(","):
        match = _WRITTEN.fullmatch(written)
        if match is None:
            continue
        key = match["key"] if match["key"].startswith("u") else int(match["key"])
        painted = match["painted"] if match["painted"] and read_painting(match["painted"]) is not None else None
        found.setdefault(key, Chosen(key, _weight(match["weight"]), _box(match["box"]), painted))
    return tuple(found.values())[:MOST_REFERENCES]


def box_of(left: float, top: float, right: float, bottom: float) -> Box | None:
    """A box that an address can hold; None where it is not one, or is the whole picture."""
    edges = (left, top, right, bottom)
    if not all(map(math.isfinite, edges)):
        return None
    rounded = [min(_PARTS, max(0, round(edge * _PARTS))) for edge in edges]
    if rounded == [0, 0, _PARTS, _PARTS] or rounded[0] >= rounded[2] or rounded[1] >= rounded[3]:
        return None
    x0, y0, x1, y1 = (edge / _PARTS for edge in rounded)
    return x0, y0, x1, y1


def _weight(text: str | None) -> float:
    try:
        weight = float(text or 1)
    except ValueError:
        return 1.0
    return weight if 0 < weight <= MOST_WEIGHT else 1.0


def _box(text: str | None) -> Box | None:
    if text is None:
        return None
    left, top, right, bottom = (int(edge) / _PARTS for edge in text.split("-"))
    return box_of(left, top, right, bottom)
