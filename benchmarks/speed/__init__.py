"""How fast StyleSearch is on this machine, next to the engines and programs it is measured against.

indexing    pictures a second from files to a searchable library, and of its stages alone
search      milliseconds for one query, through the library and in the raw engine
memory      of a growing run of the indexer, and of a library that is searched
page        seconds from a click to new pictures, in a real browser
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import commit, machine, versions
from benchmarks.speed.result import Part, Result, Row
from stylesearch.encoders import DEFAULT_ENCODER
from stylesearch.errors import UsageError

__all__ = ["PARTS", "Config", "Part", "Result", "Row", "run"]

PARTS = ("indexing", "search", "memory", "page")


@dataclass(frozen=True)
class Config:
    """What to measure with.

    Attributes:
        encoder: of the parts indexing, memory and page.
        pictures: folder whose pictures are indexed; None: drawn ones.
        count: pictures to index at most; as many are drawn, and for the part page at least some more than `tiles`.
        side: the longer side in pixels of a drawn picture.
        vectors, dim: size of the gallery of the parts search and memory.
        k: neighbours wanted.
        rounds: queries, or clicks, that are timed; five times as many show whether the page's server grows.
        repeats: of the part indexing, whose medians are taken.
        tiles: pictures that the page shows: 60, 120, 250 or 500.
        chromium: program of the browser; None: the one on the path, or Playwright's own.
        peers: measure other programs too. They are installed from the package index into a temporary folder, which
            takes minutes and about 600 MB.
        seed: for what is drawn.
    """

    encoder: str = DEFAULT_ENCODER
    pictures: Path | None = None
    count: int = 1_000
    side: int = 1_600
    vectors: int = 100_000
    dim: int = 384
    k: int = 20
    rounds: int = 100
    repeats: int = 3
    tiles: int = 500
    chromium: Path | None = None
    peers: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("count", "side", "vectors", "dim", "k", "rounds", "repeats"):
            if getattr(self, name) < 1:
                raise UsageError(f"'{name}' is {getattr(self, name)}; it must be at least 1.")


def run(
    parts: Sequence[str] = PARTS, config: Config | None = None, progress: Callable[[str], None] | None = None
) -> Result:
    """Measures the parts one after the other.

    Args:
        parts: names out of `PARTS`.
        config: None: the defaults.
        progress: called with a few words before each step.

    Raises:
        UsageError: there is no such part, or the folder of pictures holds none.
        EncoderError: the encoder cannot be loaded.
    """
    from benchmarks.speed import indexing, memory, page, search

    measures = {"indexing": indexing.measure, "search": search.measure, "memory": memory.measure, "page": page.measure}
    if unknown := [name for name in parts if name not in measures]:
        raise UsageError(f"There is no part '{unknown[0]}'. There are: {', '.join(PARTS)}.")
    config = config or Config()
    tell = progress or (lambda words: None)
    found = tuple(measures[name](config, tell) for name in parts)
    return Result(machine(), versions(), commit(), found)
