"""From vectors to scores. Arrays in, arrays out; one value for each picture, NaN where it has none.

P pictures of a backend, R references, rows of unit length; `own` says which reference a picture was made from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.intervals import bootstrap, paired_bootstrap
from benchmarks.retrieval.comparison import holm
from benchmarks.retrieval.results import finite
from benchmarks.transfer.definitions import SHARES
from benchmarks.transfer.results import Difference, Score


def style(vectors: np.ndarray, references: np.ndarray, own: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Cosine with the own reference, and whether it is the nearest.

    Args:
        vectors: float (P, D).
        references: float (R, D), R >= 2.
        own: int (P,), in [0, R).

    Returns:
        "style" and "attributed": values (P,), and what stands beside them (P,).
    """
    cosines = vectors.astype(np.float64) @ references.astype(np.float64).T
    rows = np.arange(len(vectors))
    mine = cosines[rows, own]
    others = (cosines.sum(1) - mine) / (len(references) - 1)
    rivals = cosines.copy()
    rivals[rows, own] = -np.inf
    chance = np.full(len(vectors), 1 / len(references))
    return {"style": (mine, others), "attributed": ((mine > rivals.max(1)).astype(np.float64), chance)}


def leak(
    vectors: np.ndarray,
    own: np.ndarray,
    references: np.ndarray,
    labels: Sequence[tuple[str, str | None]],
    gallery: np.ndarray,
    shown: Sequence[tuple[str, str | None]],
) -> tuple[np.ndarray, np.ndarray]:
    """How much nearer a picture is to its reference's content than to other contents, in the same other styles.

    Args:
        vectors: float (P, D).
        own: int (P,).
        references: float (R, D); `labels`: their style and content.
        gallery: float (G, D), pictures of several styles; `shown`: their style and content.

    Returns:
        for each picture, (P,), and for its reference itself, (P,); NaN where no other style shows the content.
    """
    axes = np.full(references.shape, np.nan)
    for number, (its_style, content) in enumerate(labels):
        axes[number] = _content_axis(its_style, content, gallery, shown)
    return (vectors * axes[own]).sum(1), (references * axes).sum(1)[own]


def _content_axis(
    its_style: str, content: str | None, gallery: np.ndarray, shown: Sequence[tuple[str, str | None]]
) -> np.ndarray:
    """Mean over other styles of: the picture with this content, less the mean of those with others. float (D,)."""
    axes = []
    for other in sorted({each for each, _ in shown if each != its_style}):
        same = [row for row, (each, what) in enumerate(shown) if each == other and what == content]
        rest = [row for row, (each, what) in enumerate(shown) if each == other and what not in (content, None)]
        if content is not None and same and rest:
            axes.append(gallery[same].mean(0, dtype=np.float64) - gallery[rest].mean(0, dtype=np.float64))
    return np.mean(axes, axis=0) if axes else np.full(gallery.shape[1], np.nan)


def text(vectors: np.ndarray, prompts: np.ndarray, asked: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Cosine with the own prompt, and whether it is the nearest; as `style`, and NaN beside where there is one prompt.

    Args:
        vectors: float (P, D).
        prompts: float (T, D).
        asked: int (P,), in [0, T).
    """
    if len(prompts) > 1:
        found = style(vectors, prompts, asked)
        return {"text": found["style"], "prompted": found["attributed"]}
    return {"text": (vectors.astype(np.float64) @ prompts[0].astype(np.float64), np.full(len(vectors), np.nan))}


def diversity(vectors: np.ndarray, own: np.ndarray) -> np.ndarray:
    """For each picture, (P,), one less its mean cosine with the others of its reference; NaN for an only one."""
    sums = np.zeros((int(own.max()) + 1, vectors.shape[1]))
    np.add.at(sums, own, vectors.astype(np.float64))
    others = np.bincount(own)[own] - 1
    rest = ((sums[own] - vectors) * vectors).sum(1)
    return np.asarray(1 - np.divide(rest, others, out=np.full(len(vectors), np.nan), where=others > 0))


def summarise(
    values: Mapping[str, tuple[np.ndarray, np.ndarray | None]], styles: np.ndarray, *, resamples: int, seed: int
) -> tuple[Score, ...]:
    """The means with their intervals; a measure that no picture has is left out.

    Args:
        values: measure -> values (P,) and what stands beside them (P,), NaN where there is none.
        styles: (P,), the style of each picture; these are resampled.
    """
    scores = []
    for metric, (found, beside) in values.items():
        there = np.isfinite(found)
        if not there.any():
            continue
        column = found[there][:, None]
        interval = (
            bootstrap(column, styles[there], resamples=resamples, seed=seed)
            if metric in SHARES
            # Less nothing: cosines may be below 0.
            else paired_bootstrap(column, np.zeros_like(column), styles[there], resamples=resamples, seed=seed)
        )
        mean, low, high = (float(each[0]) for each in (interval.mean, interval.low, interval.high))
        against = None if beside is None else finite(float(np.mean(beside[there])))
        scores.append(Score(metric, mean, finite(low), finite(high), against))
    return tuple(scores)


def differences(
    values: Mapping[str, tuple[np.ndarray, np.ndarray]], encoder: str, metric: str, *, resamples: int, seed: int
) -> list[Difference]:
    """Every pair of backends, by the means over the pictures of each style that both have.

    Args:
        values: backend -> values (P,) and styles (P,).
    """
    means = {name: _by_style(*given) for name, given in values.items()}
    best_first = sorted(means, key=lambda name: -float(np.mean(list(means[name].values()))))
    found = []
    for number, one in enumerate(best_first):
        for other in best_first[number + 1 :]:
            shared = sorted(means[one].keys() & means[other].keys())
            if not shared:
                continue
            mine, theirs = (np.array([[means[name][each]] for each in shared]) for name in (one, other))
            pair = paired_bootstrap(mine, theirs, np.array(shared), resamples=resamples, seed=seed)
            low, high, p = (finite(float(each[0])) for each in (pair.low, pair.high, pair.p_value))
            found.append(Difference(one, other, encoder, metric, float(pair.mean[0]), low, high, p, None))
    adjusted = iter(holm([each.p for each in found if each.p is not None]))
    return [Difference(**(vars(each) | {"p_holm": None if each.p is None else next(adjusted)})) for each in found]


def _by_style(values: np.ndarray, styles: np.ndarray) -> dict[str, float]:
    names, group = np.unique(styles, return_inverse=True)
    return dict(zip(names.tolist(), (np.bincount(group, values) / np.bincount(group)).tolist(), strict=True))
