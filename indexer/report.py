"""What a run of the indexer tells while it runs, and when it has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field

from indexer.plan import Cause
from indexer.sources import Source
from indexer.stages import STAGES, Stage, limiting

TELL_SECONDS = 0.1  # between two calls of `progress`


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come. Counts are files.

    Attributes:
        found: pictures and refused things found so far; grows while the scan runs ahead.
        scan_finished: whether `found` is the total.
        done: how many of them are dealt with.
        encoded: how many of those were encoded.
        refused: how many of those were refused in this run.
        seconds: since the start.
    """

    found: int
    scan_finished: bool
    done: int
    encoded: int
    refused: int
    seconds: float


@dataclass(slots=True)
class Report:
    """What a run did. Counts are files.

    Attributes:
        new: content that the library did not have.
        changed: known paths with other content than before.
        moved: content that the library had already, at another path: moved, renamed or copied; nothing was encoded.
        again: known files that had no vector in this space yet.
        described: known files that were read for their metadata and appearance alone; nothing was encoded.
        unchanged: known files with the content that is known: of the same size and time, or read and found the same.
        gone: known paths where no file is any more (moved files count here with their old path).
        missing: known paths on a disk that is away; they stay in the library.
        refused: could not be used.
        still_refused: could not be used in an earlier run and have not changed since; not read.
        others: no pictures.
        linked_folders: links to folders, which are not followed.
        parts: further pages and key frames of files; each of them counts as a file in the numbers above.
        encoded: pictures that went through the encoder.
        masked: pictures in which it was looked for what stands out; those with a mask already are not looked at again.
        without_subject: encoded pictures in which nothing stands out, so that the whole of them counts as the region.
        bytes: size of the files that were read.
        seconds: duration.
        stages: the work of each stage, by its name in `STAGES`.
        interrupted: the run was stopped before its end; nothing was marked as gone. The next run goes on from here.
        warnings: sentences for the user.
    """

    new: int = 0
    changed: int = 0
    moved: int = 0
    again: int = 0
    described: int = 0
    unchanged: int = 0
    gone: int = 0
    missing: int = 0
    refused: int = 0
    still_refused: int = 0
    others: int = 0
    linked_folders: int = 0
    parts: int = 0
    encoded: int = 0
    masked: int = 0
    without_subject: int = 0
    bytes: int = 0
    seconds: float = 0.0
    stages: dict[str, Stage] = field(default_factory=lambda: {name: Stage() for name in STAGES})
    interrupted: bool = False
    warnings: tuple[str, ...] = ()

    def count(self, cause: Cause, *, known_content: bool = False) -> None:
        """Counts a file that was indexed. `known_content`: the library has the same content at another path."""
        if cause == "changed":
            self.changed += 1
        elif cause == "same":
            self.unchanged += 1
        elif cause == "again":
            self.again += 1
        elif cause == "undescribed":
            self.described += 1
        elif known_content:
            self.moved += 1
        else:
            self.new += 1

    @property
    def done(self) -> int:
        """Files that were dealt with, other ones left out."""
        read = self.new + self.changed + self.moved + self.again + self.described
        return read + self.unchanged + self.refused + self.still_refused

    @property
    def limit(self) -> str | None:
        """The stage that held the others up."""
        return limiting(self.stages)

    def to_json(self) -> dict[str, object]:
        """All of it, with the rates, as plain values."""
        rates = {name: {"rate": round(stage.rate, 1)} for name, stage in self.stages.items()}
        stages = {name: asdict(stage) | rates[name] for name, stage in self.stages.items()}
        more = {"warnings": list(self.warnings), "limit": self.limit, "rate": round(self.rate, 1)}
        return asdict(self) | {"stages": stages} | more

    @property
    def rate(self) -> float:
        """Files dealt with per second."""
        return self.done / self.seconds if self.seconds else 0.0


class Teller:
    """Tells how far a run has come; its clock starts when it is made.

    Args:
        sources: of the run.
        report: of the run.
        progress: is called; None: nobody wants to know.
    """

    def __init__(
        self, sources: Collection[Source], report: Report, progress: Callable[[Progress], None] | None
    ) -> None:
        self._sources = sources
        self._report = report
        self._progress = progress
        self._started = time.monotonic()
        self._told = 0.0

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def tell(self, *, now: bool = False) -> None:
        """Calls `progress`, where it was not called just before."""
        seconds = self.seconds
        if self._progress is None or (seconds - self._told < TELL_SECONDS and not now):
            return
        self._told = seconds
        report = self._report
        self._progress(
            Progress(
                found=sum(source.files + source.refused for source in self._sources) + report.parts,
                scan_finished=all(source.finished for source in self._sources),
                done=report.done,
                encoded=report.encoded,
                refused=report.refused,
                seconds=seconds,
            )
        )
