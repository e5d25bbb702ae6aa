"""Draws the map of styles while visitors look at something else: one at a time, whoever asked for it."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from stylesearch.errors import StyleSearchError
from stylesearch.library import Library


@dataclass(frozen=True)
class Work:
    """How far the drawing has come.

    Attributes:
        share: 0 to 1.
        doing: what is being done, in a few words.
        running: whether it goes on.
        stopped: whether a visitor has stopped it.
        error: what went wrong, for a person.
    """

    share: float = 0.0
    doing: str = ""
    running: bool = False
    stopped: bool = False
    error: str | None = None


class _StoppedError(Exception):
    """Leads out of the drawing; nobody sees it."""


class Drawing:
    """The one drawing of this server. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._work = Work()

    @property
    def work(self) -> Work:
        """As it is now."""
        return self._work

    def start(self, library: Library, *, anew: bool = False) -> None:
        """Begins to draw, unless that is going on."""
        with self._lock:
            if self._work.running:
                return
            self._stop.clear()
            self._work = Work(doing="starting", running=True)
        threading.Thread(target=self._draw, args=(library, anew), name="atlas", daemon=True).start()

    def stop(self) -> None:
        """Ends it soon; nothing is kept."""
        self._stop.set()

    def _draw(self, library: Library, anew: bool) -> None:
        def progress(share: float, doing: str) -> None:
            if self._stop.is_set():
                raise _StoppedError
            self._work = Work(share, doing, running=True)

        try:
            library.atlas(progress, anew=anew)
            self._work = Work(1.0, "drawn")
        except _StoppedError:
            self._work = Work(stopped=True)
        except StyleSearchError as exc:
            self._work = Work(error=str(exc))
        except Exception:  # of a thread, where nobody would see it: the page must not wait for ever
            logging.getLogger(__name__).exception("the map could not be drawn")
            self._work = Work(error="The map could not be drawn. The terminal that serves this page says why.")


drawing = Drawing()
