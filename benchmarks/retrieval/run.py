"""From pictures to a `Result`.

First everything is encoded, into shards on disk, so that a run that was killed goes on; then each task (a set, or
queries of one against the gallery of another) is ranked and scored for every encoder. Nothing is fitted to the sets:
vectors are compared as the encoders give them, and CSLS, where it is asked for, uses no labels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import product

import numpy as np

from benchmarks.approximation import default_ways, losses
from benchmarks.datasets import StyleSet, open_set
from benchmarks.machine import commit, machine, versions
from benchmarks.ranking import DEPTH, rank
from benchmarks.retrieval.comparison import differences
from benchmarks.retrieval.config import Config
from benchmarks.retrieval.embeddings import Embedded, embed_set
from benchmarks.retrieval.examples import choose_examples
from benchmarks.retrieval.per_query import PerQuery
from benchmarks.retrieval.results import (
    Approximation,
    EncoderInfo,
    EncodeSpeed,
    Example,
    Provenance,
    Result,
    SetInfo,
    Times,
    Trouble,
)
from benchmarks.retrieval.scoring import Measured, measure
from benchmarks.retrieval.tasks import PROTOCOL_NEEDS, Side, Task, across, within
from benchmarks.retrieval.troubles import doubts, not_asked, refused, shared
from benchmarks.similarity import nearest_cosines
from stylesearch.encoders import load_encoder
from stylesearch.encoders.base import Encoder
from stylesearch.errors import UsageError
from stylesearch.scores import NEIGHBOURS, local_scaling
from stylesearch.uris import printable

EMBEDDINGS = "embeddings"  # folder in `Config.out`
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class Run:
    """A result, and what the report needs besides.

    Attributes:
        result: what was found.
        sets: by name, for pictures.
        measured: in the order of `result.evaluations`, for per-query values.
    """

    result: Result
    sets: dict[str, StyleSet]
    measured: tuple[PerQuery, ...]


def run(
    config: Config, progress: Progress | None = None, *, check: Callable[[Collection[str]], None] | None = None
) -> Run:
    """Measures every encoder on every set.

    Args:
        config: what to measure.
        progress: see `Progress`.
        check: called with the names of all tasks before anything is encoded; what it raises ends the run.

    Raises:
        UsageError: a set cannot be opened, or what is asked for cannot be.
        EncoderError: an encoder cannot be loaded or run.
    """
    started, begun = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    tell = progress or (lambda what, done, total: None)
    encoders = _load_encoders(config)
    sets = _open_sets(config, tell)
    asked = _tasks(config, dict(zip(_specs(config), sets, strict=True)))
    if check:
        check({name for task in asked for name in task.names})
    usable, refusals, speeds, encoded = _encode_all(config, encoders, sets, tell)
    tasks = [task.among(usable) for task in asked]
    measured, examples = _score_all(config, encoders, tasks, tell)
    problems = [
        Trouble(each.name, problem.kind, problem.message, tuple(map(printable, problem.names)))
        for each in sets
        for problem in each.select(usable[each.name].tolist()).problems
    ]
    problems += [trouble for task in tasks for trouble in shared(task)]
    problems += not_asked(sets, tasks, config.protocols)
    result = Result(
        Provenance(config.command, commit(), machine(), versions(), config.seed, config.resamples, NEIGHBOURS),
        tuple(_set_info(each) for each in sets),
        tuple(
            EncoderInfo(each.name, each.dim, each.dtype, each.fingerprint, each.preprocess.version) for each in encoders
        ),
        tuple(each.evaluation for each in measured),
        differences(measured, resamples=config.resamples, seed=config.seed),
        examples,
        tuple(_approximations(config, encoders, [Side(each, usable[each.name]) for each in sets], tell)),
        tuple(dict.fromkeys((*problems, *refusals, *doubts(measured)))),
        Times(started, round(time.monotonic() - begun, 1), encoded, speeds),
    )
    return Run(result, {each.name: each for each in sets}, tuple(measured))


def _specs(config: Config) -> tuple[str, ...]:
    pair = [spec for spec in (config.queries, config.gallery) if spec is not None]
    return tuple(dict.fromkeys((*config.sets, *pair)))


def _load_encoders(config: Config) -> list[Encoder]:
    encoders = [load_encoder(name) for name in config.encoders]
    names = [encoder.name for encoder in encoders]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"Two of the encoders are '{twice[0]}': {', '.join(config.encoders)}.")
    return encoders


def _open_sets(config: Config, tell: Progress) -> list[StyleSet]:
    sets = [
        open_set(
            spec,
            cache=config.cache,
            workers=config.workers,
            progress=lambda done, total, spec=spec: tell(f"Opening {printable(spec)}", done, total),  # type: ignore[misc]
        )
        for spec in _specs(config)
    ]
    sets = [replace(each, name=printable(each.name)) for each in sets]
    names = [each.name for each in sets]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"Two sets are called '{twice[0]}'. Give one another name with: NAME=SET")
    return sets


def _encode_all(
    config: Config, encoders: Sequence[Encoder], sets: Sequence[StyleSet], tell: Progress
) -> tuple[dict[str, np.ndarray], list[Trouble], tuple[EncodeSpeed, ...], int]:
    """For each set the rows that every encoder has a vector for; why others have none; speeds; pictures encoded."""
    usable = {each.name: np.ones(len(each), bool) for each in sets}
    refusals: list[Trouble] = []
    speeds, encoded = [], 0
    for encoder in encoders:
        for pictures in sets:
            embedded = _embed(config, encoder, pictures, tell)
            usable[pictures.name][list(embedded.refused)] = False
            encoded += embedded.encoded
            rate = float(np.median(embedded.rates)) if embedded.rates else 0.0
            speeds.append(EncodeSpeed(encoder.name, pictures.name, len(pictures), rate))
            refusals += refused(encoder, pictures, embedded)
    return {name: np.flatnonzero(rows) for name, rows in usable.items()}, refusals, tuple(speeds), encoded


def _embed(config: Config, encoder: Encoder, pictures: StyleSet, tell: Progress) -> Embedded:
    return embed_set(
        pictures,
        encoder,
        config.out / EMBEDDINGS,
        workers=config.workers,
        progress=lambda done, total: tell(f"Encoding {pictures.name} with {encoder.name}", done, total),
    )


def _tasks(config: Config, by_spec: dict[str, StyleSet]) -> list[Task]:
    candidates = [within(by_spec[spec], config.protocols) for spec in config.sets]
    if config.queries is not None and config.gallery is not None:
        candidates.append(across(by_spec[config.queries], by_spec[config.gallery], config.protocols))
    tasks = [task for task in candidates if task.protocols]
    if not tasks:
        raise UsageError(f"No set allows the protocol {' or '.join(config.protocols or ())}. {PROTOCOL_NEEDS}")
    return tasks


def _score_all(
    config: Config, encoders: Sequence[Encoder], tasks: Sequence[Task], tell: Progress
) -> tuple[list[PerQuery], tuple[Example, ...]]:
    measured: list[PerQuery] = []
    examples: list[Example] = []
    steps = iter(range(len(tasks) * len(encoders)))
    for task in tasks:
        found: list[Measured] = []
        for encoder in encoders:
            tell("Ranking and scoring", next(steps), len(tasks) * len(encoders))
            found += _measured(config, encoder, task)
        measured += [each.values_alone for each in found]
        for protocol in task.protocols:
            some = [each for each in found if each.evaluation.protocol == protocol.name and not each.evaluation.csls]
            examples += choose_examples(task, some)
    tell("Ranking and scoring", len(tasks) * len(encoders), len(tasks) * len(encoders))
    return measured, tuple(examples)


def _measured(config: Config, encoder: Encoder, task: Task) -> Iterator[Measured]:
    """One encoder on one task, under each protocol, without and with CSLS."""
    query_vectors = _vectors(config, encoder, task.queries)
    same = task.queries.pictures is task.gallery.pictures and np.array_equal(task.queries.rows, task.gallery.rows)
    gallery_vectors = query_vectors if same else _vectors(config, encoder, task.gallery)
    for csls in (False, True) if config.csls else (False,):
        rankings = rank(
            query_vectors,
            task.queries.labels,
            gallery_vectors,
            task.gallery.labels,
            own_rows=task.own_rows,
            protocols=task.protocols,
            depth=max(DEPTH, *config.ks),
            gallery_terms=_crowding(gallery_vectors) if csls else None,
        )
        for ranking in rankings:
            yield measure(
                encoder.name,
                task,
                ranking,
                query_vectors,
                gallery_vectors,
                csls=csls,
                ks=config.ks,
                resamples=config.resamples,
                seed=config.seed,
            )


def _crowding(gallery: np.ndarray) -> np.ndarray:
    """r of CSLS for each gallery picture: how near its own neighbours are."""
    return local_scaling(nearest_cosines(gallery, gallery, NEIGHBOURS, own_rows=np.arange(len(gallery))))


def _vectors(config: Config, encoder: Encoder, side: Side) -> np.ndarray:
    """float32 (N, D) of a side; all of it was encoded before and comes from disk."""
    vectors: np.ndarray = embed_set(side.pictures, encoder, config.out / EMBEDDINGS).vectors[side.rows]
    return vectors


def _approximations(
    config: Config, encoders: Sequence[Encoder], sides: Sequence[Side], tell: Progress
) -> Iterator[Approximation]:
    if not config.approximate:
        return
    jobs = [
        (side, encoder, default_ways(len(side), encoder.dim))
        for side, encoder in product(sides, encoders)
        if len(np.unique(side.labels.styles)) < len(side)  # else no query has an answer
    ]
    total = sum(len({"exact", *ways}) for _, _, ways in jobs)
    begun = iter(range(total))
    for side, encoder, ways in jobs:
        rows = losses(
            _vectors(config, encoder, side),
            side.labels.styles,
            ways=ways,
            seed=config.seed,
            progress=lambda way: tell("Approximate search", next(begun), total),
        )
        yield from (Approximation(encoder.name, side.pictures.name, loss) for loss in rows)
    tell("Approximate search", total, total)


def _set_info(pictures: StyleSet) -> SetInfo:
    return SetInfo(
        pictures.name,
        printable(pictures.source),
        len(pictures),
        len(set(pictures.styles)),
        len({content for content in pictures.contents if content is not None}),
        pictures.digest,
        pictures.licence,
    )
