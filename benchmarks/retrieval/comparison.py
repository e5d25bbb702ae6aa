"""Which differences between encoders are more than luck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, product

import numpy as np

from benchmarks.intervals import paired_bootstrap
from benchmarks.retrieval.per_query import PerQuery
from benchmarks.retrieval.results import HEADLINE, Difference, finite


def differences(measured: Sequence[PerQuery], *, resamples: int, seed: int) -> tuple[Difference, ...]:
    """Every pair of encoders by cosine, and every encoder with CSLS and without, on the metrics of the first table."""
    answered = [each for each in measured if len(each.queries)]
    found: list[Difference] = []
    for task in dict.fromkeys(each.evaluation.task for each in answered):
        some = [each for each in answered if each.evaluation.task == task]
        plain = [each for each in some if not each.evaluation.csls]
        # The better one first, so that most differences are gains; ties as they were named.
        by_score = sorted(plain, key=lambda each: -each.values[:, each.columns.index(("precision", 1))].mean())
        for one, other in combinations(by_score, 2):
            found += paired(one, other, resamples=resamples, seed=seed)
        for one, other in product([each for each in some if each.evaluation.csls], plain):
            if one.evaluation.encoder == other.evaluation.encoder:
                pairs = paired(one, other, resamples=resamples, seed=seed)
                found += [replace(each, csls=True) for each in pairs]
    return adjusted(found)


def paired(one: PerQuery, other: PerQuery, *, resamples: int, seed: int) -> list[Difference]:
    """`one` minus `other`, which measured the same queries; not adjusted for several pairs yet."""
    mine, theirs = ([each.columns.index(column) for column in HEADLINE] for each in (one, other))
    difference = paired_bootstrap(
        one.values[:, mine], other.values[:, theirs], one.styles, resamples=resamples, seed=seed
    )
    task = one.evaluation
    return [
        Difference(
            task.encoder,
            other.evaluation.encoder,
            *task.task,
            metric,
            k,
            mean=float(difference.mean[i]),
            low=finite(difference.low[i]),
            high=finite(difference.high[i]),
            p=finite(difference.p_value[i]),
            p_holm=None,
        )
        for i, (metric, k) in enumerate(HEADLINE)
    ]


def adjusted(found: Sequence[Difference]) -> tuple[Difference, ...]:
    """With `p_holm`: within each task and metric, for the number of pairs (Holm 1979, Scand. J. Statist. 6, 65-70)."""
    result = list(found)

    def key(each: Difference) -> tuple[object, ...]:
        return (*each.task, each.metric, each.k, each.csls)

    for family in dict.fromkeys(map(key, found)):
        places = [i for i, each in enumerate(found) if key(each) == family and each.p is not None]
        for i, p in zip(places, holm([found[i].p or 0.0 for i in places]), strict=True):
            result[i] = replace(found[i], p_holm=p)
    return tuple(result)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given: the i-th smallest of m times m - i + 1, never below one before it."""
    order = np.argsort(p_values, kind="stable")
    steps = np.array(p_values, float)[order] * (len(p_values) - np.arange(len(p_values)))
    result = np.empty(len(p_values))
    result[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return [float(p) for p in result]
