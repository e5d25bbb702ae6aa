"""Lets an iterator run ahead in a thread of its own, by a bounded number of items."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable
from queue import Full, Queue
from typing import TypeVar

Item = TypeVar("Item")


def run_ahead(items: Iterable[Item], size: int) -> Generator[Item, None, None]:
    """The same items; up to `size` of them wait ready. What the iterator raises is raised here.

    Closing the generator ends the thread.
    """
    ready: Queue[tuple[Item] | BaseException | None] = Queue(size)
    closed = threading.Event()

    def put(entry: tuple[Item] | BaseException | None) -> None:
        while not closed.is_set():
            try:
                ready.put(entry, timeout=0.1)
            except Full:
                continue
            return

    def fill() -> None:
        try:
            for item in items:
                put((item,))
                if closed.is_set():
                    return
            put(None)
        except BaseException as exc:  # noqa: BLE001 - raised again in the thread that consumes
            put(exc)

    thread = threading.Thread(target=fill, name="run-ahead", daemon=True)
    thread.start()
    try:
        while (entry := ready.get()) is not None:
            if isinstance(entry, BaseException):
                raise entry
            yield entry[0]
    finally:
        closed.set()
        thread.join()
