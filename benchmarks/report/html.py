"""One HTML file that needs nothing else: no network, no script, no font of its own.

Names come from files and labels, so the template escapes everything, and the page's content security policy allows
neither scripts nor requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from benchmarks.report import plots
from benchmarks.report.baseline import Comparison
from benchmarks.report.definitions import METRICS, PROTOCOLS
from benchmarks.report.gate import Verdict
from benchmarks.report.pictures import Thumbnails
from benchmarks.retrieval.results import HEADLINE, Difference, Evaluation, Result, Score

TEMPLATES = Path(__file__).parent / "templates"
TESTED = (("precision", 1), ("mean_precision", 10), ("map_at_r", None))  # of the headline, those shown with p-values
_P_FLOOR = 0.001  # a bootstrap of 2,000 resamples knows no smaller p


@dataclass(frozen=True)
class Task:
    """Evaluations that may be compared, as the page shows them."""

    number: int
    label: str
    protocol: str
    evaluations: list[Evaluation]
    with_csls: list[Evaluation]

    @property
    def first(self) -> Evaluation:
        """Any of them: they share queries and gallery."""
        return self.evaluations[0]

    @property
    def scored(self) -> bool:
        """Whether any query has a possible answer."""
        return bool(self.first.scores)


def page(
    result: Result, thumbnails: Thumbnails | None, comparison: Comparison | None, verdicts: Sequence[Verdict]
) -> str:
    """The report.

    Args:
        result: of a run.
        thumbnails: of its pictures; None: a report without pictures.
        comparison: with a baseline.
        verdicts: of the gate.
    """
    tasks = tasks_of(result)
    scored = [task.evaluations for task in tasks if task.scored]
    dims = {encoder.name: encoder.dim for encoder in result.encoders}
    encoders = list(dims)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "interval": interval,
        "points": points,
        "p_value": p_value,
        "size": size,
        "symbol": lambda column: METRICS[column[0]].at(column[1]),
    }
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    return environment.get_template("report.html").render(
        result=result,
        tasks=tasks,
        encoders=encoders,
        series={name: number % plots.SERIES for number, name in enumerate(encoders)},
        headline=HEADLINE,
        tested=TESTED,
        standing=_standings(result, tasks),
        findings=list(_findings(result, tasks)),
        differences=_difference_rows(result, tasks, csls=False),
        csls=_difference_rows(result, tasks, csls=True),
        metrics=METRICS,
        protocols=PROTOCOLS,
        thumbnail=thumbnails,
        comparison=comparison,
        verdicts=verdicts,
        drawings={
            "overview": Markup(plots.overview(scored, encoders)),  # noqa: S704 - Matplotlib escapes text
            "curves": Markup(plots.curves(scored, encoders)),  # noqa: S704
            "by_style": Markup(plots.by_style(scored, encoders)),  # noqa: S704
            "growth": Markup(plots.growth(scored, encoders)),  # noqa: S704
            "approximation": Markup(plots.approximation(result.approximations, dims)),  # noqa: S704
        },
        style=Markup(style),  # noqa: S704 - our own file
    )


def tasks_of(result: Result) -> list[Task]:
    """In the order of the run."""
    keys = dict.fromkeys(evaluation.task for evaluation in result.evaluations)
    tasks = []
    for number, key in enumerate(keys, 1):
        some = [evaluation for evaluation in result.evaluations if evaluation.task == key]
        plain = [evaluation for evaluation in some if not evaluation.csls]
        corrected = [evaluation for evaluation in some if evaluation.csls]
        tasks.append(Task(number, plain[0].label, plain[0].protocol, plain, corrected))
    return tasks


def _standings(result: Result, tasks: Sequence[Task]) -> dict[tuple[int, str, int | None, str], str]:
    """(task, metric, k, encoder) -> "best", or "tied" where the best is not better beyond doubt."""
    found = {}
    for task in tasks:
        for metric, k in HEADLINE:
            scores = {each.encoder: each.score(metric, k) for each in task.evaluations}
            values = {name: score.value for name, score in scores.items() if score is not None}
            if len(values) < 2:
                continue
            best = max(values, key=lambda name: values[name])
            found[task.number, metric, k, best] = "best"
            for name in values:
                pair = _between(result, task, (metric, k), best, name)
                if pair is not None and not pair.significant:
                    found[task.number, metric, k, name] = "tied"
    return found


def _between(result: Result, task: Task, column: tuple[str, int | None], one: str, other: str) -> Difference | None:
    for each in result.differences:
        same = each.task == task.first.task and (each.metric, each.k) == column and not each.csls
        if same and {each.encoder, each.other} == {one, other}:
            return each
    return None


def _findings(result: Result, tasks: Sequence[Task]) -> Iterator[dict[str, Any]]:
    """For each task: who finds the right style first most often, and whether that is beyond doubt."""
    for task in tasks:
        ranked = sorted(
            ((score, each) for each in task.evaluations if (score := each.score("precision", 1))),
            key=lambda entry: -entry[0].value,
        )
        if not ranked:
            continue
        (best, winner), *rest = ranked
        second = rest[0][1] if rest else None
        pair = _between(result, task, ("precision", 1), winner.encoder, second.encoder) if second else None
        yield {"task": task, "score": best, "winner": winner, "second": second, "pair": pair}


def _difference_rows(result: Result, tasks: Sequence[Task], *, csls: bool) -> list[dict[str, Any]]:
    """A row for each task and pair of encoders, with the difference of each tested metric."""
    rows = []
    for task in tasks:
        some = [each for each in result.differences if each.task == task.first.task and each.csls == csls]
        for pair in dict.fromkeys((each.encoder, each.other) for each in some):
            cells = {(each.metric, each.k): each for each in some if (each.encoder, each.other) == pair}
            rows.append({"task": task, "encoder": pair[0], "other": pair[1], "cells": [cells[key] for key in TESTED]})
    return rows


def percent(value: float) -> str:
    """A share as a number of per cent, without the sign."""
    return f"{100 * value:.1f}"


def interval(score: Score | Difference) -> str:
    """Its interval in per cent, "" where there is none."""
    if score.low is None or score.high is None:
        return ""
    return f"{100 * score.low:.1f} to {100 * score.high:.1f}".replace("-", "−")


def points(value: float) -> str:
    """A difference of shares in points, always with its sign."""
    return f"{100 * value:+.1f}".replace("-", "−")


def p_value(p: float | None) -> str:
    """As journals print it."""
    if p is None:
        return "—"
    return f"< {_P_FLOOR}" if p < _P_FLOOR else f"{p:.3f}"


def size(count: float) -> str:
    """Bytes."""
    return f"{count:,.0f} B" if count < 10_000 else f"{count / 1024:,.1f} KiB"
