"""The process that makes pictures, beside the one that serves the page.

A model that runs out of memory, or a library of somebody else's that crashes, ends this process and not the page; and
arithmetic in Python does not keep visitors waiting. It lives from order to order, so that a model is loaded once.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from stylesearch.errors import StyleSearchError, TransferCancelled
from stylesearch.library import Library
from stylesearch.settings import Settings
from stylesearch.transfer import load_backend
from stylesearch.transfer.base import TransferBackend, TransferProgress
from stylesearch.transfer.loop import Input, create


@dataclass(frozen=True)
class Task:
    """What to make.

    Attributes:
        backend: its name.
        references: whose style.
        wanted: the other keywords of `stylesearch.transfer.loop.create`.
    """

    backend: str
    references: tuple[Input, ...]
    wanted: Mapping[str, Any]


@dataclass(frozen=True)
class Ended:
    """How a task has ended.

    Attributes:
        made: asset ids; none where it was cancelled.
        error: what went wrong, for a person.
    """

    made: tuple[int, ...] = ()
    error: str | None = None


CANCEL = "cancel"
"""What takes a task back that is worked on."""


def send(message: object, stream: BinaryIO) -> None:
    """Writes a message, for `receive` at the other end."""
    pickle.dump(message, stream)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """Reads a message; raises EOFError where no more come. Both ends are processes of this program."""
    return pickle.load(stream)  # noqa: S301


def work(orders: BinaryIO, answers: BinaryIO, folder: Path) -> None:
    """Works on one task after the other, until nobody is left who could give one.

    Args:
        orders: brings `Task`s, and `CANCEL`.
        answers: takes `TransferProgress`, and `Ended` for each task.
        folder: of the library.
    """
    tasks: queue.Queue[Task | None] = queue.Queue()
    cancel = threading.Event()
    threading.Thread(target=_listen, args=(orders, tasks, cancel), daemon=True).start()
    backend: TransferBackend | None = None
    name = ""
    with Library.open(folder) as library:
        while (task := tasks.get()) is not None:
            try:
                if backend is None or task.backend != name:
                    if backend is not None:
                        backend.close()  # two models at once are more than a machine has memory for
                        backend = None
                    backend, name = load_backend(task.backend), task.backend
                ended = Ended(_make(library, backend, task, answers, cancel))
            except TransferCancelled:
                ended = Ended()
            except StyleSearchError as exc:
                ended = Ended(error=str(exc))
            except BrokenPipeError:
                return
            except Exception:  # of a library that made it fail: the process lives on for the next task
                logging.getLogger(__name__).exception("the pictures could not be made")
                ended = Ended(error="The pictures could not be made. The terminal that serves this page says why.")
            send(ended, answers)


def _listen(orders: BinaryIO, tasks: queue.Queue[Task | None], cancel: threading.Event) -> None:
    try:
        while True:
            message = receive(orders)
            if isinstance(message, Task):
                cancel.clear()
                tasks.put(message)
            else:
                cancel.set()
    except EOFError:
        cancel.set()
        tasks.put(None)


def _make(
    library: Library, backend: TransferBackend, task: Task, answers: BinaryIO, cancel: threading.Event
) -> tuple[int, ...]:
    def show(step: TransferProgress) -> None:
        send(step, answers)

    settings = Settings.from_environment()
    made = create(library, backend, task.references, settings=settings, progress=show, cancel=cancel, **task.wanted)
    return tuple(dict.fromkeys(one.asset.id for one in made))


def main() -> None:
    """Works for whoever started this process, by its standard input and output; the argument is the folder."""
    orders, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    work(orders, answers, Path(sys.argv[1]))
    os._exit(0)  # a server waits for this: unloading models in good order takes seconds, and saves nothing
