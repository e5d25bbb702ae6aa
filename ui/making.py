"""Has pictures made while visitors look at something else: one order at a time, whoever gave it."""

from __future__ import annotations

import atexit
import pickle
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, cast

from stylesearch.transfer.base import TransferProgress
from ui.maker import CANCEL, Ended, Task, receive, send
from ui.opened import library

_ENDED_EARLY = (
    "What makes the pictures has ended before its time, perhaps for want of memory. Nothing was kept. Try a smaller "
    "picture."
)
_PATIENCE = 5.0  # seconds for a process to end by itself


@dataclass(frozen=True)
class Work:
    """How far an order has come.

    Attributes:
        owner: the visit that gave it.
        running: whether it goes on.
        share: 0 to 1.
        doing: what is being done, in a few words.
        ended: how, once it has.
    """

    owner: str = ""
    running: bool = False
    share: float = 0.0
    doing: str = ""
    ended: Ended = field(default_factory=Ended)


class Making:
    """The one order that this server works on, and the process that does. Threads may share it.

    Args:
        folder: of the library.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._work = Work()
        self._process: subprocess.Popen[bytes] | None = None
        self._given = False  # whether the process has the order: it takes seconds to start
        self._taken_back = False  # whether the order was cancelled
        atexit.register(self.close)

    @property
    def work(self) -> Work:
        """As it is now."""
        return self._work

    def start(self, owner: str, task: Task) -> bool:
        """Begins; False where another order is worked on."""
        with self._lock:
            if self._work.running:
                return False
            self._work = Work(owner, running=True, doing="getting ready")
            self._given = self._taken_back = False
        threading.Thread(target=self._run, args=(owner, task), name="transfer", daemon=True).start()
        return True

    def cancel(self, owner: str) -> None:
        """Ends this visit's order soon; nothing of it is kept."""
        with self._lock:
            if self._work.owner != owner:
                return
            self._taken_back = True
            process = self._process if self._given else None  # else it is told right after the order
        if process is not None:
            with suppress(OSError):  # it has ended by itself
                send(CANCEL, cast("BinaryIO", process.stdin))

    def take(self, owner: str) -> Ended | None:
        """How this visit's order has ended, once; None where it goes on, or there is none."""
        with self._lock:
            if self._work.owner != owner or self._work.running:
                return None
            ended, self._work = self._work.ended, Work()
            return ended

    def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(OSError):
            cast("BinaryIO", process.stdin).close()  # nobody is left whom it could work for
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        cast("BinaryIO", process.stdout).close()

    def _run(self, owner: str, task: Task) -> None:
        try:
            process = self._started()
            send(task, cast("BinaryIO", process.stdin))
            with self._lock:
                self._given = True
                taken_back = self._taken_back
            if taken_back:
                send(CANCEL, cast("BinaryIO", process.stdin))
            while not isinstance(message := receive(cast("BinaryIO", process.stdout)), Ended):
                self._show(message)
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            self.close()
            message = Ended(error=_ENDED_EARLY)
        self._work = Work(owner, ended=message)

    def _show(self, step: TransferProgress) -> None:
        share = step.done / step.total if step.total else 0.0
        self._work = replace(self._work, share=min(share, 1.0), doing=step.what)

    def _started(self) -> subprocess.Popen[bytes]:
        """The process, which is started where there is none."""
        if self._process is None or self._process.poll() is not None:
            # Not by multiprocessing, whose processes import the main module: here that is the script of the page.
            command = [sys.executable, "-c", "from ui.maker import main; main()", str(self._folder)]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
        return self._process


_made: list[Making] = []
_making = threading.Lock()


def making() -> Making:
    """The one of this server."""
    with _making:
        if not _made:
            _made.append(Making(library().folder))
        return _made[0]
