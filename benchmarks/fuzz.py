"""Thousands of mutated files through the real decoder processes: none may end the run, each must end in an answer.

    python -m benchmarks.fuzz --files 20000 --seed 0

Prints outcomes by format, the rate and the slowest file; exits with 1 where a file has no answer. Every file follows
from the seed and its number alone, so `--first 1234 --files 1 --keep FOLDER` makes number 1234 again and keeps it.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.seeds import seed_files
from indexer.decode import Prepared, decode_file
from indexer.workers import DecodeWorkers, Pending
from stylesearch.images import Preprocess
from stylesearch.records import FileStat, Limits, Refusal
from stylesearch.settings import Settings

SECONDS = 30.0  # what one file may take
AHEAD = 16  # files that wait for a worker

# Numbers that code for sizes and offsets forgets: none, one, and those at the ends of 8, 15, 16, 31 and 32 bits.
_EDGES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


@dataclass
class Outcomes:
    """What became of the files.

    Attributes:
        counts: by kind of seed (its extension) and outcome, "indexed" or the reason of the refusal.
        bad: names of files whose decoder crashed or hung.
        slowest: seconds and name; waiting for a worker is not counted.
        seconds: of the whole run.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    seconds: float = 0.0

    @property
    def answered(self) -> int:
        """How many files have an outcome."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Timed:
    """An answer and how long it took."""

    answer: Prepared | Refusal
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--keep", type=Path, help="folder for the files that crash or hang, or for all below 100")
    arguments = parser.parse_args()
    settings = Settings.from_environment()
    outcomes = fuzz(
        arguments.files,
        arguments.seed,
        first=arguments.first,
        workers=settings.workers,
        limits=settings.limits,
        keep=arguments.keep,
    )
    _print(outcomes)
    return 0 if outcomes.answered == arguments.files else 1


def fuzz(
    files: int, seed: int, *, first: int = 0, workers: int = 1, limits: Limits | None = None, keep: Path | None = None
) -> Outcomes:
    """Mutates and decodes so many files."""
    outcomes = Outcomes()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        thumbnails = Path(folder, "thumbnails")
        pool = DecodeWorkers(
            timed_decode,  # type: ignore[arg-type]  # the pool hands on whatever it returns
            Preprocess(64),
            limits or Limits(),
            thumbnails,
            count=workers,
            seconds=SECONDS,
        )
        with pool:
            waiting: deque[tuple[Path, Pending]] = deque()
            for name, data in mutated(files, seed, first):
                path = Path(folder, name)
                path.write_bytes(data)
                waiting.append((path, pool.submit(FileStat(str(path), len(data), 0))))
                if len(waiting) > AHEAD:
                    _take(outcomes, *waiting.popleft(), keep if files > 100 else None)
                if keep and files <= 100:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / name).write_bytes(data)
            while waiting:
                _take(outcomes, *waiting.popleft(), keep if files > 100 else None)
    outcomes.seconds = time.monotonic() - started
    return outcomes


def timed_decode(stat: FileStat, preprocess: Preprocess, limits: Limits, thumbnails: Path) -> Timed:
    """What the indexer does with a file; runs in a worker."""
    started = time.monotonic()
    answer = decode_file(stat, preprocess, limits, thumbnails)
    return Timed(answer, time.monotonic() - started)


def mutated(files: int, seed: int, first: int = 0) -> Iterator[tuple[str, bytes]]:
    """Names and contents. Each file depends on the seed and its number alone."""
    originals = sorted(seed_files().items())
    for number in range(first, first + files):
        digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        name, data = originals[rng.integers(len(originals))]
        other = originals[rng.integers(len(originals))][1]
        yield f"{number:06d}-{name}", mutate(data, other, rng)


def mutate(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """One to four changes; half of them fall into the first 256 bytes, where the headers are."""
    for _ in range(int(rng.integers(1, 5))):
        reach = min(len(data), 256) if rng.random() < 0.5 else len(data)
        if not reach:
            return data
        at, length = int(rng.integers(reach)), int(2 ** rng.uniform(0, 9))
        match int(rng.integers(7)):
            case 0:  # bits
                changed = bytearray(data)
                for place in rng.integers(0, reach, int(rng.integers(1, 9))):
                    changed[place] ^= 1 << int(rng.integers(8))
                data = bytes(changed)
            case 1:  # a number
                edge = _EDGES[rng.integers(len(_EDGES))]
                number = edge.to_bytes(4, "big" if rng.random() < 0.5 else "little")
                data = data[:at] + number + data[at + 4 :]
            case 2:  # noise
                data = data[:at] + rng.bytes(length) + data[at + length :]
            case 3:  # missing
                data = data[:at] + data[at + length :]
            case 4:  # twice
                data = data[: at + length] + data[at:]
            case 5:  # cut
                data = data[:at] if rng.random() < 0.3 else data[: len(data) - length]
            case _:  # of another file
                start = int(rng.integers(len(other)))
                data = data[:at] + other[start : start + length] + data[at + length :]
    return data


def _take(outcomes: Outcomes, path: Path, pending: Pending, keep: Path | None) -> None:
    result: object = pending.result()
    answer, seconds = (result.answer, result.seconds) if isinstance(result, Timed) else (result, 0.0)
    outcome = answer.reason if isinstance(answer, Refusal) else "indexed"
    if outcome == "timeout":
        seconds = SECONDS
    outcomes.counts[path.suffix, outcome] += 1
    outcomes.slowest = max(outcomes.slowest, (seconds, path.name))
    if outcome in ("crashed", "timeout"):
        outcomes.bad.append(path.name)
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            path.rename(keep / path.name)
    path.unlink(missing_ok=True)


def _print(outcomes: Outcomes) -> None:
    reasons = sorted({reason for _, reason in outcomes.counts})
    print(f"{'':8}" + "".join(f"{reason:>14}" for reason in reasons))
    for kind in sorted({kind for kind, _ in outcomes.counts}):
        print(f"{kind:8}" + "".join(f"{outcomes.counts[kind, reason]:14,}" for reason in reasons))
    print(f"{'all':8}" + "".join(f"{sum(n for (_, r), n in outcomes.counts.items() if r == x):14,}" for x in reasons))
    rate = outcomes.answered / outcomes.seconds
    print(f"{outcomes.answered:,} files in {outcomes.seconds:,.0f} s ({rate:.0f} files/s)")
    print(f"slowest: {outcomes.slowest[1]}, {outcomes.slowest[0]:.2f} s")
    if outcomes.bad:
        print(f"crashed or hung: {', '.join(outcomes.bad[:20])}{' ...' if len(outcomes.bad) > 20 else ''}")


if __name__ == "__main__":
    # Worker processes import `timed_decode` by the name of its module, which is not __main__ there.
    from benchmarks import fuzz as module

    sys.exit(module.main())
