"""Has pictures made while visitors look at something else: one order at a time, whoever gave it."""

from __future__ import annotations

import atexit
import multiprocessing
import threading
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

from stylesearch.transfer.base import TransferProgress
from ui.maker import Ended, Task, work
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
        self._context = multiprocessing.get_context("spawn")  # threads do not survive a fork
        self._cancel = self._context.Event()
        self._work = Work()
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
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
            self._cancel.clear()
            self._work = Work(owner, running=True, doing="getting ready")
        threading.Thread(target=self._run, args=(owner, task), name="transfer", daemon=True).start()
        return True

    def cancel(self, owner: str) -> None:
        """Ends this visit's order soon; nothing of it is kept."""
        if self._work.owner == owner:
            self._cancel.set()

    def take(self, owner: str) -> Ended | None:
        """How this visit's order has ended, once; None where it goes on, or there is none."""
        with self._lock:
            if self._work.owner != owner or self._work.running:
                return None
            ended, self._work = self._work.ended, Work()
            return ended

    def close(self) -> None:
        """Ends the process."""
        if self._pipe is not None:
            self._pipe.close()  # the process has nobody left to work for
        if self._process is not None:
            self._process.join(0.1 if self._work.running else _PATIENCE)
            self._process.kill()
            self._process.join()
        self._process = self._pipe = None

    def _run(self, owner: str, task: Task) -> None:
        try:
            pipe = self._opened()
            pipe.send(task)
            while not isinstance(message := pipe.recv(), Ended):
                self._show(message)
        except (EOFError, OSError):
            self.close()
            message = Ended(error=_ENDED_EARLY)
        self._work = Work(owner, ended=message)

    def _show(self, step: TransferProgress) -> None:
        share = step.done / step.total if step.total else 0.0
        self._work = replace(self._work, share=min(share, 1.0), doing=step.what)

    def _opened(self) -> Connection:
        """The way to the process, which is started where there is none."""
        if self._pipe is None or self._process is None or not self._process.is_alive():
            self._pipe, theirs = self._context.Pipe()
            self._process = self._context.Process(target=work, args=(theirs, self._cancel, self._folder), name="maker")
            self._process.start()
            theirs.close()  # so that its end is noticed here
        return self._pipe


_made: list[Making] = []
_making = threading.Lock()


def making() -> Making:
    """The one of this server."""
    with _making:
        if not _made:
            _made.append(Making(library().folder))
        return _made[0]
