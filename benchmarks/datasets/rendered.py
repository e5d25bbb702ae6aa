"""Rendered v1: an open benchmark of style retrieval, drawn on the machine that uses it.

Shaped after MegaStyle's StyleRetrieval (arXiv 2604.08364, section 5), whose pictures are not published: 2,400 styles,
none of which training can have seen, each over the same 32 contents. docs/benchmark-data.md declares the protocol;
whatever changes a picture here is a new version.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache

from stylesearch.errors import UsageError

VERSION = "rendered-v1"
STYLE_SEEDS = 1 << 41
"""First style seed. Training draws its seeds below 2^20 + 2^40 (`encoder_training.data.RenderedSource`)."""
CONTENT_SEEDS = 1 << 32
"""First content seed. Training draws its seeds below 2^31."""
STYLES_PER_SEED, CONTENTS_PER_SEED = 1 << 20, 1 << 20
"""Seeds apart from which the next benchmark seed begins."""
STYLES_PER_SHARD = 8

_RANGES = {"styles": (2, STYLES_PER_SEED), "contents": (2, 100), "seed": (0, 65_535), "size": (32, 1024)}
_FAMILIES = ("held-out", "all")


@dataclass(frozen=True)
class RenderedSet:
    """What is drawn.

    Attributes:
        styles, contents: how many; every style is drawn over every content.
        seed: other seeds give other styles and contents.
        size: side of a picture, pixels.
        families: "held-out": those that training never sees; "all".
    """

    styles: int = 2400
    contents: int = 32
    seed: int = 0
    size: int = 224
    families: str = "held-out"

    @classmethod
    def parse(cls, text: str) -> RenderedSet:
        """From "styles=2400,contents=32,seed=0"; what is not said has its default.

        Raises:
            UsageError: an option is unknown, or its value out of range.
        """
        values: dict[str, int | str] = {}
        for part in filter(None, text.split(",")):
            key, _, value = part.partition("=")
            if key in values:
                raise UsageError(f"'rendered:{text}' says {key} twice.")
            if key == "families":
                values[key] = _family_choice(value)
            elif key in _RANGES:
                values[key] = _number(key, value)
            else:
                known = ", ".join(field.name for field in fields(cls))
                raise UsageError(f"'rendered:{text}' has no option '{key}'; the options are {known}.")
        return cls(**values)  # type: ignore[arg-type]

    @property
    def style_seeds(self) -> range:
        """Seeds of the styles."""
        first = STYLE_SEEDS + self.seed * STYLES_PER_SEED
        return range(first, first + self.styles)

    @property
    def shards(self) -> list[range]:
        """Styles that are drawn into one file."""
        starts = range(0, self.styles, STYLES_PER_SHARD)
        return [range(start, min(start + STYLES_PER_SHARD, self.styles)) for start in starts]


def _family_choice(value: str) -> str:
    if value not in _FAMILIES:
        raise UsageError(f"families is '{value}'; it must be {' or '.join(_FAMILIES)}.")
    return value


def _number(key: str, text: str) -> int:
    low, high = _RANGES[key]
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise UsageError(f"{key} is '{text}'; it must be a whole number from {low:,} to {high:,}.")
    return int(text)


def labels(wanted: RenderedSet, styles: range) -> Iterator[tuple[str, str, str]]:
    """Style, content and name of each picture of these styles, in order."""
    contents = [f"{number:02d} {caption}" for number, (_, caption) in enumerate(contents_of(wanted))]
    families = families_of(wanted)
    for style in styles:
        name = f"{families[style % len(families)]}-{style:04d}"
        for number, content in enumerate(contents):
            yield name, content, f"{name}/{number:02d}.ppm"


def families_of(wanted: RenderedSet) -> tuple[str, ...]:
    """The families that take turns: style i is of family i modulo their number."""
    from encoder_training.renderers import FAMILIES, HELD_OUT_FAMILIES

    return HELD_OUT_FAMILIES if wanted.families == "held-out" else FAMILIES


@cache
def contents_of(wanted: RenderedSet) -> tuple[tuple[int, str], ...]:
    """Seed and caption of each content: the first ones whose captions differ."""
    from encoder_training.renderers.contents import sketch_content

    found: dict[str, int] = {}
    seed = CONTENT_SEEDS + wanted.seed * CONTENTS_PER_SEED
    while len(found) < wanted.contents:
        found.setdefault(sketch_content(seed).caption, seed)
        seed += 1
    return tuple((content, caption) for caption, content in found.items())
