"""Queries that a report shows with their answers, from well answered to badly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.retrieval.results import Answers, Example
from benchmarks.retrieval.scoring import Measured, hits
from benchmarks.retrieval.tasks import Task

QUANTILES = (0.95, 0.65, 0.35, 0.05)  # of how well the encoders together answer them


def choose_examples(task: Task, measured: Sequence[Measured]) -> list[Example]:
    """Queries of different styles at the quantiles of mean precision at 1 to 10, taken over the encoders.

    Args:
        task: what was asked of what.
        measured: one protocol of it, one entry for each encoder, all with the same queries.
    """
    if not measured or not len(measured[0].queries):
        return []
    column = measured[0].columns.index(("mean_precision", 10))
    order = np.argsort(np.mean([each.values[:, column] for each in measured], axis=0), kind="stable")
    examples: list[Example] = []
    shown: set[str] = set()
    for quantile in QUANTILES:
        wanted = round(quantile * (len(order) - 1))
        nearby = sorted(range(len(order)), key=lambda place: (abs(place - wanted), place))
        at = next((int(order[place]) for place in nearby if measured[0].styles[order[place]] not in shown), None)
        if at is None:
            break
        shown.add(measured[0].styles[at])
        examples.append(_example(task, measured, at))
    return examples


def _example(task: Task, measured: Sequence[Measured], at: int) -> Example:
    evaluation = measured[0].evaluation
    answers = tuple(
        Answers(each.evaluation.encoder, int(each.ranking.first[at]), hits(each.ranking, at, task.gallery))
        for each in measured
    )
    query = task.queries.picture(int(measured[0].ranking.queries[at]))
    return Example(*evaluation.task, query, answers)
