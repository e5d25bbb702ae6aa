"""Scores worked out by hand, and the metrics against slow loops."""

from __future__ import annotations

import numpy as np
import pytest

from encoder_training.evaluate import cross_retrieval, retrieval


def unit(rows: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, 6)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def turned(*degrees: float) -> np.ndarray:
    """Unit vectors at these angles."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def test_scores_by_hand() -> None:
    # One query; ranks 1 and 3 of five are right: P@k = 1, 1/2, 2/3, 2/4, 2/5, then 2/k over what is missing.
    found = cross_retrieval(turned(0), ["a"], turned(1, 2, 3, 4, 5), ["a", "b", "a", "b", "b"])
    mean = (1 + 1 / 2 + sum(2 / k for k in range(3, 11))) / 10
    assert (found.hit_1, found.hit_10) == (100, 100)
    assert found.precision_10 == pytest.approx(100 * mean, abs=0.01)


def test_what_is_not_allowed_cannot_be_found() -> None:
    found = retrieval(turned(0, 1, 2, 40), ["a", "a", "b", "a"], ["cat", "cat", "dog", "owl"])
    assert (found.everything.hit_1, found.everything.hit_10) == (66.67, 100)
    assert (found.other_content.hit_1, found.other_content.hit_10) == (0, 100)


def test_queries_without_an_answer_do_not_count() -> None:
    assert retrieval(turned(0, 1, 2), ["a", "a", "b"], ["x", "y", "z"]).everything.queries == 2
    nothing = cross_retrieval(turned(0), ["a"], turned(1), ["b"])
    assert nothing.queries == 0 and np.isnan(nothing.hit_1)


def test_retrieval_equals_a_loop() -> None:
    vectors = unit(40, seed=0)
    random = np.random.default_rng(1)
    styles, contents = [str(i) for i in random.integers(0, 8, 40)], [str(i) for i in random.integers(0, 5, 40)]
    found = retrieval(vectors, styles, contents)
    for leave_out, fast in ((False, found.everything), (True, found.other_content)):
        first, any_, mean = [], [], []
        for q in range(40):
            gallery = [g for g in range(40) if g != q and not (leave_out and contents[g] == contents[q])]
            if not any(styles[g] == styles[q] for g in gallery):
                continue
            ranked = sorted(gallery, key=lambda g: -float(vectors[g] @ vectors[q]))[:10]
            right = [styles[g] == styles[q] for g in ranked]
            first.append(right[0])
            any_.append(any(right))
            mean.append(sum(sum(right[:k]) / k for k in range(1, 11)) / 10)
        slow = [100 * float(np.mean(x)) for x in (first, any_, mean)]
        assert [fast.hit_1, fast.hit_10, fast.precision_10] == pytest.approx(slow, abs=0.011)
        assert fast.queries == len(first)


def test_leak_counts_same_content_of_another_style() -> None:
    vectors = np.array([[1, 0], [0.99, 0.1], [0, 1], [0.1, 0.99]], np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert retrieval(vectors, ["a", "b", "a", "b"], ["cat", "cat", "dog", "dog"]).leak == 100
    assert retrieval(vectors, ["a", "a", "b", "b"], ["cat", "cat", "dog", "dog"]).leak == 0


def test_across_sets_only_common_styles_ask() -> None:
    queries, gallery = np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)[::-1].copy()
    found = cross_retrieval(queries, ["a", "b", "x"], gallery, ["y", "b", "a"])
    assert found.queries == 2 and found.hit_1 == 100


def test_an_interval_covers_the_truth_of_a_coin() -> None:
    # 400 styles of one query each that are right half of the time: the half-width is 1.96 * 50 / sqrt(400) = 4.9.
    # A query lies by its own answer or, half of the time, by another query's.
    gallery = np.eye(400, dtype=np.float32)
    styles = [str(style) for style in range(400)]
    queries = gallery.copy()
    queries[::2] = np.roll(gallery, 1, axis=0)[::2]
    found = cross_retrieval(queries, styles, gallery, styles)
    assert found.hit_1 == 50
    assert found.intervals[0] == pytest.approx(4.9, abs=0.5)
