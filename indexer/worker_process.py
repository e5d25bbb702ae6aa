"""One worker process: how it starts, what it does, and how it is heard and ended."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from indexer.decode import Prepared, decoder_at, refusal
from indexer.stages import timed
from stylesearch.errors import ImageError, StyleSearchError
from stylesearch.images import Preprocess
from stylesearch.records import FileStat, Limits, Refusal

_END_SECONDS = 2.0  # in which a worker may finish what it has in hand
_LOOK_SECONDS = 0.2

Decode = Callable[[FileStat, Preprocess, Limits, Path], Prepared | Refusal]


class Job(NamedTuple):
    """What a worker is told when it starts: see `DecodeWorkers`; `memory` is in bytes."""

    decode: Decode
    arguments: tuple[Preprocess, Limits, Path]
    memory: int


class Worker:
    """A process, which answers one file after the other.

    Attributes:
        exit_code: once it has ended.

    Raises:
        OSError: the system starts none.
    """

    def __init__(self, job: Job) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = _CleanSpawnProcess(target=_work, args=(theirs,), name="decoder", daemon=True)
        self._process.start()
        theirs.close()  # so that its death ends the pipe
        with suppress(OSError):  # `receive` finds out
            self._pipe.send(job)
        self.exit_code: int | None = None

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.is_alive()

    def give(self, stat: FileStat) -> None:
        """Puts a file into its pipe, for `receive`. Raises OSError where it has died."""
        self._pipe.send(stat)

    def receive(self, seconds: float, ending: threading.Event) -> Any:
        """Its next message: "" once it is ready, or why it is not; then for each file the answer, and the seconds that
        it took. None where `ending` was set before.

        Raises:
            TimeoutError: there was none in so many seconds. Those in which this program slept (Ctrl-Z, a closed laptop)
                do not count.
            EOFError, OSError: it has died.
        """
        waited, before = 0.0, time.monotonic()
        while not self._pipe.poll(_LOOK_SECONDS):
            if ending.is_set():
                return None
            now = time.monotonic()
            waited, before = waited + min(now - before, 2 * _LOOK_SECONDS), now
            if waited >= seconds:
                raise TimeoutError
        return self._pipe.recv()

    def end(self) -> None:
        """Lets it finish what it has in hand, for a moment."""
        self._pipe.close()
        if not connection.wait([self._process.sentinel], _END_SECONDS):
            self._process.kill()
        with starting:  # starting another one reaps those that have ended
            self._process.join()
        self.exit_code = self._process.exitcode

    def kill(self) -> None:
        """Ends it at once."""
        self._process.kill()
        self.end()


starting = threading.RLock()  # what a process inherits is set for all of this one while it starts


class _CleanSpawnProcess(SpawnProcess):
    """A fresh interpreter: a fork would copy the locks of torch and OpenMP in whatever state they are."""

    def start(self) -> None:
        with starting, _without_main(), _one_thread_each(), _without_interrupts():
            super().start()


@contextmanager
def _without_main() -> Iterator[None]:
    # A spawned process imports the main script again; of a script without `if __name__ == "__main__"` and of a
    # Streamlit page that would run all of it. Workers need nothing from there.
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _one_thread_each() -> Iterator[None]:
    # There is a worker for each core. NumPy's BLAS reads this when it is loaded, and never again.
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


@contextmanager
def _without_interrupts() -> Iterator[None]:
    # Ctrl-C reaches every process of a terminal. Until a worker ignores it, an inherited mask holds it back; one that
    # comes to this process meanwhile is delivered afterwards.
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # or it starts with the first worker, and lifts the mask before that does
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(pipe: connection.Connection) -> None:
    """What a worker does, until its pipe ends."""
    try:
        job: Job = pipe.recv()
        _prepare_worker(job.memory)
    except Exception as exc:  # noqa: BLE001 - told by the process that is waited for
        pipe.send(f"{type(exc).__name__}: {exc}")
        return
    with suppress(EOFError, OSError):
        pipe.send("")
        while True:
            pipe.send(timed(_answer, job, pipe.recv()))


def _answer(job: Job, stat: FileStat) -> Prepared | Refusal | StyleSearchError:
    try:
        return job.decode(stat, *job.arguments)
    except StyleSearchError as exc:
        return exc
    except Exception as exc:  # noqa: BLE001 - whatever one file brings out is recorded as its refusal
        error = ImageError("crashed", f"The decoder failed ({type(exc).__name__}: {exc}).")
        return refusal(stat, error, decoder=decoder_at(stat, job.arguments[1]))


def _prepare_worker(memory: int) -> None:
    # Decoders remark on odd files by warnings and on the terminal, amid the progress bar. What counts is the refusal.
    warnings.simplefilter("ignore")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    Image.MAX_IMAGE_PIXELS = None  # the cap of this project is checked before
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _limit_memory(memory)


def _end_with_parent() -> None:
    # A killed parent cannot enforce the time limit any more.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _limit_memory(beyond: int) -> None:
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])  # data and stack
    except (ImportError, OSError):
        return  # only Linux enforces the limit
    limit = pages * resource.getpagesize() + beyond
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
