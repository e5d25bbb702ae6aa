"""How busy each stage of a run is, and which of them holds the others up."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

# In the order in which a file passes them. "plan" is looking up in the catalog what is known.
STAGES = ("scan", "plan", "hash", "decode", "encode", "write")

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


@dataclass(slots=True)
class Stage:
    """The work of one stage.

    Attributes:
        lanes: how many files it works on at the same time.
        count: files it has dealt with.
        bytes: their size.
        seconds: it was at work, summed over its lanes; waiting for other stages is left out.
    """

    lanes: int = 1
    count: int = 0
    bytes: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Files a second while it was at work."""
        return self.count * self.lanes / self.seconds if self.seconds else 0.0

    def add(self, seconds: float, count: int = 0, size: int = 0) -> None:
        """Counts some work."""
        self.seconds += seconds
        self.count += count
        self.bytes += size

    @contextmanager
    def at_work(self, count: int = 0) -> Generator[None, None, None]:
        """Counts what happens within the `with` statement."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(time.perf_counter() - start, count)


def limiting(stages: Mapping[str, Stage]) -> str | None:
    """The stage that was at work for the longest, each lane by itself: no run is shorter. None where none worked."""
    name = max(stages, key=lambda name: stages[name].seconds / stages[name].lanes)
    return name if stages[name].seconds else None


def timed(function: Callable[Given, Answer], *args: Given.args, **kwargs: Given.kwargs) -> tuple[Answer, float]:
    """What the function returns, and the seconds it took; to be handed to threads and processes."""
    start = time.perf_counter()
    answer = function(*args, **kwargs)
    return answer, time.perf_counter() - start
