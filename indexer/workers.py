"""Worker processes that decode: a file that crashes, hangs or bloats its decoder costs that file and nothing else."""

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
from concurrent.futures import Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.synchronize import Semaphore
from pathlib import Path
from typing import Any, Self

from pebble import ProcessExpired, ProcessPool
from PIL import Image

from indexer.decode import Prepared, decoder_at, refusal
from indexer.stages import timed
from stylesearch.errors import ImageError, StyleSearchError
from stylesearch.images import Preprocess
from stylesearch.records import FileStat, Limits, Refusal

# A decoder library may leak; a worker is replaced after so many files.
FILES_PER_WORKER = 2_000

# A worker may die of something else than its file: somebody kills it, or the system does because memory is short.
TRIES = 2

# What a worker may allocate beyond what it starts with: the file, and up to six copies of the picture at 4 bytes per
# pixel (decoded, converted, blended, with one in hand for each of the widest kinds).
BASE_MEMORY = 512 * 2**20
MEMORY_PER_PIXEL = 24

Decode = Callable[[FileStat, Preprocess, Limits, Path], Prepared | Refusal]


@dataclass(slots=True)
class Pending:
    """A file on its way through the workers.

    Attributes:
        seconds: that it has kept a worker busy, once its result was asked for.
        tries: how many workers were given it.
    """

    stat: FileStat
    pool: ProcessPool
    future: Future[tuple[Prepared | Refusal, float]]
    seconds: float = 0.0
    tries: int = 1

    def wait(self, seconds: float) -> bool:
        """Whether the answer is there, waiting for it at most so long."""
        return bool(wait([self.future], seconds).done)


class DecodeWorkers:
    """A pool of processes that run `decode` on files. Use it in a `with` statement.

    Attributes:
        count: number of processes.

    Args:
        decode: a function that a worker can import.
        preprocess, limits, thumbnails: further arguments for it.
        seconds: how long one file may take.
    """

    def __init__(
        self, decode: Decode, preprocess: Preprocess, limits: Limits, thumbnails: Path, *, count: int, seconds: float
    ) -> None:
        self._decode = decode
        self._arguments = (preprocess, limits, thumbnails)
        self._limits = limits
        self.count = count
        self._seconds = seconds
        self._memory = BASE_MEMORY + MEMORY_PER_PIXEL * limits.max_pixels
        self._pool = self._new_pool()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._context.wait_for_starts()
        self._pool.stop()
        self._pool.join()

    def submit(self, stat: FileStat) -> Pending:
        """Hands a file to the next free worker; the first call starts the workers."""
        try:
            return self._schedule(stat)
        except RuntimeError:  # pebble's word for a pool that has broken
            self._renew(self._pool)
            return self._schedule(stat)

    def result(self, pending: Pending) -> Prepared | Refusal:
        """Waits for the answer.

        Raises:
            StyleSearchError: worker processes cannot be started, or the library folder cannot be written.
        """
        stat = pending.stat
        try:
            result, pending.seconds = pending.future.result()
            return result
        except TimeoutError:
            pending.seconds = self._seconds
            error = ImageError("timeout", f"The decoder did not finish within {self._seconds:g} seconds.")
        except ProcessExpired as exc:
            if pending.tries < TRIES:
                return self._try_again(pending)
            error = ImageError("crashed", f"The decoder process died (exit code {exc.exitcode}).")
        except BrokenProcessPool:
            # An idle worker was killed from outside, which takes the pool down with it. That is no file's fault.
            self._renew(pending.pool)
            return self._try_again(pending)
        except StyleSearchError:
            raise
        except Exception as exc:  # noqa: BLE001 - whatever one file brings out is recorded as its refusal
            error = ImageError("crashed", f"The decoder failed ({type(exc).__name__}: {exc}).")
        return refusal(stat, error, decoder=decoder_at(stat, self._limits))

    def _try_again(self, pending: Pending) -> Prepared | Refusal:
        again = self.submit(pending.stat)
        again.tries = pending.tries + 1
        result = self.result(again)
        pending.seconds = again.seconds
        return result

    def _schedule(self, stat: FileStat) -> Pending:
        arguments = (self._decode, stat, *self._arguments)
        future = self._pool.schedule(timed, args=arguments, timeout=self._seconds)
        return Pending(stat, self._pool, future)

    def _new_pool(self) -> ProcessPool:
        self._context = _CleanSpawnContext()
        return ProcessPool(
            max_workers=self.count,
            max_tasks=FILES_PER_WORKER,
            initializer=_prepare_worker,
            initargs=(self._memory, self._context.ready),
            context=self._context,
        )

    def _renew(self, broken: ProcessPool) -> None:
        if self._pool is not broken:
            return
        broken.stop()
        broken.join()
        self._pool = self._new_pool()
        try:
            self._pool.schedule(os.getpid).result()
        except (BrokenProcessPool, ProcessExpired) as exc:
            raise StyleSearchError(f"Decoder processes cannot be started ({exc}). Is there memory left?") from exc


class _CleanSpawnProcess(SpawnProcess):
    def start(self) -> None:
        with _starting, _without_main(), _one_thread_each(), _without_interrupts():
            super().start()


class _CleanSpawnContext(SpawnContext):
    """Starts fresh interpreters: a fork would copy the locks of torch and OpenMP in whatever state they are.

    Attributes:
        ready: released by each worker once it is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ready = self.Semaphore(0)
        self._starting = 0

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802
        self._starting += 1
        return _CleanSpawnProcess(*args, **kwargs)

    def wait_for_starts(self, seconds: float = 5.0) -> None:
        """Waits until every worker is ready; one whose pool is stopped before that ends with a traceback."""
        deadline = time.monotonic() + seconds
        while self._starting and self.ready.acquire(timeout=max(0.0, deadline - time.monotonic())):
            self._starting -= 1


_starting = threading.Lock()  # what a process inherits is set for all of this one while it starts


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
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare_worker(memory: int, ready: Semaphore) -> None:
    # Decoders remark on odd files by warnings and on the terminal, amid the progress bar. What counts is the refusal.
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    Image.MAX_IMAGE_PIXELS = None  # the cap of this project is checked before
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _limit_memory(memory)
    ready.release()


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
