"""The process that makes pictures, beside the one that serves the page.

A model that runs out of memory, or a library of somebody else's that crashes, ends this process and not the page; and
arithmetic in Python does not keep visitors waiting. It lives from order to order, so that a model is loaded once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

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


def work(pipe: Connection, cancel: threading.Event, folder: Path) -> None:
    """Works on one task after the other, until nobody is left who could give one.

    Args:
        pipe: brings `Task`s, and takes `TransferProgress` and `Ended`.
        cancel: set by whoever wants no more of the task at hand.
        folder: of the library.
    """
    backend: TransferBackend | None = None
    name = ""
    with Library.open(folder) as library:
        while True:
            try:
                task: Task = pipe.recv()
                try:
                    if backend is None or task.backend != name:
                        if backend is not None:
                            backend.close()  # two models at once are more than a machine has memory for
                            backend = None
                        backend, name = load_backend(task.backend), task.backend
                    ended = Ended(_make(library, backend, task, pipe, cancel))
                except TransferCancelled:
                    ended = Ended()
                except StyleSearchError as exc:
                    ended = Ended(error=str(exc))
                pipe.send(ended)
            except (EOFError, BrokenPipeError):
                return
            except Exception:
                logging.getLogger(__name__).exception("the pictures could not be made")
                pipe.send(Ended(error="The pictures could not be made. The terminal that serves this page says why."))


def _make(
    library: Library, backend: TransferBackend, task: Task, pipe: Connection, cancel: threading.Event
) -> tuple[int, ...]:
    def show(step: TransferProgress) -> None:
        pipe.send(step)

    settings = Settings.from_environment()
    made = create(library, backend, task.references, settings=settings, progress=show, cancel=cancel, **task.wanted)
    return tuple(dict.fromkeys(one.asset.id for one in made))
