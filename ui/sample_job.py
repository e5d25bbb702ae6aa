"""Draws the sample collection into the library's own folder and indexes it, in processes that a visitor can stop."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Literal, NamedTuple

from stylesearch.library import Library
from ui.opened import library

STYLES, CONTENTS = 16, 8
_PATIENCE = 5.0  # seconds for a process to end by itself


class Progress(NamedTuple):
    """How far the sample is.

    Attributes:
        step: what is done now.
        done, total: pictures; 0 while nobody knows.
    """

    step: Literal["drawing", "indexing"]
    done: int
    total: int


class SampleJob:
    """One at a time for all visitors. The folder has a fixed name, so that nothing that a browser sends is a path."""

    def __init__(self, opened: Library) -> None:
        self._library = opened
        self._folder = opened.folder / "sample"
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._step: Literal["drawing", "indexing"] | None = None
        self._cancelled = False
        self._failed = False
        atexit.register(self.cancel)

    def start(self) -> None:
        """Begins, unless it has begun."""
        with self._lock:
            if self._step is None:
                self._step, self._cancelled, self._failed = "drawing", False, False
                threading.Thread(target=self._run, name="sample", daemon=True).start()

    def cancel(self) -> None:
        """Stops it. What was drawn so far goes; what was indexed so far stays."""
        with self._lock:
            process, self._cancelled = self._process, True
        if process is None or process.poll() is not None:
            return
        _signal(process, signal.SIGINT)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL if os.name == "posix" else signal.SIGTERM)

    @property
    def progress(self) -> Progress | None:
        """None where nothing is under way."""
        if self._step == "drawing":
            return Progress("drawing", sum(1 for _ in self._folder.glob("*/*")), STYLES * CONTENTS)
        if self._step == "indexing":
            running = self._library.running()
            return Progress("indexing", running.done if running else 0, STYLES * CONTENTS)
        return None

    def take_failure(self) -> bool:
        """Whether it failed since somebody asked last."""
        failed, self._failed = self._failed, False
        return failed

    def _run(self) -> None:
        draw = ["sample", str(self._folder), "--styles", str(STYLES), "--contents", str(CONTENTS)]
        index = ["index", str(self._folder), "--library", str(self._library.folder)]
        whole = Path(self._folder, ".whole")
        try:
            if not whole.exists():
                shutil.rmtree(self._folder, ignore_errors=True)  # what a crash has left; nobody else writes there
                if not self._call(draw):
                    shutil.rmtree(self._folder, ignore_errors=True)
                    return
                whole.touch()
            self._step = "indexing"
            self._call(index)
        except OSError:
            self._failed = True
        finally:
            self._step = None

    def _call(self, arguments: list[str]) -> bool:
        with self._lock:
            if self._cancelled:
                return False
            command = [sys.executable, "-m", "stylesearch", *arguments, "--json"]
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
        done = self._process.wait() == 0
        self._failed = not done and not self._cancelled
        return done


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if os.name == "posix":
        os.killpg(process.pid, number)  # its decoders and painters, too
    else:
        process.terminate()


_jobs: list[SampleJob] = []
_making = threading.Lock()


def sample_job() -> SampleJob:
    """The one of this server."""
    with _making:
        if not _jobs:
            _jobs.append(SampleJob(library()))
        return _jobs[0]
