"""Makes pictures while visitors look at something else: one order at a time, whoever gave it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from stylesearch.errors import StyleSearchError, TransferCancelled
from stylesearch.transfer import load_backend
from stylesearch.transfer.base import TransferBackend, TransferProgress
from stylesearch.transfer.loop import Created


@dataclass(frozen=True)
class Work:
    """How far an order has come.

    Attributes:
        owner: the visit that gave it.
        running: whether it goes on.
        share: 0 to 1.
        doing: what is being done, in a few words.
        made: asset ids, once it has ended well.
        error: what went wrong, for a person.
    """

    owner: str = ""
    running: bool = False
    share: float = 0.0
    doing: str = ""
    made: tuple[int, ...] = ()
    error: str | None = None


# Makes pictures with a backend, tells how far it is, and stops where the event is set.
Job = Callable[[TransferBackend, Callable[[TransferProgress], None], threading.Event], list[Created]]


class Making:
    """The one order that this server works on. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancel = threading.Event()
        self._work = Work()
        self._backend: TransferBackend | None = None  # loaded last: models take long to load, and memory

    @property
    def work(self) -> Work:
        """As it is now."""
        return self._work

    def start(self, owner: str, backend: str, job: Job) -> bool:
        """Begins; False where another order is worked on."""
        with self._lock:
            if self._work.running:
                return False
            self._cancel.clear()
            self._work = Work(owner, running=True, doing="getting ready")
        threading.Thread(target=self._run, args=(owner, backend, job), name="transfer", daemon=True).start()
        return True

    def cancel(self, owner: str) -> None:
        """Ends this visit's order soon; nothing of it is kept."""
        if self._work.owner == owner:
            self._cancel.set()

    def take(self, owner: str) -> Work | None:
        """How this visit's order has ended, once; None where it goes on, or there is none."""
        with self._lock:
            if self._work.owner != owner or self._work.running:
                return None
            ended, self._work = self._work, Work()
            return ended

    def _run(self, owner: str, backend: str, job: Job) -> None:
        def show(step: TransferProgress) -> None:
            share = step.done / step.total if step.total else 0.0
            self._work = replace(self._work, share=min(share, 1.0), doing=step.what)

        ended = Work(owner)
        try:
            made = job(self._loaded(backend), show, self._cancel)
            ended = replace(ended, made=tuple(dict.fromkeys(one.asset.id for one in made)))
        except TransferCancelled:
            pass
        except StyleSearchError as exc:
            ended = replace(ended, error=str(exc))
        except Exception:
            logging.getLogger(__name__).exception("the pictures could not be made")
            ended = replace(ended, error="The pictures could not be made. The terminal that serves this page says why.")
        self._work = ended

    def _loaded(self, name: str) -> TransferBackend:
        if self._backend is None or self._backend.name != name:
            if self._backend is not None:
                self._backend.close()
                self._backend = None
            self._backend = load_backend(name)
        return self._backend


making = Making()
