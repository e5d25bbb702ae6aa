"""Says what is in a set of pictures, and what is wrong with it.

python -m benchmarks.datasets DIR
python -m benchmarks.datasets rendered:styles=2400,contents=32,seed=0 --workers 2 --json
python -m benchmarks.datasets 'shards/*.parquet#held-out' --decode
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.datasets import StyleSet, decoded, open_set
from stylesearch.errors import StyleSearchError
from stylesearch.uris import printable

_SECONDS_BETWEEN_LINES = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, or 1 where the set cannot be opened."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.datasets", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("spec", help="the set; see docs/benchmark-data.md")
    parser.add_argument("--cache", type=Path, help="folder for drawn pictures (default: in the user's cache)")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw (default: 1)")
    parser.add_argument("--decode", action="store_true", help="decode every picture, too")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args(arguments)
    if chosen.workers < 1:
        parser.error(f"--workers is {chosen.workers}; it must be at least 1")
    try:
        pictures = open_set(chosen.spec, cache=chosen.cache, workers=chosen.workers, progress=_Progress("read"))
        if chosen.decode:
            pictures = decoded(pictures, workers=chosen.workers, progress=_Progress("decoded"))
    except StyleSearchError as exc:
        print(exc, file=sys.stderr)
        return 1
    found = summary(pictures)
    print(json.dumps(found) if chosen.json else _as_text(found))
    return 0


def summary(pictures: StyleSet) -> dict[str, Any]:
    """What is in a set, for JSON."""
    sizes = Counter(pictures.styles).values()
    return {
        "name": pictures.name,
        "source": printable(pictures.source),
        "pictures": len(pictures),
        "styles": len(sizes),
        "pictures_per_style": [min(sizes), max(sizes)],
        "contents": len(set(pictures.contents) - {None}),
        "unknown_contents": pictures.contents.count(None),
        "roles": dict(Counter(pictures.roles)),
        "licence": pictures.licence,
        "digest": pictures.digest,
        "problems": [
            {"kind": problem.kind, "message": problem.message, "names": [printable(name) for name in problem.names]}
            for problem in pictures.problems
        ],
    }


def _as_text(found: dict[str, Any]) -> str:
    low, high = found["pictures_per_style"]
    each = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    unknown = f", unknown for {found['unknown_contents']:,} pictures" if found["unknown_contents"] else ""
    lines = [
        f"{found['name']}: {found['source']}",
        f"  pictures  {found['pictures']:,}",
        f"  styles    {found['styles']:,}, of {each} pictures",
        f"  contents  {found['contents']:,}{unknown}",
        f"  roles     {', '.join(f'{count:,} {role}' for role, count in found['roles'].items())}",
        f"  licence   {found['licence'] or 'not stated'}",
        f"  digest    {found['digest']}",
        *(f"  {problem['kind']}: {problem['message']}" for problem in found["problems"]),
    ]
    return "\n".join(lines)


class _Progress:
    """A line on standard error every few seconds."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last >= _SECONDS_BETWEEN_LINES:
            print(f"{done:,} of {total:,} pictures {self._verb}", file=sys.stderr)
            self._last = now


if __name__ == "__main__":
    sys.exit(main())
