"""What a run of the indexer tells while it runs, and when it has ended."""

from __future__ import annotations

from dataclasses import dataclass

from indexer.plan import Cause


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
        unchanged: known files with the size and time that are known; not read.
        gone: known paths where no file is any more (moved files count here with their old path).
        refused: could not be used.
        still_refused: could not be used in an earlier run and have not changed since; not read.
        others: no pictures.
        linked_folders: links to folders, which are not followed.
        encoded: pictures that went through the encoder.
        bytes: size of the files that were read.
        seconds: duration.
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
    refused: int = 0
    still_refused: int = 0
    others: int = 0
    linked_folders: int = 0
    encoded: int = 0
    bytes: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    warnings: tuple[str, ...] = ()

    def count(self, cause: Cause, *, known_content: bool = False) -> None:
        """Counts a file that was indexed. `known_content`: the library has the same content at another path."""
        if cause == "changed":
            self.changed += 1
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
    def rate(self) -> float:
        """Files dealt with per second."""
        return self.done / self.seconds if self.seconds else 0.0
