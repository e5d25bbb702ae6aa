"""A run of the indexer that another process can follow: a small file in the library's folder while it lasts."""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "indexing.json"

# A run on another machine tells more often than this, unless it was killed; on this one its process can be asked for.
_SILENT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class RunningIndex:
    """How far a run of the indexer has come. Counts are files.

    Attributes:
        found: pictures and refused things found so far.
        scan_finished: whether `found` is the total.
        done: how many of them are dealt with.
        encoded, refused: how many of those were encoded, and refused.
        seconds: since the start.
        host, process: where it runs.
        told: when it last said so, in seconds since the epoch.
    """

    found: int
    scan_finished: bool
    done: int
    encoded: int
    refused: int
    seconds: float
    host: str
    process: int
    told: float

    @property
    def rate(self) -> float:
        """Files dealt with per second."""
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """None where nobody can tell yet."""
        return (self.found - self.done) / self.rate if self.scan_finished and self.rate else None

    @property
    def alive(self) -> bool:
        """Whether the run goes on, as far as can be told from here."""
        if self.host == socket.gethostname() and os.name == "posix":
            try:
                os.kill(self.process, 0)
            except ProcessLookupError:
                return False
            except OSError:  # it is another user's
                return True
            return True
        return time.time() - self.told < _SILENT_SECONDS


def write_running(folder: Path, running: RunningIndex) -> None:
    """Writes the file in one step. One that cannot be written is left: a run does not end for what only informs."""
    partial = folder / f"{FILE}.{running.process}"
    with suppress(OSError):
        partial.write_text(json.dumps(asdict(running)), encoding="utf-8")
        partial.replace(folder / FILE)


def end_running(folder: Path) -> None:
    """Takes the file away."""
    with suppress(OSError):
        (folder / FILE).unlink(missing_ok=True)


def read_running(folder: Path) -> RunningIndex | None:
    """The run that goes on now; None where there is none."""
    try:
        running = RunningIndex(**json.loads((folder / FILE).read_text(encoding="utf-8")))
        return running if running.alive else None
    except (OSError, ValueError, TypeError, OverflowError):  # nothing there, or of another version
        return None
