"""Ctrl-C as a request to stop in good order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """Within the `with` statement, the first Ctrl-C sets the event and the second one interrupts as usual.

    Only the main thread may use it: Python delivers signals there.
    """
    stop = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def request(number: int, frame: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, request)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
