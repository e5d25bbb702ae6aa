"""Metrics worked out by hand, against torchmetrics and a re-derivation of CSD's; what chance and perfection score."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torchmetrics.functional import retrieval

from benchmarks import chance, metrics
from benchmarks.intervals import bootstrap
from benchmarks.ranking import LEAVE_ONE_OUT, OWN_CONTENT_LEFT_OUT, Labels, Ranking, rank
from stylesearch.errors import UsageError

# Ranks 1 and 3 of five are right, and a third relevant picture lies below; one hit at rank 4 of a single relevant one.
FOUND = np.array([[1, 0, 1, 0, 0], [0, 0, 0, 1, 0]], bool)
RELEVANT = np.array([3, 1])
FIRST = np.array([1, 4])


def test_by_hand() -> None:
    assert metrics.hit_rate(FOUND, 1).tolist() == [1, 0]
    assert metrics.hit_rate(FOUND, 4).tolist() == [1, 1]
    assert metrics.precision(FOUND, 1).tolist() == [1, 0]
    assert metrics.precision(FOUND, 4).tolist() == [2 / 4, 1 / 4]
    assert metrics.mean_precision(FOUND, 1).tolist() == [1, 0]
    assert metrics.mean_precision(FOUND, 4) == pytest.approx([(1 + 1 / 2 + 2 / 3 + 2 / 4) / 4, (1 / 4) / 4])
    assert metrics.average_precision(FOUND, RELEVANT, 2) == pytest.approx([1 / 2, 0])
    assert metrics.average_precision(FOUND, RELEVANT, 5) == pytest.approx([(1 + 2 / 3) / 3, 1 / 4])
    assert metrics.map_at_r(FOUND, RELEVANT) == pytest.approx([(1 + 2 / 3) / 3, 0])
    assert metrics.map_at_r(FOUND, np.array([2, 4])) == pytest.approx([1 / 2, (1 / 4) / 4])
    assert metrics.recall(FOUND, RELEVANT, 1) == pytest.approx([1 / 3, 0])
    assert metrics.recall(FOUND, RELEVANT, 5) == pytest.approx([2 / 3, 1])
    assert metrics.reciprocal_rank(FIRST) == pytest.approx([1, 1 / 4])
    ideal = 1 + 1 / np.log2(3) + 1 / 2
    assert metrics.ndcg(FOUND, RELEVANT, 5) == pytest.approx([(1 + 1 / 2) / ideal, 1 / np.log2(5)])
    assert metrics.ndcg(FOUND, RELEVANT, 2) == pytest.approx([1 / (1 + 1 / np.log2(3)), 0])


def test_missing_pictures_count_as_wrong() -> None:
    one = np.array([[True, False, False, False]])  # a gallery of one picture, filled up
    assert metrics.precision(one, 4).tolist() == [1 / 4]
    assert metrics.mean_precision(one, 4) == pytest.approx([(1 + 1 / 2 + 1 / 3 + 1 / 4) / 4])
    assert metrics.average_precision(one, np.array([1]), 4).tolist() == [1]


@pytest.mark.parametrize("k", [0, 6])
def test_a_depth_that_was_not_ranked_is_refused(k: int) -> None:
    with pytest.raises(UsageError, match=f"k is {k}; this ranking allows 1 to 5"):
        metrics.precision(FOUND, k)
    with pytest.raises(UsageError, match="k is 6"):
        metrics.map_at_r(FOUND, np.array([6, 1]))


def drawn(queries: int, population: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`found` down to the end of the gallery, `relevant`, `first`."""
    rng = np.random.default_rng(seed)
    found = rng.random((queries, population)) < rng.uniform(0.02, 0.6, (queries, 1))
    found[np.arange(queries), rng.integers(0, population, queries)] = True
    return found, found.sum(1), found.argmax(1) + 1


@pytest.mark.parametrize("k", [1, 3, 10, 30])
def test_equal_to_torchmetrics(k: int) -> None:
    found, relevant, first = drawn(80, 30, seed=k)
    scores = torch.arange(30, 0, -1).float()

    def theirs(metric: Callable[..., torch.Tensor], **options: int) -> list[float]:
        return [float(metric(scores, torch.from_numpy(row), **options)) for row in found]

    assert metrics.hit_rate(found, k) == pytest.approx(theirs(retrieval.retrieval_hit_rate, top_k=k))
    assert metrics.precision(found, k) == pytest.approx(theirs(retrieval.retrieval_precision, top_k=k))
    assert metrics.recall(found, relevant, k) == pytest.approx(theirs(retrieval.retrieval_recall, top_k=k))
    assert metrics.ndcg(found, relevant, k) == pytest.approx(theirs(retrieval.retrieval_normalized_dcg, top_k=k))
    assert metrics.reciprocal_rank(first) == pytest.approx(theirs(retrieval.retrieval_reciprocal_rank))
    # Theirs divides AP@k by the hits among the k best, so the two agree where all that is relevant is among them.
    assert metrics.average_precision(found, relevant, 30) == pytest.approx(
        theirs(retrieval.retrieval_average_precision)
    )
    r_precision = [metrics.precision(row[None], r)[0] for row, r in zip(found, relevant, strict=True)]
    assert r_precision == pytest.approx(theirs(retrieval.retrieval_r_precision))
    assert (metrics.map_at_r(found, relevant) <= np.array(r_precision) + 1e-12).all()


@pytest.mark.parametrize("k", [1, 10, 50])
def test_mean_precision_is_what_the_code_of_csd_computes(k: int) -> None:
    # There, a row is cut at its hits: between the n-th hit and the next, n of the i best are right at each rank i.
    found, _, _ = drawn(200, 50, seed=k)
    total = 0.0
    for row in found[:, :k]:
        hits = np.flatnonzero(row)
        if len(hits):
            lengths = np.diff([0, *hits, k])
            total += float(np.mean(np.repeat(np.arange(len(hits) + 1), lengths) / np.arange(1, k + 1)))
    assert metrics.mean_precision(found, k).mean() == pytest.approx(total / len(found))


def test_metrics_of_a_slow_obvious_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_BLOCK", 100)  # several blocks, the last one short
    found, relevant, _ = drawn(60, 25, seed=7)
    for k in (1, 4, 25):
        slow_ap, slow_mean = [], []
        for row, r in zip(found, relevant, strict=True):
            at = [sum(row[:i]) / i for i in range(1, k + 1)]
            slow_mean.append(sum(at) / k)
            slow_ap.append(sum(p for p, hit in zip(at, row[:k], strict=True) if hit) / min(k, r))
        assert metrics.mean_precision(found, k) == pytest.approx(slow_mean)
        assert metrics.average_precision(found, relevant, k) == pytest.approx(slow_ap)
    at_r = [metrics.average_precision(row[None], r[None], int(r))[0] for row, r in zip(found, relevant, strict=True)]
    assert metrics.map_at_r(found, relevant) == pytest.approx(at_r)


@pytest.mark.parametrize(("relevant", "allowed"), [(1, 1), (1, 6), (2, 5), (3, 7), (6, 6)])
def test_chance_is_the_mean_over_all_orders(relevant: int, allowed: int) -> None:
    orders = [[row in chosen for row in range(allowed)] for chosen in itertools.combinations(range(allowed), relevant)]
    found = np.pad(np.array(orders), ((0, 0), (0, 9 - allowed)))
    counts, one, gallery = np.full(len(found), relevant), np.array([relevant]), np.array([allowed])
    for k in (1, 2, 4, 9):
        for name in ("hit_rate", "precision", "mean_precision"):
            expected = getattr(metrics, name)(found, k).mean()
            assert getattr(chance, name)(one, gallery, k)[0] == pytest.approx(expected), name
        for name in ("average_precision", "recall", "ndcg"):
            expected = getattr(metrics, name)(found, counts, k).mean()
            assert getattr(chance, name)(one, gallery, k)[0] == pytest.approx(expected), name
    assert chance.map_at_r(one, gallery)[0] == pytest.approx(metrics.map_at_r(found, counts).mean())
    expected = metrics.reciprocal_rank(found.argmax(1) + 1).mean()
    assert chance.reciprocal_rank(one, gallery)[0] == pytest.approx(expected)


def test_chance_of_many_queries_and_of_a_large_gallery() -> None:
    relevant, allowed = np.array([31, 30, 31]), np.array([76_799, 74_399, 76_799])
    hits = chance.hit_rate(relevant, allowed, 10)
    assert hits[0] == hits[2] == pytest.approx(1 - (1 - 31 / 76_799) ** 10, rel=1e-3)
    assert chance.reciprocal_rank(relevant, allowed).shape == (3,)


def all_metrics(ranking: Ranking) -> tuple[np.ndarray, np.ndarray]:
    """float64 (Q, 8) scores, and what chance expects."""
    found, relevant, allowed = ranking.found, ranking.relevant, ranking.allowed
    scores = [getattr(metrics, name)(found, 10) for name in ("hit_rate", "precision", "mean_precision")]
    scores += [getattr(metrics, name)(found, relevant, 10) for name in ("average_precision", "recall", "ndcg")]
    scores += [metrics.map_at_r(found, relevant), metrics.reciprocal_rank(ranking.first)]
    names = ("hit_rate", "precision", "mean_precision", "average_precision", "recall", "ndcg")
    expected = [getattr(chance, name)(relevant, allowed, 10) for name in names]
    expected += [chance.map_at_r(relevant, allowed), chance.reciprocal_rank(relevant, allowed)]
    return np.stack(scores, 1), np.stack(expected, 1)


def labelled() -> Labels:
    """40 styles of 8 contents each."""
    return Labels(np.repeat(np.arange(40), 8).astype(str), np.tile(np.arange(8), 40).astype(str).astype(object))


def embedded(labels: Labels, rng: np.random.Generator, style: float, content: float) -> np.ndarray:
    """Vectors in which style and content are that much stronger than noise."""
    assert labels.contents is not None
    parts = style * rng.normal(size=(40, 64)), content * rng.normal(size=(8, 64))
    vectors = parts[0][labels.styles.astype(int)] + parts[1][labels.contents.astype(int)] + rng.normal(size=(320, 64))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("case", ["random embeddings", "shuffled labels"])
def test_chance_lies_within_the_intervals(case: str) -> None:
    rng, labels = np.random.default_rng(0), labelled()
    covered = []
    for _ in range(20):
        if case == "random embeddings":
            vectors = embedded(labels, rng, style=0, content=0)
        else:
            vectors = embedded(labels, rng, style=2, content=0)
            labels = Labels(rng.permutation(labels.styles), labels.contents)
        for ranking in rank(vectors, labels, vectors, labels, own_rows=np.arange(320), depth=10):
            scores, expected = all_metrics(ranking)
            found = bootstrap(scores, labels.styles[ranking.queries], resamples=500)
            covered.append((found.low <= expected.mean(0)) & (expected.mean(0) <= found.high))
    assert np.mean(covered) > 0.9


def test_what_is_no_chance_lies_outside() -> None:
    labels = labelled()
    vectors = embedded(labels, np.random.default_rng(1), style=0.7, content=0)
    for ranking in rank(vectors, labels, vectors, labels, own_rows=np.arange(320), depth=10):
        scores, expected = all_metrics(ranking)
        assert (bootstrap(scores, labels.styles[ranking.queries]).low > expected.mean(0)).all()


def test_an_encoder_of_contents_scores_below_chance_and_leaks() -> None:
    labels = labelled()
    vectors = embedded(labels, np.random.default_rng(1), style=0, content=2)
    everything, left_out = rank(vectors, labels, vectors, labels, own_rows=np.arange(320), depth=10)
    scores, expected = all_metrics(everything)
    assert (bootstrap(scores, labels.styles).high < expected.mean(0)).all()
    assert everything.leaks is not None and everything.leaks.mean() > 0.99
    assert left_out.leaks is None


def test_perfect_embeddings_score_100() -> None:
    rng = np.random.default_rng(2)
    styles = np.repeat(np.arange(30), 11)  # ten relevant pictures each
    vectors = rng.normal(size=(30, 16))[styles].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = Labels(styles.astype(str), np.tile(np.arange(11), 30).astype(str).astype(object))
    for ranking in rank(vectors, labels, vectors, labels, own_rows=np.arange(330), depth=10):
        assert ranking.protocol in (LEAVE_ONE_OUT, OWN_CONTENT_LEFT_OUT)
        assert all_metrics(ranking)[0] == pytest.approx(1)
        if ranking.leaks is not None:
            assert not ranking.leaks.any()
