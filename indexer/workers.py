"""Worker processes that decode: a file that crashes, hangs or bloats its decoder costs that file and nothing else.

Each process has a thread here and a pipe of its own. So one that is killed, at whatever instant, takes no lock and no
half of a message with it for which others would wait.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Self

from indexer.decode import Prepared, decoder_at, refusal
from indexer.worker_process import Decode, Job, Worker, starting
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

_AHEAD = 2  # files in a worker's pipe: the one that it works on, and the next
_STARTS = 3  # in a row, that may fail before the run is given up
_START_SECONDS = 120.0  # a worker imports NumPy and Pillow, perhaps from a slow disk


@dataclass(eq=False, slots=True)
class Pending:
    """A file on its way through the workers.

    Attributes:
        answer: what has become of it.
        seconds: that it has kept a worker busy, once the answer is there.
        tries: how many workers have died of it.
    """

    stat: FileStat
    answer: Future[Prepared | Refusal] = field(default_factory=Future)
    seconds: float = 0.0
    tries: int = 0

    def settle(self, answer: Prepared | Refusal | StyleSearchError, seconds: float) -> None:
        """Passes on what a worker says of it."""
        self.seconds = seconds
        if isinstance(answer, StyleSearchError):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)

    def wait(self, seconds: float) -> bool:
        """Whether the answer is there, waiting for it at most so long."""
        return bool(wait([self.answer], seconds).done)

    def result(self) -> Prepared | Refusal:
        """Waits for the answer.

        Raises:
            StyleSearchError: worker processes cannot be started, or the library folder cannot be written.
        """
        return self.answer.result()


class DecodeWorkers:
    """Processes that run `decode` on files. Use it in a `with` statement.

    Attributes:
        count: number of processes, at most.

    Args:
        decode: a function that a worker can import.
        preprocess, limits, thumbnails: further arguments for it.
        seconds: how long one file may take.
    """

    def __init__(
        self, decode: Decode, preprocess: Preprocess, limits: Limits, thumbnails: Path, *, count: int, seconds: float
    ) -> None:
        self.count = count
        self._seconds = seconds
        memory = BASE_MEMORY + MEMORY_PER_PIXEL * limits.max_pixels
        self._job = Job(decode, (preprocess, limits, thumbnails), memory)
        self._waiting: SimpleQueue[Pending | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._ending = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ending.set()
        for _ in self._threads:
            self._waiting.put(None)
        try:
            for thread in self._threads:
                thread.join()
        finally:  # interrupted, perhaps: a process that is half started would complain on the terminal
            with starting:
                pass

    def submit(self, stat: FileStat) -> Pending:
        """Hands a file to the next free worker; the first calls start the workers."""
        pending = Pending(stat)
        self._waiting.put(pending)
        if len(self._threads) < self.count:
            thread = threading.Thread(target=self._serve, name=f"decode-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return pending

    def _serve(self) -> None:
        """What each thread does: keeps a process busy, and replaces it."""
        given: deque[Pending] = deque()
        lane = _Lane(self._job, self._seconds, self._ending)
        try:
            while not self._ending.is_set():
                self._take(given, lane.room(len(given)))
                if given:
                    lane.advance(given)
        except BaseException as exc:  # noqa: BLE001 - raised again where the answers are waited for
            for pending in chain(given, iter(self._waiting.get, None)):
                pending.answer.set_exception(exc)
        finally:
            lane.end()

    def _take(self, given: deque[Pending], most: int) -> None:
        """Takes files that wait; waits for one where there is none in hand."""
        with suppress(Empty):
            while len(given) < most and (pending := self._waiting.get(block=not given)) is not None:
                given.append(pending)


class _Lane:
    """One process at a time, and the files in its pipe."""

    def __init__(self, job: Job, seconds: float, ending: threading.Event) -> None:
        self._job = job
        self._seconds = seconds
        self._ending = ending
        self._worker: Worker | None = None
        self._files = 0  # that the worker was given
        self._in_pipe = 0

    def room(self, given: int) -> int:
        """How many files it should have in hand, where it has `given` now."""
        if self._worker and not given and (self._files >= FILES_PER_WORKER or not self._worker.is_alive()):
            self.end()
        return min(_AHEAD, given + FILES_PER_WORKER - self._files)

    def advance(self, given: deque[Pending]) -> None:
        """Waits for what becomes of the first of some files, and takes it from them; or starts anew.

        Raises:
            StyleSearchError: no process can be started.
        """
        worker = self._worker = self._worker or self._started()
        if worker is None:
            return
        error = None
        try:
            for pending in islice(given, self._in_pipe, None):
                worker.give(pending.stat)
                self._files, self._in_pipe = self._files + 1, self._in_pipe + 1
            answer = worker.receive(self._seconds, self._ending)
        except TimeoutError:
            worker.kill()
            given[0].seconds = self._seconds
            error = ImageError("timeout", f"The decoder did not finish within {self._seconds:g} seconds.")
        except (EOFError, OSError):
            worker.end()
            given[0].tries += 1
            if given[0].tries >= TRIES:
                error = ImageError("crashed", f"The decoder process died (exit code {worker.exit_code}).")
        else:
            if answer is not None:
                self._in_pipe -= 1
                given.popleft().settle(*answer)
            return
        self.end()
        if error is not None:
            pending = given.popleft()
            limits = self._job.arguments[1]
            pending.answer.set_result(refusal(pending.stat, error, decoder=decoder_at(pending.stat, limits)))

    def end(self) -> None:
        """Ends the process, if there is one."""
        if self._worker is not None:
            self._worker.end()
        self._worker, self._files, self._in_pipe = None, 0, 0

    def _started(self) -> Worker | None:
        """A worker that is ready; None: it is no longer wanted."""
        problem: str | None = None
        for _ in range(_STARTS):
            try:
                with starting:
                    if self._ending.is_set():
                        return None
                    worker = Worker(self._job)
            except OSError as exc:
                raise StyleSearchError(f"Decoder processes cannot be started ({exc.strerror}).") from exc
            try:
                problem = worker.receive(_START_SECONDS, self._ending)
            except TimeoutError:
                problem = f"one was not ready after {_START_SECONDS:g} seconds"
            except (EOFError, OSError):
                worker.end()
                problem = f"one died at once with exit code {worker.exit_code}; is there memory left?"
                continue
            if problem == "":
                return worker
            worker.end()
            break
        if problem is None:
            return None
        raise StyleSearchError(f"Decoder processes cannot be started ({problem}).")
