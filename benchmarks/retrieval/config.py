"""What a run of the retrieval benchmark measures, checked before anything is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.retrieval.tasks import PROTOCOLS
from stylesearch.errors import UsageError
from stylesearch.uris import printable


@dataclass(frozen=True)
class Config:
    """What to measure.

    Attributes:
        encoders: names for `load_encoder`.
        sets: specs for `open_set`; each is ranked against itself.
        queries, gallery: specs of two sets, of which one is asked and the other answers; None: neither.
        out: folder for embeddings.
        protocols: names of some of `benchmarks.retrieval.tasks.PROTOCOLS`; None: all that the data allows.
        ks: depths of the metrics; 1 and 10 are always among them.
        csls: also rank by CSLS.
        approximate: also measure what approximate search loses.
        resamples, seed: of the bootstrap; the seed also draws the queries that approximate search is asked.
        workers: threads that decode, and processes that draw.
        cache: folder for sets that are drawn; None: one in the user's cache folder.
        command: how this run was asked for, for the report.
    """

    encoders: tuple[str, ...]
    sets: tuple[str, ...]
    out: Path
    queries: str | None = None
    gallery: str | None = None
    protocols: tuple[str, ...] | None = None
    ks: tuple[int, ...] = (1, 10, 100)
    csls: bool = False
    approximate: bool = True
    resamples: int = 2000
    seed: int = 0
    workers: int = 1
    cache: Path | None = None
    command: str = ""

    def __post_init__(self) -> None:
        if not self.encoders:
            raise UsageError("No encoder is named. Name one with: --encoder compact:v3")
        if len(set(self.encoders)) < len(self.encoders):
            raise UsageError(f"An encoder is named twice: {', '.join(self.encoders)}.")
        if len(set(self.sets)) < len(self.sets):
            raise UsageError(f"A set is named twice: {printable(', '.join(self.sets))}.")
        if (self.queries is None) != (self.gallery is None):
            raise UsageError("--queries and --gallery go together: one set is asked, the other answers.")
        if not self.sets and self.queries is None:
            raise UsageError("No set is named. Name a folder STYLE/CONTENT.png, or for example: rendered:styles=40")
        known = [protocol.name for protocol in PROTOCOLS]
        if wrong := [name for name in self.protocols or () if name not in known]:
            raise UsageError(f"There is no protocol '{wrong[0]}'. There are: {', '.join(known)}.")
        if any(k < 1 for k in self.ks):
            raise UsageError(f"k is {min(self.ks)}; it must be at least 1.")
        object.__setattr__(self, "ks", tuple(sorted({1, 10, *self.ks})))
