"""Rankings against a slow, obvious version, over all options; ties, gaps in the labels, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from benchmarks import ranking_speed, similarity
from benchmarks.ranking import LEAVE_ONE_OUT, OWN_CONTENT_LEFT_OUT, Labels, Protocol, Ranking, rank
from benchmarks.similarity import nearest_cosines
from stylesearch.errors import EncoderError, UsageError
from stylesearch.records import Changes
from stylesearch.vectors.exact import ExactIndex

BOTH = (LEAVE_ONE_OUT, OWN_CONTENT_LEFT_OUT)


def unit(rows: int, dim: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((rows, dim), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def drawn_labels(rows: int, styles: int, contents: int, seed: int, unknown: float = 0.2) -> Labels:
    rng = np.random.default_rng(seed)
    names = np.array([f"content {i}" for i in rng.integers(0, contents, rows)], object)
    names[rng.random(rows) < unknown] = None
    return Labels(np.array([f"style {i}" for i in rng.integers(0, styles, rows)]), names)


def contents_of(labels: Labels) -> list[str | None]:
    return [None] * len(labels) if labels.contents is None else list(labels.contents)


def slow(
    queries: np.ndarray,
    query_labels: Labels,
    gallery: np.ndarray,
    gallery_labels: Labels,
    own_rows: np.ndarray | None,
    protocol: Protocol,
    terms: np.ndarray | None,
) -> Iterator[tuple[list[int], list[bool], bool]]:
    """For each query: all its answers, best first; whether each has the style; whether the first is a leak."""
    query_contents, gallery_contents = contents_of(query_labels), contents_of(gallery_labels)
    for q, query in enumerate(queries.astype(np.float64)):
        scored = []
        for g, vector in enumerate(gallery.astype(np.float64)):
            same_content = query_contents[q] is not None and query_contents[q] == gallery_contents[g]
            if (own_rows is not None and own_rows[q] == g) or (protocol.leave_content_out and same_content):
                continue
            cosine = float(np.float32(sum(query * vector)))
            scored.append((-cosine if terms is None else float(terms[g]) - 2 * cosine, g))
        rows = [g for _, g in sorted(scored)]
        right = [bool(query_labels.styles[q] == gallery_labels.styles[g]) for g in rows]
        leak = bool(rows) and query_contents[q] is not None and query_contents[q] == gallery_contents[rows[0]]
        yield rows, right, leak and not right[0]


def assert_equals_slow(found: Ranking, depth: int, expected: list[tuple[list[int], list[bool], bool]]) -> None:
    answerable = [q for q, (_, right, _) in enumerate(expected) if any(right)]
    assert found.queries.tolist() == answerable
    assert found.unanswerable.tolist() == [q for q in range(len(expected)) if q not in answerable]
    width = max([depth, *(sum(right) for _, right, _ in expected)])
    assert found.found.shape == (len(answerable), width)
    for i, q in enumerate(answerable):
        rows, right, _ = expected[q]
        assert found.neighbours[i].tolist() == (rows + [-1] * depth)[:depth]
        assert found.found[i].tolist() == (right + [False] * width)[:width]
        assert found.relevant[i] == sum(right)
        assert found.allowed[i] == len(rows)
        assert found.first[i] == right.index(True) + 1
    if found.leaks is not None:
        assert found.leaks.tolist() == [leak for _, _, leak in expected]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("adjusted", [False, True])
@pytest.mark.parametrize("depth", [1, 5, 200])
def test_one_set_equals_the_slow_version(
    depth: int, adjusted: bool, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similarity, "BLOCK_SCORES", 90 * 25)  # so that blocks and chunks end in the middle
    monkeypatch.setattr(similarity, "CHUNK_SCORES", 90 * 4)
    vectors, labels = unit(90, 5, seed), drawn_labels(90, 20, 6, seed)
    vectors[40:50] = vectors[7]  # ties
    terms = np.random.default_rng(seed).uniform(-1, 1, 90) if adjusted else None
    own = np.arange(90)
    rankings = rank(vectors, labels, vectors, labels, own_rows=own, depth=depth, gallery_terms=terms)
    for ranking, protocol in zip(rankings, BOTH, strict=True):
        assert ranking.protocol is protocol
        assert_equals_slow(ranking, depth, list(slow(vectors, labels, vectors, labels, own, protocol, terms)))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("population", [1, 3, 70])
def test_two_sets_equal_the_slow_version(population: int, seed: int) -> None:
    queries, gallery = unit(30, 4, seed), unit(population, 4, seed + 100)
    query_labels = drawn_labels(30, 12, 4, seed)
    gallery_labels = drawn_labels(population, 12, 4, seed + 100)  # some styles are in one of the two only
    for terms in (None, np.linspace(-1, 1, population)):
        for protocol in BOTH:
            (ranking,) = rank(
                queries, query_labels, gallery, gallery_labels, protocols=[protocol], depth=7, gallery_terms=terms
            )
            expected = list(slow(queries, query_labels, gallery, gallery_labels, None, protocol, terms))
            assert_equals_slow(ranking, 7, expected)


def test_some_queries_may_lie_in_the_gallery() -> None:
    gallery, gallery_labels = unit(40, 6, seed=0), drawn_labels(40, 6, 4, seed=0)
    own = np.array([3, -1, 20])
    queries = np.stack([gallery[3], unit(1, 6, seed=1)[0], gallery[20]])
    styles, contents = gallery_labels.styles[[3, 5, 20]], np.array(contents_of(gallery_labels), object)[[3, 5, 20]]
    contents[0] = None  # unknown here, though known there
    labels = Labels(styles, contents)
    for ranking in rank(queries, labels, gallery, gallery_labels, own_rows=own, depth=40):
        expected = list(slow(queries, labels, gallery, gallery_labels, own, ranking.protocol, None))
        assert_equals_slow(ranking, 40, expected)


def test_order_and_cosines_are_those_of_exact_search() -> None:
    vectors = unit(500, 48, seed=2)
    index = ExactIndex(48)
    index.apply(Changes(np.arange(500), vectors, np.ones(500, bool), 1))
    near = index.search(vectors, 21)
    labels = Labels(np.zeros(500, str))
    (ranking,) = rank(vectors, labels, vectors, labels, own_rows=np.arange(500), protocols=[LEAVE_ONE_OUT], depth=20)
    assert (near.ids[:, 1:] == ranking.neighbours).all()
    assert ranking.cosines == pytest.approx(near.cosines[:, 1:], abs=1e-6)


def test_order_does_not_depend_on_blocks_threads_or_company(monkeypatch: pytest.MonkeyPatch) -> None:
    # Vectors that lie within rounding of each other, so that the float32 products alone would not tell them apart.
    rng = np.random.default_rng(3)
    vectors = 1 + 1e-7 * rng.standard_normal((300, 96)).astype(np.float32)
    vectors[::7] = vectors[0]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = drawn_labels(300, 30, 5, seed=3)
    threads = torch.get_num_threads()
    outcomes = []
    for block, chunk, count in ((1 << 25, 1 << 20, 1), (300 * 17, 300 * 5, 2), (300, 300, 3)):
        monkeypatch.setattr(similarity, "BLOCK_SCORES", block)
        monkeypatch.setattr(similarity, "CHUNK_SCORES", chunk)
        torch.set_num_threads(count)
        outcomes.append(rank(vectors, labels, vectors, labels, own_rows=np.arange(300), depth=10))
    torch.set_num_threads(threads)
    for both in outcomes[1:]:
        for one, other in zip(outcomes[0], both, strict=True):
            assert (one.neighbours == other.neighbours).all() and (one.first == other.first).all()
            assert one.cosines == pytest.approx(other.cosines, abs=1e-6)


def test_equal_vectors_tie_and_the_lower_row_comes_first() -> None:
    vectors = unit(60, 33, seed=4)
    vectors[10:60:5] = vectors[2]
    labels = Labels(np.array(["a"] * 60))
    (ranking,) = rank(vectors, labels, vectors, labels, own_rows=np.arange(60), protocols=[LEAVE_ONE_OUT], depth=10)
    assert ranking.neighbours[2].tolist() == list(range(10, 60, 5))


def test_the_first_answer_is_ranked_however_deep_it_lies() -> None:
    # One query; its style is the last of 1,000, which a depth of 1 does not reach, with a tie right before it.
    angles = np.linspace(0.1, 1.2, 1000)
    gallery = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    gallery[998] = gallery[999]
    styles = np.array(["other"] * 999 + ["mine"])
    query = np.array([[1, 0]], np.float32)
    (ranking,) = rank(query, Labels(np.array(["mine"])), gallery, Labels(styles), protocols=[LEAVE_ONE_OUT], depth=1)
    assert ranking.first.tolist() == [1000]


def test_unknown_contents_are_left_alone() -> None:
    vectors = unit(4, 3, seed=5)
    labels = Labels(np.array(["a", "a", "a", "a"]), np.array(["x", "x", None, None], object))
    everything, left_out = rank(vectors, labels, vectors, labels, own_rows=np.arange(4), depth=3)
    assert everything.allowed.tolist() == [3, 3, 3, 3]
    assert left_out.allowed.tolist() == [2, 2, 3, 3]
    no_contents = Labels(labels.styles)
    for one, other in zip(rank(vectors, no_contents, vectors, no_contents, own_rows=np.arange(4)), BOTH, strict=True):
        assert one.allowed.tolist() == [3, 3, 3, 3] and one.protocol is other


def test_unanswerable_queries_are_reported() -> None:
    vectors = unit(5, 3, seed=6)
    labels = Labels(np.array(["a", "a", "alone", "b", "b"]), np.array(["x", "x", "x", "x", "y"], object))
    everything, left_out = rank(vectors, labels, vectors, labels, own_rows=np.arange(5), depth=2)
    assert everything.queries.tolist() == [0, 1, 3, 4] and everything.unanswerable.tolist() == [2]
    assert left_out.queries.tolist() == [3, 4] and left_out.unanswerable.tolist() == [0, 1, 2]


def test_nobody_asks_and_nobody_answers() -> None:
    none, some = np.empty((0, 3), np.float32), unit(2, 3, seed=7)
    nobody, labels = Labels(np.empty(0, str)), Labels(np.array(["a", "b"]))
    for ranking in rank(none, nobody, some, labels):
        assert ranking.neighbours.shape == (0, 100)
    for ranking in rank(some, labels, none, nobody):
        assert ranking.unanswerable.tolist() == [0, 1]


def test_nearest_cosines_equal_a_sort() -> None:
    vectors, others = unit(30, 8, seed=8), unit(12, 8, seed=9)
    cosines = np.sort(vectors.astype(np.float64) @ others.T, axis=1)[:, ::-1]
    assert nearest_cosines(vectors, others, 5) == pytest.approx(cosines[:, :5], abs=1e-7)
    own = vectors.astype(np.float64) @ vectors.T
    np.fill_diagonal(own, -np.inf)
    found = nearest_cosines(vectors, vectors, 40, own_rows=np.arange(30))
    assert found[:, :29] == pytest.approx(np.sort(own, axis=1)[:, :0:-1], abs=1e-7)
    assert (found[:, 29:] == -np.inf).all()


@pytest.mark.parametrize(("value", "said"), [(np.nan, "not numbers"), (np.inf, "not numbers"), (3.0, "unit length")])
@pytest.mark.parametrize("side", ["queries", "gallery"])
def test_vectors_that_cannot_be_compared_are_named(side: str, value: float, said: str) -> None:
    queries, gallery = unit(4, 3, seed=10), unit(6, 3, seed=11)
    (queries if side == "queries" else gallery)[[1, 3]] = value
    with pytest.raises(EncoderError, match=f"2 of . vectors of the {side} .*{said}.*rows 1, 3"):
        rank(queries, Labels(np.array(["a"] * 4)), gallery, Labels(np.array(["a"] * 6)))


def test_the_measurement_of_speed_runs(capsys: pytest.CaptureFixture[str]) -> None:
    ranking_speed.main(styles=6, contents=4, dim=16)
    shown = capsys.readouterr().out
    assert "24 vectors of 16" in shown and "MAP@R" in shown and "peak memory" in shown


def test_arrays_that_do_not_fit_are_refused() -> None:
    vectors, labels = unit(4, 3, seed=12), Labels(np.array(["a", "a", "b", "b"]))
    with pytest.raises(UsageError, match="4 labels for 3 queries"):
        rank(vectors[:3], labels, vectors, labels)
    with pytest.raises(UsageError, match="depth is 0"):
        rank(vectors, labels, vectors, labels, depth=0)
    with pytest.raises(UsageError, match="3 numbers, gallery vectors 2"):
        rank(vectors, labels, unit(4, 2, seed=0), labels)
    with pytest.raises(UsageError, match="one row of the gallery"):
        rank(vectors, labels, vectors, labels, own_rows=np.array([0, 1, 2, 4]))
    with pytest.raises(UsageError, match="2 terms for 4"):
        rank(vectors, labels, vectors, labels, gallery_terms=np.zeros(2))
    for wrong in (np.nan, 1.5):
        with pytest.raises(UsageError, match="not in"):
            rank(vectors, labels, vectors, labels, gallery_terms=np.full(4, wrong))
    with pytest.raises(UsageError, match="Query 1 and its own gallery row 2"):
        rank(vectors, labels, vectors, labels, own_rows=np.array([0, 2, -1, 3]))
    with pytest.raises(UsageError, match="shape"):
        rank(vectors.reshape(-1), Labels(np.array(["a"] * 12)), vectors, labels)
