"""What approximate search loses: exact ways lose nothing, worse ones lose what a slow count says, ties are no loss."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.approximate_search import WAYS, installed_ways, main_axes, way
from benchmarks.approximation import DEPTH, losses
from stylesearch.errors import EncoderError, MissingDependencyError, UsageError

DIM = 32


@pytest.fixture(autouse=True)
def engines():
    pytest.importorskip("faiss")
    pytest.importorskip("qdrant_edge")


@pytest.fixture(scope="module")
def gallery():
    rng = np.random.default_rng(1)
    styles = np.repeat([f"style {i}" for i in range(60)], 15)
    vectors = np.repeat(rng.standard_normal((60, DIM)), 15, axis=0) + rng.standard_normal((900, DIM)) + 0.5
    return unit(vectors), styles


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_every_way_is_measured_and_only_exact_ones_lose_nothing(gallery):
    vectors, styles = gallery
    told: list[str] = []
    rows = {row.what: row for row in losses(vectors, styles, queries=80, progress=told.append)}
    assert list(rows) == told == [*WAYS, *(f"{by}:{n}" for by in ("first", "pca") for n in (16, 8, 4, 2))]
    for name in ("exact", "faiss:flat"):
        row = rows[name]
        assert (row.recall_10, row.precision_1_change, row.mean_precision_10_change) == (1, 0, 0)
        assert row.bytes_per_vector == 4 * DIM
    for name in ("faiss:hnsw", "qdrant:hnsw", "qdrant:int8", "float16"):
        assert rows[name].recall_10 > 0.97
    assert rows["binary"].recall_10 < rows["binary-rescored"].recall_10
    assert rows["first:2"].recall_10 < rows["first:16"].recall_10 < 1
    assert rows["pca:16"].recall_10 > rows["first:16"].recall_10
    assert rows["binary"].bytes_per_vector == DIM / 8 and rows["faiss:hnsw"].bytes_per_vector > 4 * DIM
    for row in rows.values():
        assert row.precision_1_change == row.precision_1 - rows["exact"].precision_1
        assert row.query_ms > 0 and row.build_seconds > 0


@pytest.mark.parametrize("name", list(WAYS))
def test_a_way_finds_the_query_itself_and_pads_what_is_not_there(name):
    vectors = unit(np.random.default_rng(2).standard_normal((700, DIM)))
    with way(name)(vectors) as built:
        found = np.array([built.search(row, 10) for row in vectors[:50]])
        everything = built.search(vectors[0], 700)
    assert found.shape == (50, 10)
    assert (found[:, 0] == np.arange(50)).mean() > 0.9
    assert all(len(set(rows)) == 10 for rows in found.tolist()) and found.max() < 700
    assert len(everything) == 700


def test_scores_are_those_of_a_slow_count(gallery):
    vectors, styles = gallery
    exact, short = losses(vectors, styles, ways=["first:8"], queries=900)
    cosines = vectors.astype(np.float64) @ vectors.T
    near = unit(vectors[:, :8]).astype(np.float64) @ unit(vectors[:, :8]).T
    first, means, recalls = [], [], []
    for query in range(len(vectors)):
        others = [row for row in range(len(vectors)) if row != query]
        best = sorted(others, key=lambda row: -cosines[query, row])[:DEPTH]
        found = sorted(others, key=lambda row: -near[query, row])[:DEPTH]
        right = [styles[row] == styles[query] for row in found]
        first.append(right[0])
        means.append(np.mean([sum(right[:i]) / i for i in range(1, DEPTH + 1)]))
        recalls.append(len(set(best) & set(found)) / DEPTH)
    assert short.precision_1 == pytest.approx(np.mean(first), abs=0.002)
    assert short.mean_precision_10 == pytest.approx(np.mean(means), abs=0.002)
    assert short.recall_10 == pytest.approx(np.mean(recalls), abs=0.002)
    assert short.precision_1_change == short.precision_1 - exact.precision_1 < 0


def test_a_tie_is_no_loss():
    vectors = unit(np.repeat(np.random.default_rng(3).standard_normal((4, DIM)), 40, axis=0))
    styles = np.repeat(["a", "b", "c", "d"], 40)
    for row in losses(vectors, styles, ways=["faiss:flat", "float16", "int8"], queries=160):
        assert (row.recall_10, row.precision_1, row.mean_precision_10) == (1, 1, 1)


def test_all_main_axes_lose_nothing_and_are_orthonormal(gallery):
    vectors, styles = gallery
    axes = main_axes(vectors, DIM)
    np.testing.assert_allclose(axes.T @ axes, np.eye(DIM), atol=1e-6)
    lengths = ((vectors @ axes) ** 2).sum(axis=0)
    assert (np.diff(lengths) <= 0).all()
    assert losses(vectors, styles, ways=[f"pca:{DIM}"], queries=100)[1].recall_10 == 1


def test_a_vector_that_loses_all_its_numbers_is_no_nan():
    vectors = np.eye(8, dtype=np.float32)[np.repeat(np.arange(8), 3)]
    rows = losses(vectors, np.repeat(list("abcdefgh"), 3), ways=["first:2"], queries=24)
    assert np.isfinite([rows[1].recall_10, rows[1].precision_1]).all()


def test_galleries_that_are_small_are_measured():
    vectors = unit(np.random.default_rng(4).standard_normal((3, DIM)))
    rows = losses(vectors, np.array(["a", "a", "b"]))
    assert [row.what for row in rows[:12]] == [name for name in WAYS if name != "faiss:ivf-pq"] + ["first:16"]
    assert rows[0].mean_precision_10 == rows[1].mean_precision_10 <= 1 and rows[1].recall_10 == 1
    with pytest.raises(UsageError, match="needs 624 vectors to learn its codes from; there are 3"):
        losses(vectors, np.array(["a", "a", "b"]), ways=["faiss:ivf-pq"])


def test_what_cannot_be_measured_is_refused_with_its_reason(gallery, monkeypatch):
    vectors, styles = gallery
    with pytest.raises(UsageError, match="No two pictures share a style"):
        losses(vectors[:5], np.array(list("abcde")))
    with pytest.raises(UsageError, match=r"no way to search 'faiss:magic'. There are: exact, faiss:flat"):
        losses(vectors, styles, ways=["faiss:magic"])
    with pytest.raises(UsageError, match=r"'pca:33' asks for more numbers than a vector has \(32\)"):
        losses(vectors, styles, ways=["pca:33"])
    broken = vectors.copy()
    broken[7, 3] = np.nan
    with pytest.raises(EncoderError, match="rows 7"):
        losses(broken, styles)


def test_a_missing_engine_is_left_out_by_default_and_named_on_demand(monkeypatch):
    monkeypatch.setattr("benchmarks.approximate_search.find_spec", lambda name: None if "qdrant" in name else object())
    assert not [name for name in installed_ways() if name.startswith("qdrant")]
    with pytest.raises(MissingDependencyError, match=r"pip install 'stylesearch\[qdrant\]'"):
        way("qdrant:hnsw")
