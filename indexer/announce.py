"""Lets other processes follow a run; see `stylesearch.running`."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from indexer.report import Progress
from stylesearch.running import RunningIndex, end_running, write_running

_SECONDS = 0.5  # between two times that it is written down


@contextmanager
def announced(folder: Path, show: Callable[[Progress], None]) -> Iterator[Callable[[Progress], None]]:
    """What `index` takes as its `progress`: shows it, and writes it down in the library's folder within the block."""
    host, process, last = socket.gethostname(), os.getpid(), 0.0

    def tell(progress: Progress) -> None:
        nonlocal last
        show(progress)
        if time.monotonic() - last >= _SECONDS:
            last = time.monotonic()
            running = RunningIndex(**asdict(progress), host=host, process=process, told=time.time())
            write_running(folder, running)

    try:
        yield tell
    finally:
        end_running(folder)
