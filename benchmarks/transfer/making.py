"""Makes the pictures of a grid, and keeps them, so that a run that was killed goes on where it stopped.

FOLDER/<digest of the request>-0.png ... and <digest of the request>.json, which is written last
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.datasets import StyleSet
from benchmarks.machine import commit
from benchmarks.transfer.config import Config
from benchmarks.transfer.grid import Cell
from stylesearch.errors import TransferCancelled, TransferError, UsageError
from stylesearch.transfer.base import ModelUsed, StyleReference, TransferBackend, TransferRequest, TransferResult

_FAILURES = 3  # one after the other, after which it is the backend that fails, and not a request


@dataclass(frozen=True)
class Made:
    """One picture.

    Attributes:
        cell: what was asked for.
        path: of the PNG file.
        seconds: that it took.
    """

    cell: Cell
    path: Path
    seed: int
    seconds: float
    models: tuple[ModelUsed, ...]


@dataclass(frozen=True)
class Failure:
    """A request that failed, and why."""

    cell: Cell
    why: str


def make(
    backend: TransferBackend,
    cells: Sequence[Cell],
    config: Config,
    folder: Path,
    pictures: StyleSet,
    contents: StyleSet | None,
    progress: Callable[[int], None],
) -> tuple[list[Made], list[Failure], int]:
    """Makes what is not in `folder` yet.

    Args:
        progress: called with how many requests are dealt with.

    Returns:
        the pictures, the requests that failed, and how many pictures were made now.

    Raises:
        TransferError: three requests in a row failed.
        UsageError: the operating system refuses to write.
    """
    made: list[Made] = []
    failures: list[Failure] = []
    new, in_a_row = 0, 0
    code = commit()
    for number, cell in enumerate(cells):
        key = _key(backend, code, cell, config, pictures, contents)
        kept = _read(folder, key, cell)
        if kept is None:
            try:
                results = backend.run(_request(cell, config, pictures, contents))
            except TransferCancelled:
                raise
            except TransferError as exc:
                failures.append(Failure(cell, str(exc)))
                in_a_row += 1
                if in_a_row == _FAILURES:
                    raise
                continue
            kept = _write(folder, key, cell, results)
            new += len(kept)
        in_a_row = 0
        made += kept
        progress(number + 1)
    return made, failures, new


def _request(cell: Cell, config: Config, pictures: StyleSet, contents: StyleSet | None) -> TransferRequest:
    shown = None if contents is None or cell.content is None else contents.image(cell.content)
    return TransferRequest(
        references=(StyleReference(pictures.image(cell.reference), name=pictures.names[cell.reference]),),
        prompt=cell.prompt,
        content=shown,
        width=config.size,
        height=config.size,
        seed=cell.seed,
        count=config.count,
        strength=config.strength,
        steps=config.steps,
    )


def _key(
    backend: TransferBackend, code: str, cell: Cell, config: Config, pictures: StyleSet, contents: StyleSet | None
) -> str:
    shown = None if contents is None or cell.content is None else contents.checksums[cell.content].hex()
    asked = [
        backend.name,
        code,
        pictures.checksums[cell.reference].hex(),
        shown,
        cell.prompt,
        cell.seed,
        config.count,
        config.size,
        config.strength,
        config.steps,
    ]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:24]


def _read(folder: Path, key: str, cell: Cell) -> list[Made] | None:
    try:
        known: list[dict[str, Any]] = json.loads((folder / f"{key}.json").read_text(encoding="utf-8"))
        kept = [
            Made(
                cell,
                folder / f"{key}-{number}.png",
                int(one["seed"]),
                float(one["seconds"]),
                tuple(ModelUsed(**model) for model in one["models"]),
            )
            for number, one in enumerate(known)
        ]
    except (OSError, ValueError, KeyError, TypeError):  # none, or not whole
        return None
    return kept if all(one.path.is_file() for one in kept) else None


def _write(folder: Path, key: str, cell: Cell, results: Sequence[TransferResult]) -> list[Made]:
    about = [
        {"seed": one.seed, "seconds": one.seconds, "models": [asdict(model) for model in one.models]} for one in results
    ]
    partial = folder / f".{key}.{os.getpid()}.partial"
    made = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, result in enumerate(results):
            path = folder / f"{key}-{number}.png"
            result.picture.save(path, "PNG", compress_level=1)
            made.append(Made(cell, path, result.seed, result.seconds, result.models))
        partial.write_text(json.dumps(about), encoding="utf-8")
        partial.replace(folder / f"{key}.json")
    except OSError as exc:
        partial.unlink(missing_ok=True)
        raise UsageError(
            f"'{folder}' cannot be written ({exc.strerror}). Name another folder with: --out DIR, or make room; "
            "the same command goes on where it stopped."
        ) from exc
    return made
