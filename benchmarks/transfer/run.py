"""From a set of references to a `Result`: pictures are made, kept, encoded and measured.

Nothing is fitted to what is measured, and every backend is asked for the same references, subjects and seeds.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.datasets import StyleSet, open_set
from benchmarks.machine import commit, machine, versions
from benchmarks.retrieval.results import EncoderInfo, Provenance, SetInfo, Trouble
from benchmarks.speed.memory import peak_memory
from benchmarks.transfer.config import Config
from benchmarks.transfer.grid import grid, references
from benchmarks.transfer.making import Failure, Made, make
from benchmarks.transfer.measuring import Measuring, Scored
from benchmarks.transfer.results import BackendInfo, Model, Picture, Result, Times
from benchmarks.transfer.scoring import differences
from stylesearch.encoders import load_encoder
from stylesearch.encoders.base import Encoder
from stylesearch.errors import TransferError
from stylesearch.transfer import load_backend
from stylesearch.uris import printable

PICTURES = "pictures"  # folder in `Config.out`
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class Run:
    """A result, and for their pictures the references and what was to be shown."""

    result: Result
    references: StyleSet
    contents: StyleSet | None


def run(config: Config, progress: Progress | None = None) -> Run:
    """Makes the pictures of every backend and measures them with every encoder.

    Raises:
        UsageError: a set cannot be opened, or a backend cannot be asked for this grid.
        EncoderError: an encoder cannot be loaded or run.
        TransferError: a backend cannot be loaded, or fails again and again. What was made is kept.
    """
    started, begun = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    tell = progress or (lambda what, done, total: None)
    encoders = [load_encoder(name) for name in config.encoders]
    content_encoder = load_encoder(config.content_encoder) if config.content_encoder else encoders[0]
    pictures = _open(config.set, config, tell)
    contents = _open(config.contents, config, tell) if config.contents else None
    chosen = references(pictures, config)
    backends: list[BackendInfo] = []
    scored: list[Scored] = []
    problems: list[Trouble] = []
    measuring: Measuring | None = None
    for name in config.backends:
        info, made, failures = _make(name, config, chosen, pictures, contents, tell)
        backends.append(info)
        problems += [_trouble(name, failure, pictures) for failure in failures]
        if not made:
            continue
        if measuring is None:  # only now, so that a backend that cannot be had is told at once
            measuring = Measuring.over(pictures, chosen, contents, encoders, content_encoder, config, tell)
        scored.append(measuring.score(name, made, tell))
    kept = pictures.select(chosen)
    problems += [Trouble(pictures.name, problem.kind, problem.message) for problem in pictures.left_out]
    result = Result(
        Provenance(config.command, commit(), machine(), versions(), config.seed, config.resamples, 0),
        _set_info(pictures, kept),
        tuple(_encoder_info(each) for each in dict.fromkeys([*encoders, content_encoder])),
        content_encoder.name,
        tuple(backends),
        tuple(evaluation for each in scored for evaluation in each.evaluations),
        tuple(
            difference
            for encoder in encoders
            for difference in differences(
                {each.backend: (each.cosines[encoder.name], each.styles) for each in scored},
                encoder.name,
                "style",
                resamples=config.resamples,
                seed=config.seed,
            )
        ),
        tuple(picture for each in scored for picture in _pictures(each, pictures, contents, config)),
        tuple(problems),
        Times(started, round(time.monotonic() - begun, 1)),
    )
    return Run(result, kept, contents)


def _open(spec: str, config: Config, tell: Progress) -> StyleSet:
    what = f"Reading {printable(spec)}"
    return open_set(
        spec, cache=config.cache, workers=config.workers, progress=lambda done, total: tell(what, done, total)
    )


def _make(
    name: str, config: Config, chosen: Sequence[int], pictures: StyleSet, contents: StyleSet | None, tell: Progress
) -> tuple[BackendInfo, list[Made], list[Failure]]:
    with load_backend(name) as backend:
        cells = grid(config, backend.capabilities, chosen, contents, name)
        what = f"Making pictures with {name}"
        tell(what, 0, len(cells))
        with _memory() as peak:
            made, failures, new = make(
                backend,
                cells,
                config,
                config.out / PICTURES,
                pictures,
                contents,
                lambda done: tell(what, done, len(cells)),
            )
        licence = backend.licence.text
    if not made:
        raise TransferError(f"'{name}' made no picture: {failures[0].why}")
    shows = (
        "contents" if cells[0].content is not None else "prompts" if cells[0].prompt else "nothing that is asked for"
    )
    models = dict.fromkeys(Model(each.name, each.sha256, each.licence) for one in made for each in one.models)
    seconds = statistics.median(one.seconds for one in made)
    memory, gpu = (peak.get(each) if new else None for each in ("memory", "gpu"))
    info = BackendInfo(name, licence, tuple(models), shows, len(made), new, len(failures), seconds, memory, gpu)
    return info, made, failures


@contextmanager
def _memory() -> Iterator[dict[str, int]]:
    """Peaks of memory, in bytes, once it is over: "memory" where /proc tells, "gpu" where torch has one."""
    found: dict[str, int] = {}
    torch: Any = sys.modules.get("torch")  # a backend that needs it has imported it
    has_gpu = torch is not None and torch.cuda.is_available()
    if has_gpu:
        torch.cuda.reset_peak_memory_stats()
    if not Path("/proc/self/smaps_rollup").exists():
        yield found
    else:
        with peak_memory() as peak:
            yield found
        found["memory"] = peak[0]
    if has_gpu:
        found["gpu"] = int(torch.cuda.max_memory_allocated())


def _trouble(name: str, failure: Failure, pictures: StyleSet) -> Trouble:
    reference, cell = printable(pictures.names[failure.cell.reference]), failure.cell
    asked = f", prompt '{cell.prompt}'" if cell.prompt else f", subject {cell.subject + 1}"
    return Trouble(name, "failed", f"Reference '{reference}'{asked}: {failure.why}")


def _pictures(scored: Scored, pictures: StyleSet, contents: StyleSet | None, config: Config) -> Iterator[Picture]:
    for row, one in enumerate(scored.made):
        content = one.cell.content
        shows = one.cell.prompt or (printable(contents.names[content]) if contents and content is not None else "")
        yield Picture(
            scored.backend,
            one.path.relative_to(config.out).as_posix(),
            printable(pictures.styles[one.cell.reference]),
            printable(pictures.names[one.cell.reference]),
            shows,
            one.seed,
            round(one.seconds, 3),
            {name: round(float(cosines[row]), 4) for name, cosines in scored.cosines.items()},
        )


def _set_info(pictures: StyleSet, kept: StyleSet) -> SetInfo:
    contents = len({content for content in kept.contents if content is not None})
    return SetInfo(
        pictures.name, printable(pictures.source), len(kept), len(set(kept.styles)), contents, kept.digest, kept.licence
    )


def _encoder_info(each: Encoder) -> EncoderInfo:
    return EncoderInfo(each.name, each.dim, each.dtype, each.fingerprint, each.preprocess.version)
