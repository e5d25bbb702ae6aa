"""Decodes every picture of a set once, so that what cannot be decoded is known before anything is measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from benchmarks.datasets.base import StyleSet
from benchmarks.datasets.listing import left_out
from stylesearch.errors import ImageError

_AHEAD = 256  # pictures that wait for a thread


def decoded(pictures: StyleSet, *, workers: int = 1, progress: Callable[[int, int], None] | None = None) -> StyleSet:
    """The set without the pictures that cannot be decoded, which its problems name.

    Opening a set reads all bytes and looks at the first few: a truncated picture passes. Whoever embeds the pictures
    decodes them anyway, and may call `StyleSet.without` with what failed instead of this.

    Args:
        pictures: any set.
        workers: threads that decode.
        progress: called with pictures decoded and their number.
    """

    def refusal(row: int) -> str | None:
        try:
            pictures.image(row)
        except ImageError as exc:
            return str(exc.__cause__)  # the same without the picture's name, so that reasons can be counted
        return None

    reasons: defaultdict[str, list[int]] = defaultdict(list)
    with ThreadPoolExecutor(workers, "decode") as pool:
        for start in range(0, len(pictures), _AHEAD):
            rows = range(start, min(start + _AHEAD, len(pictures)))
            for row, reason in zip(rows, pool.map(refusal, rows), strict=True):
                if reason:
                    reasons[reason].append(row)
                if progress:
                    progress(row + 1, len(pictures))
    problems = [
        left_out("unreadable", [pictures.names[row] for row in rows], reason.rstrip("."))
        for reason, rows in reasons.items()
    ]
    return pictures.without([row for rows in reasons.values() for row in rows], *problems) if problems else pictures
