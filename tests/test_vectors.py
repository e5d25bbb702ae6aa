"""Every vector engine against a full sort in float64: same ids, same cosines, whatever the history of the index."""

from __future__ import annotations

import os
import threading
import uuid
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from stylesearch.errors import SpaceMismatchError, UsageError, VectorIndexError
from stylesearch.records import Changes
from stylesearch.vectors.base import Neighbours, VectorIndex
from stylesearch.vectors.exact import ExactIndex
from stylesearch.vectors.faiss_index import FaissIndex
from stylesearch.vectors.qdrant_connection import Server
from stylesearch.vectors.qdrant_index import QdrantIndex
from stylesearch.vectors.qdrant_server import QdrantServerIndex

# Of the client that plays the server.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
]

DIM = 24


MODULES = {FaissIndex: "faiss", QdrantIndex: "qdrant_edge"}


# Qdrant's client can play the server in this process, by comparing all vectors. A real one is tested where it is named.
SERVERS = [":memory:", *filter(None, [os.environ.get("STYLESEARCH_TEST_QDRANT_URL")])]


def on_server(location: str) -> tuple[Any, list[QdrantServerIndex]]:
    """An engine, a function from the length of a vector to an empty index; and the indexes that it has made."""
    made: list[QdrantServerIndex] = []
    name, key = f"test-{uuid.uuid4().hex}", os.environ.get("STYLESEARCH_TEST_QDRANT_API_KEY", "")

    def new(dim: int) -> QdrantServerIndex:
        if location == ":memory:":
            client = pytest.importorskip("qdrant_client").QdrantClient(location)
            made.append(QdrantServerIndex.new(Server("http://none", name), str(len(made)), dim, client=client))
        else:
            made.append(QdrantServerIndex.new(Server.parse(f"{location}/{name}", key), str(len(made)), dim))
        return made[-1]

    return new, made


@pytest.fixture(params=[ExactIndex, FaissIndex, QdrantIndex, *SERVERS], ids=lambda param: getattr(param, "kind", param))
def engine(request):
    if isinstance(request.param, str):
        new, made = on_server(request.param)
        yield new
        for index in made:
            with suppress(RuntimeError):  # closed by the test
                index.drop()
            index.close()
        return
    if request.param in MODULES:
        pytest.importorskip(MODULES[request.param])
    yield request.param


def unit(rng: np.random.Generator, count: int, dim: int = DIM) -> np.ndarray:
    vectors = rng.standard_normal((count, dim), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def added(ids, vectors: np.ndarray, sequence: int) -> Changes:
    ids = np.asarray(ids, np.int64)
    return Changes(ids, vectors, np.ones(len(ids), bool), sequence)


def removed(ids, sequence: int, dim: int = DIM) -> Changes:
    ids = np.asarray(ids, np.int64)
    return Changes(ids, np.full((len(ids), dim), np.nan, np.float32), np.zeros(len(ids), bool), sequence)


def slow_search(content: dict[int, np.ndarray], queries: np.ndarray, k: int, allowed=None) -> Neighbours:
    """All cosines, sorted by hand."""
    ids = np.full((len(queries), k), -1, np.int64)
    cosines = np.full((len(queries), k), -np.inf, np.float32)
    for i, query in enumerate(queries):
        scored = []
        for asset_id, vector in content.items():
            if allowed is None or asset_id in set(allowed.tolist()):
                cosine = np.float32(np.dot(query.astype(np.float64), vector.astype(np.float64)))
                scored.append((-np.clip(cosine, -1, 1), asset_id))
        for j, (negative, asset_id) in enumerate(sorted(scored)[:k]):
            ids[i, j], cosines[i, j] = asset_id, -negative
    return Neighbours(ids, cosines)


def assert_same(found: Neighbours, expected: Neighbours) -> None:
    assert found.ids.dtype == np.int64 and found.cosines.dtype == np.float32
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_allclose(found.cosines, expected.cosines, rtol=0, atol=1e-7)


def filled(engine: Any, content: dict[int, np.ndarray], dim: int = DIM) -> VectorIndex:
    index = engine(dim)
    index.apply(added(list(content), np.stack(list(content.values())), 1))
    return index


def library(rng: np.random.Generator, count: int) -> dict[int, np.ndarray]:
    """Ids with gaps, in no order; three in ten vectors are copies of others."""
    vectors = unit(rng, count)
    copies = rng.choice(count, count * 3 // 10, replace=False)
    vectors[copies] = vectors[rng.integers(0, count, len(copies))]
    return dict(zip(rng.permutation(3 * count)[:count].tolist(), vectors, strict=True))


@pytest.mark.parametrize("queries", [1, 7, 64])
@pytest.mark.parametrize("k", [1, 5, 120, 400])
def test_search_agrees_with_a_full_sort(engine, queries, k):
    rng = np.random.default_rng(1)
    content = library(rng, 300)
    asked = unit(rng, queries)
    asked[0] = next(iter(content.values()))
    assert_same(filled(engine, content).search(asked, k), slow_search(content, asked, k))


@pytest.mark.parametrize("kept", [0, 1, 3, 30, 150, 300])
def test_search_among_allowed_ids(engine, kept):
    rng = np.random.default_rng(2)
    content = library(rng, 300)
    asked = unit(rng, 5)
    allowed = np.sort(rng.choice(list(content), kept, replace=False))
    assert_same(filled(engine, content).search(asked, 10, allowed), slow_search(content, asked, 10, allowed))


def test_allowed_ids_may_be_unknown_unsorted_and_repeated(engine):
    rng = np.random.default_rng(3)
    content = library(rng, 50)
    some = list(content)[:4]
    allowed = np.array([10**9, *some, -5, some[0], 10**12], np.int64)
    asked = unit(rng, 2)
    assert_same(filled(engine, content).search(asked, 6, allowed), slow_search(content, asked, 6, allowed))


@pytest.mark.parametrize("copies", [3, 40, 700])
@pytest.mark.parametrize("queries", [1, 25])
def test_a_tie_at_the_cut_keeps_the_smallest_ids(engine, copies, queries):
    rng = np.random.default_rng(4)
    blank = unit(rng, 1)
    vectors = np.concatenate([unit(rng, 33), np.repeat(blank, copies, axis=0), unit(rng, 10)])
    content = dict(zip(rng.permutation(len(vectors)).tolist(), vectors, strict=True))
    asked = np.repeat(blank, queries, axis=0)
    for k in (1, 2, copies - 1, copies + 2):
        assert_same(filled(engine, content).search(asked, k), slow_search(content, asked, k))


@pytest.mark.parametrize("side", [1, -1])
def test_cosines_beyond_one_are_ties_at_one(engine, side):
    # Vectors that went through float16 are a little longer or shorter than 1.
    rng = np.random.default_rng(5)
    query = unit(rng, 1)
    lengths = rng.permutation(np.linspace(1.0001, 1.006, 60, dtype=np.float32))
    content = dict(enumerate(side * lengths[:, None] * query))
    found = filled(engine, content).search(query, 4)
    assert_same(found, slow_search(content, query, 4))
    assert found.cosines.tolist() == [[side] * 4]


def test_an_answer_does_not_depend_on_the_batch(engine):
    rng = np.random.default_rng(6)
    index = filled(engine, dict(enumerate(unit(rng, 3000, 384))), 384)
    asked = unit(rng, 40, 384)
    together = index.search(asked, 30)
    for i, query in enumerate(asked):
        alone = index.search(query[None], 30)
        np.testing.assert_array_equal(alone.ids[0], together.ids[i])
        np.testing.assert_array_equal(alone.cosines[0], together.cosines[i])


def test_engines_give_the_same_bits_where_float32_cannot_rank(engine):
    rng = np.random.default_rng(7)
    centre = unit(rng, 1, 384)
    near = centre + 1e-4 * unit(rng, 2000, 384)  # cosines that rounding of float32 sums would shuffle
    near = (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)
    content = dict(enumerate(near))
    asked = np.concatenate([centre, near[:30]])
    exact, other = (filled(kind, content, 384).search(asked, 25) for kind in (ExactIndex, engine))
    np.testing.assert_array_equal(exact.ids, other.ids)
    np.testing.assert_array_equal(exact.cosines, other.cosines)
    assert_same(exact, slow_search(content, asked, 25))


def test_an_empty_index_finds_nothing(engine):
    index = engine(DIM)
    found = index.search(unit(np.random.default_rng(8), 2), 3)
    assert len(index) == 0 and index.sequence == 0
    assert found.ids.tolist() == [[-1] * 3] * 2
    assert found.cosines.tolist() == [[-np.inf] * 3] * 2


def test_no_queries_no_answers(engine):
    rng = np.random.default_rng(9)
    found = filled(engine, library(rng, 20)).search(np.empty((0, DIM), np.float32), 3)
    assert found.ids.shape == found.cosines.shape == (0, 3)


def test_a_long_history_leaves_what_a_rebuild_makes(engine, tmp_path):
    rng = np.random.default_rng(10)
    index = engine(DIM)
    content: dict[int, np.ndarray] = {}
    for sequence in range(1, 60):
        ids = rng.permutation(120)[: rng.integers(0, 30)].astype(np.int64)
        vectors, live = unit(rng, len(ids)), rng.random(len(ids)) < 0.6
        index.apply(Changes(ids, vectors, live, sequence))
        for asset_id, vector, alive in zip(ids.tolist(), vectors, live, strict=True):
            content.pop(asset_id, None)
            if alive:
                content[asset_id] = vector
        assert len(index) == len(content) and index.sequence == sequence
        asked = unit(rng, 3)
        assert_same(index.search(asked, 8), slow_search(content, asked, 8))

    rebuilt = engine(DIM)
    rebuilt.apply(added(list(content), np.stack(list(content.values())), index.sequence))
    index.save(tmp_path / "grown")
    rebuilt.save(tmp_path / "rebuilt")
    if (tmp_path / "grown").is_file():
        assert (tmp_path / "grown").read_bytes() == (tmp_path / "rebuilt").read_bytes()
    for again in (index, rebuilt):  # Qdrant's index lives where it was saved
        assert len(again) == len(content) and again.sequence == 59
        assert_same(again.search(asked, 8), slow_search(content, asked, 8))


def test_in_one_stretch_the_last_word_counts(engine):
    first, second, third = unit(np.random.default_rng(11), 3)
    index = engine(DIM)
    index.apply(Changes(np.array([7, 8, 7]), np.stack([first, third, second]), np.array([True, True, True]), 3))
    index.apply(Changes(np.array([8, 8]), np.stack([first, third]), np.array([True, False]), 5))
    assert_same(index.search(second[None], 2), slow_search({7: second}, second[None], 2))


def test_everything_can_be_removed_and_come_back(engine):
    rng = np.random.default_rng(12)
    content = library(rng, 40)
    index = filled(engine, content)
    index.apply(removed(list(content), 2))
    assert len(index) == 0
    index.apply(removed(list(content), 3))
    index.apply(added(list(content), np.stack(list(content.values())), 4))
    asked = unit(rng, 2)
    assert_same(index.search(asked, 5), slow_search(content, asked, 5))


def test_a_stretch_seen_before_changes_nothing(engine):
    old, new = unit(np.random.default_rng(13), 2)
    index = engine(DIM)
    index.apply(added([1], new[None], 9))
    index.apply(added([1], old[None], 8))
    index.apply(removed([1], 9))
    assert index.sequence == 9
    assert_same(index.search(new[None], 1), slow_search({1: new}, new[None], 1))


def test_a_failed_change_leaves_the_index_as_it_was(engine):
    rng = np.random.default_rng(14)
    content = library(rng, 10)
    index = filled(engine, content)
    with pytest.raises(VectorIndexError, match="length nan; it must be 1"):
        index.apply(added([1000], np.full((1, DIM), np.nan, np.float32), 2))
    with pytest.raises(SpaceMismatchError, match=r"\(1, 7\).*vectors of 24 numbers"):
        index.apply(added([1000], unit(rng, 1, 7), 2))
    assert (len(index), index.sequence) == (10, 1)


def test_queries_that_cannot_be_answered_are_refused(engine):
    index = engine(DIM)
    with pytest.raises(SpaceMismatchError, match=r"\(2, 128\).*vectors of 24 numbers"):
        index.search(np.zeros((2, 128), np.float32), 1)
    with pytest.raises(SpaceMismatchError, match=r"\(24,\)"):
        index.search(np.zeros(DIM, np.float32), 1)
    with pytest.raises(VectorIndexError, match="The query has the length 0; it must be 1"):
        index.search(np.zeros((1, DIM), np.float32), 1)
    with pytest.raises(UsageError, match="k is 0"):
        index.search(np.zeros((1, DIM), np.float32), 0)


@pytest.mark.parametrize("flat", [ExactIndex, FaissIndex])
def test_a_search_is_not_disturbed_by_changes_from_another_thread(flat):
    rng = np.random.default_rng(15)
    content = library(rng, 100)
    asked = unit(rng, 3)
    expected = slow_search(content, asked, 10)

    class Interrupted(flat):  # type: ignore[valid-type, misc]  # one of two classes
        def _candidates(self, *args):
            for rows in super()._candidates(*args):
                changer = threading.Thread(target=self.apply, args=[removed(self._table.ids[:20], self.sequence + 1)])
                changer.start()
                changer.join()
                yield rows

    index = filled(Interrupted, content)
    assert_same(index.search(asked, 10), expected)
    assert len(index) == 40


@pytest.mark.parametrize("kept", [None, 0, 1, 40, 200])
@pytest.mark.parametrize("least", [-1.0, -0.1, 0.3, 1.0])
def test_a_range_search_finds_all_that_are_near_enough(engine, least, kept):
    rng = np.random.default_rng(16)
    content = library(rng, 300)
    allowed = None if kept is None else rng.choice(list(content), kept, replace=False)
    query = next(iter(content.values()))
    all_of_them = slow_search(content, query[None], 300, allowed)
    wanted = (all_of_them.cosines[0] >= least) & (all_of_them.ids[0] >= 0)
    found = filled(engine, content).above(query, least, allowed)
    np.testing.assert_array_equal(found.ids, all_of_them.ids[0][wanted])
    np.testing.assert_allclose(found.cosines, all_of_them.cosines[0][wanted], rtol=0, atol=1e-7)


@pytest.mark.parametrize("k", [1, 10, 60, 200])
@pytest.mark.parametrize("kept", [60, 151])
def test_a_single_query_among_some_is_exact_in_faiss(monkeypatch, k, kept):
    pytest.importorskip("faiss")
    monkeypatch.setattr("stylesearch.vectors.faiss_index.BITMAP_ROWS", 0)
    rng = np.random.default_rng(11)
    content = library(rng, 151)
    index = filled(FaissIndex, content)
    for query in (*unit(rng, 5), *list(content.values())[:5]):
        allowed = rng.choice(list(content), kept, replace=False)
        assert_same(index.search(query[None], k, allowed), slow_search(content, query[None], k, allowed))


def test_a_closed_index_is_done(engine):
    index = filled(engine, library(np.random.default_rng(17), 20))
    assert index.layout == "exact"
    index.optimize()
    index.close()
    index.close()
