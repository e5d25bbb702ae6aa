"""`--baseline`: a run next to an earlier one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.retrieval.comparison import adjusted, paired
from benchmarks.retrieval.per_query import NAME, PerQuery, read_values
from benchmarks.retrieval.results import HEADLINE, Difference, Evaluation, Result
from stylesearch.errors import UsageError


@dataclass(frozen=True)
class Comparison:
    """Differences between a run and an earlier one.

    Attributes:
        name: of the earlier run's file.
        differences: this run minus that one.
        remarks: sentences: what could not be compared, and why.
    """

    name: str
    differences: tuple[Difference, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Baseline:
    """An earlier run: its result, and its per-query values where they still lie beside it."""

    name: str
    result: Result
    values: dict[int, PerQuery]


def read_baseline(path: Path) -> Baseline:
    """Reads a result.json, and the per-query values beside it where they belong to it.

    Raises:
        UsageError: the file cannot be read, or holds no result.
    """
    try:
        text = path.read_bytes()
    except OSError as exc:
        raise UsageError(
            f"The baseline '{path}' cannot be read ({exc.strerror}). Name the result.json in the folder of a run."
        ) from exc
    result = Result.from_json(text, path)
    return Baseline(str(path), result, read_values(path.with_name(NAME), result, text))


def compare(result: Result, measured: Sequence[PerQuery], baseline: Baseline, *, seed: int) -> Comparison:
    """Each evaluation with that of the same encoder on the same data; an encoder that the baseline lacks, with all.

    Query by query where both have their values, else by their intervals. Data are the same where the digest is.
    """
    resamples = result.provenance.resamples
    digests = {each.name: each.digest for each in result.sets}
    theirs = {each.name: each.digest for each in baseline.result.sets}
    known = {each.name for each in baseline.result.encoders}
    found: list[Difference] = []
    remarks = []
    for number, each in enumerate(result.evaluations):
        if each.csls or not each.scores:
            continue
        names = {each.set, each.gallery_set}
        if missing := sorted(names - theirs.keys()):
            remarks.append(f"The baseline does not know the set '{missing[0]}'.")
            continue
        if changed := sorted(name for name in names if theirs[name] != digests[name]):
            remarks.append(f"The set '{changed[0]}' holds other data than in the baseline, so it is not compared.")
            continue
        for place, other in enumerate(baseline.result.evaluations):
            same = other.task == each.task and not other.csls and other.scores
            if same and (other.encoder == each.encoder or each.encoder not in known):
                found += _differences(each, other, measured[number], baseline.values.get(place), resamples, seed)
    return Comparison(baseline.name, adjusted(found), tuple(dict.fromkeys(remarks)))


def _differences(
    one: Evaluation, other: Evaluation, mine: PerQuery, theirs: PerQuery | None, resamples: int, seed: int
) -> Iterator[Difference]:
    if theirs is not None and np.array_equal(mine.queries, theirs.queries):
        yield from paired(mine, theirs, resamples=resamples, seed=seed)
        return
    for metric, k in HEADLINE:
        new, old = one.score(metric, k), other.score(metric, k)
        if new is None or old is None:
            continue
        mean, low, high = new.value - old.value, None, None
        if new.low is not None and new.high is not None and old.low is not None and old.high is not None:
            # As if the two were independent, which is wider than the truth where they agree on what is hard.
            low = mean - math.hypot(new.value - new.low, old.high - old.value)
            high = mean + math.hypot(new.high - new.value, old.value - old.low)
        yield Difference(one.encoder, other.encoder, *one.task, metric, k, mean, low, high, None, None, paired=False)
