"""From a ranking to an `Evaluation`: every metric with its interval, styles, confusions, growth and leak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from benchmarks import chance, metrics
from benchmarks.intervals import bootstrap
from benchmarks.ranking import Labels, Ranking
from benchmarks.retrieval import growth
from benchmarks.retrieval.per_query import Column, PerQuery
from benchmarks.retrieval.results import Confusion, Evaluation, GrowthPoint, Hit, Score, StyleScore, WorstStyle, finite
from benchmarks.retrieval.tasks import Side, Task
from stylesearch.uris import printable

SHOWN = 8  # answers to a query that the report can show
CONFUSIONS = 12
WORST, WORST_QUERIES = 6, 4
_AT_K: dict[str, tuple[Callable[[Ranking, int], np.ndarray], Callable[..., np.ndarray]]] = {
    "precision": (lambda ranking, k: metrics.precision(ranking.found, k), chance.precision),
    "hit_rate": (lambda ranking, k: metrics.hit_rate(ranking.found, k), chance.hit_rate),
    "mean_precision": (lambda ranking, k: metrics.mean_precision(ranking.found, k), chance.mean_precision),
    "average_precision": (
        lambda ranking, k: metrics.average_precision(ranking.found, ranking.relevant, k),
        chance.average_precision,
    ),
    "recall": (lambda ranking, k: metrics.recall(ranking.found, ranking.relevant, k), chance.recall),
    "ndcg": (lambda ranking, k: metrics.ndcg(ranking.found, ranking.relevant, k), chance.ndcg),
}
_ALONE: dict[str, tuple[Callable[[Ranking], np.ndarray], Callable[..., np.ndarray]]] = {
    "map_at_r": (lambda ranking: metrics.map_at_r(ranking.found, ranking.relevant), chance.map_at_r),
    "reciprocal_rank": (lambda ranking: metrics.reciprocal_rank(ranking.first), chance.reciprocal_rank),
}
"""Metric -> its values, and its expectation for a random ranking."""
_CURVE = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 1000)


@dataclass(frozen=True)
class Measured(PerQuery):
    """What each query contributed, and the ranking itself, of rows of its two sides."""

    ranking: Ranking

    @property
    def values_alone(self) -> PerQuery:
        """Without the ranking, which takes ten times the memory."""
        return PerQuery(*(getattr(self, field.name) for field in fields(PerQuery)))


def columns_of(ks: Sequence[int]) -> tuple[Column, ...]:
    """All metrics at all depths."""
    return (*((metric, k) for k in ks for metric in _AT_K), *((metric, None) for metric in _ALONE))


def measure(
    encoder: str,
    task: Task,
    ranking: Ranking,
    query_vectors: np.ndarray,
    gallery_vectors: np.ndarray,
    *,
    csls: bool,
    ks: Sequence[int],
    resamples: int,
    seed: int,
) -> Measured:
    """Scores one ranking.

    Args:
        encoder: its name.
        task: what was asked of what.
        ranking: by `benchmarks.ranking.rank`.
        query_vectors, gallery_vectors: what it ranked.
        csls: whether it corrected for hubs.
        ks: depths of the metrics, ascending.
        resamples, seed: of the bootstrap.
    """
    queries, gallery = task.queries, task.gallery
    styles = queries.labels.styles[ranking.queries]
    columns = columns_of(ks)
    evaluation = Evaluation(
        encoder=encoder,
        set=queries.pictures.name,
        gallery_set=gallery.pictures.name,
        protocol=ranking.protocol.name,
        csls=csls,
        queries=len(ranking.queries),
        unanswerable=len(ranking.unanswerable),
        gallery=len(gallery),
        styles=len(np.unique(styles)),
    )
    rows = queries.rows[ranking.queries]
    if not len(ranking.queries):
        return Measured(evaluation, columns, np.empty((0, len(columns))), rows, styles, ranking)
    values = np.stack([_values(ranking, *column) for column in columns], 1)
    depths = [k for k in _CURVE if k <= ranking.found.shape[1] and k <= max(ks)]
    curve = np.stack([metrics.precision(ranking.found, k) for k in depths], 1)
    everything = np.concatenate([values, curve], 1)
    interval = bootstrap(everything, styles, resamples=resamples, seed=seed)
    named = [*columns, *(("precision", k) for k in depths)]
    scores = [
        Score(*column, float(mean), finite(low), finite(high), _chance(ranking, *column))
        for column, mean, low, high in zip(named, interval.mean, interval.low, interval.high, strict=True)
    ]
    per_style = _per_style(styles, values, columns, gallery.labels.styles)
    return Measured(
        replace(
            evaluation,
            scores=tuple(scores[: len(columns)]),
            curve=tuple(scores[len(columns) :]),
            growth=() if csls else _growth(task, ranking, query_vectors, gallery_vectors, resamples, seed),
            per_style=per_style,
            worst=_worst(ranking, per_style, styles, queries, gallery),
            confusions=_confusions(ranking, queries, gallery),
            leak=_leak(ranking, queries.labels, resamples, seed),
        ),
        columns,
        values,
        rows,
        styles,
        ranking,
    )


def _values(ranking: Ranking, metric: str, k: int | None) -> np.ndarray:
    return _ALONE[metric][0](ranking) if k is None else _AT_K[metric][0](ranking, k)


def _chance(ranking: Ranking, metric: str, k: int | None) -> float:
    given = (ranking.relevant, ranking.allowed)
    expected = _ALONE[metric][1](*given) if k is None else _AT_K[metric][1](*given, k)
    return float(expected.mean())


def _growth(
    task: Task, ranking: Ranking, query_vectors: np.ndarray, gallery_vectors: np.ndarray, resamples: int, seed: int
) -> tuple[GrowthPoint, ...]:
    queries, gallery = task.queries.labels, task.gallery.labels
    styles = len(np.unique(gallery.styles))
    if styles < 2:
        return ()
    ahead = growth.styles_ahead(ranking, query_vectors, queries, gallery_vectors, gallery, task.own_rows)
    expected = growth.expected_precision(ahead, styles)
    interval = bootstrap(expected, queries.styles[ranking.queries], resamples=resamples, seed=seed)
    points = zip(growth.sizes(styles), interval.mean, interval.low, interval.high, strict=True)
    return tuple(GrowthPoint(int(count), float(mean), finite(low), finite(high)) for count, mean, low, high in points)


def _per_style(
    styles: np.ndarray, values: np.ndarray, columns: Sequence[Column], gallery: np.ndarray
) -> tuple[StyleScore, ...]:
    names, group = np.unique(styles, return_inverse=True)
    counts = np.bincount(group)
    shown = [columns.index(column) for column in (("precision", 1), ("hit_rate", 10), ("mean_precision", 10))]
    means = np.stack([np.bincount(group, values[:, column]) / counts for column in shown], 1)
    there = Counter(gallery.tolist())
    rows = [
        StyleScore(printable(name), int(count), there[name], *map(float, mean))
        for name, count, mean in zip(names.tolist(), counts, means, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: (row.mean_precision_10, row.style)))


def _worst(
    ranking: Ranking, per_style: Sequence[StyleScore], styles: np.ndarray, queries: Side, gallery: Side
) -> tuple[WorstStyle, ...]:
    names = [printable(name) for name in styles.tolist()]
    rows = []
    for score in per_style[:WORST]:
        places = [at for at, name in enumerate(names) if name == score.style][:WORST_QUERIES]
        answers = [(queries.picture(ranking.queries[at]), hits(ranking, at, gallery, 1)[0]) for at in places]
        rows.append(WorstStyle(score, tuple(answers)))
    return tuple(rows)


def _confusions(ranking: Ranking, queries: Side, gallery: Side) -> tuple[Confusion, ...]:
    styles = queries.labels.styles[ranking.queries]
    there = Counter(styles.tolist())
    wrong: dict[tuple[str, str], list[int]] = {}
    for at in np.flatnonzero(~ranking.found[:, 0]).tolist():
        pair = str(styles[at]), str(gallery.labels.styles[ranking.neighbours[at, 0]])
        wrong.setdefault(pair, []).append(at)
    most = sorted(wrong.items(), key=lambda item: (-len(item[1]), there[item[0][0]], item[0]))[:CONFUSIONS]
    rows = []
    for (style, _), places in most:
        closest = max(places, key=lambda at: (ranking.cosines[at, 0], -at))
        query = queries.picture(ranking.queries[closest])
        hit = hits(ranking, closest, gallery, 1)[0]
        rows.append(Confusion(query.style, hit.picture.style, there[style], len(places), query, hit))
    return tuple(rows)


def hits(ranking: Ranking, at: int, gallery: Side, count: int = SHOWN) -> tuple[Hit, ...]:
    """The best answers to the query at that place of the ranking."""
    return tuple(
        Hit(gallery.picture(row), round(float(cosine), 4), bool(right))
        for row, cosine, right in zip(
            ranking.neighbours[at, :count].tolist(),
            ranking.cosines[at, :count],
            ranking.found[at, :count],
            strict=False,
        )
        if row >= 0
    )


def _leak(ranking: Ranking, labels: Labels, resamples: int, seed: int) -> Score | None:
    if ranking.leaks is None or labels.contents is None or all(content is None for content in labels.contents):
        return None
    interval = bootstrap(ranking.leaks[:, None].astype(float), labels.styles, resamples=resamples, seed=seed)
    return Score("leak", None, float(interval.mean[0]), finite(interval.low[0]), finite(interval.high[0]))
