"""Recall of every engine that searches approximately, under filters too; the benchmark prints it at full size."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.clustered import clustered_vectors
from stylesearch.records import Changes, Facts
from stylesearch.vectors import Allowed, VectorIndex, faiss_index, new_index, qdrant_search, structures
from stylesearch.vectors.base import Condition
from stylesearch.vectors.exact import ExactIndex

DIM = 32
COUNT = 6_000
KEPT = [1.0, 0.5, 0.1, 0.01, 0.001]


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return clustered_vectors(np.random.default_rng(4), COUNT + 100, DIM)


@pytest.fixture(scope="module")
def words() -> dict[float, np.ndarray]:
    """The ids that have the word of each share."""
    rng = np.random.default_rng(5)
    return {kept: np.sort(rng.choice(COUNT, int(kept * COUNT), replace=False)) for kept in KEPT[1:]}


@pytest.fixture(scope="module")
def everything(vectors, words) -> Changes:
    facts = {i: Facts("PNG", tags=tuple(str(kept) for kept in words if i in words[kept])) for i in range(COUNT)}
    return Changes(np.arange(COUNT), vectors[:COUNT], np.ones(COUNT, bool), 1, facts=facts)


@pytest.fixture(scope="module", params=["faiss:hnsw", "faiss:int8", "faiss:ivf-pq", "qdrant"])
def index(request, everything):
    pytest.importorskip("qdrant_edge" if request.param == "qdrant" else "faiss")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faiss_index, "FRESH", 100)
        patch.setattr(qdrant_search, "GRAPH_FROM", 100)
        for recipe in (structures.Graph, structures.Codes, structures.Lists):
            patch.setattr(recipe, "cost", lambda *_: 0.0)  # even where comparing all would be faster
        made = new_index(request.param, DIM)
        made.apply(everything)
        made.optimize()
        assert made.layout != "exact"
        yield made
        made.close()


def recall(index: VectorIndex, everything: Changes, queries: np.ndarray, k: int, ids, allowed: Allowed) -> float:
    """By similarity: an answer as near as the k-th of exact search is a hit, so that a tie is no loss."""
    exact = ExactIndex(DIM)
    exact.apply(everything)
    expected, found = exact.search(queries, k, ids), index.search(queries, k, allowed)
    return float(np.mean(found.cosines >= expected.cosines[:, -1:]))


@pytest.mark.parametrize("kept", KEPT)
def test_recall_by_ids(index, everything, vectors, words, kept):
    ids = words.get(kept)
    k = 10 if ids is None else min(10, len(ids))
    assert recall(index, everything, vectors[COUNT:], k, ids, ids) >= 0.98


@pytest.mark.parametrize("kept", KEPT[1:])
def test_recall_by_facts(index, everything, vectors, words, kept):
    if not index.takes_facts:
        return
    ids = words[kept]
    word = (Condition("tags", equals=(str(kept),)),)
    assert recall(index, everything, vectors[COUNT:], min(10, len(ids)), ids, word) >= 0.98
    found = index.search(vectors[COUNT:], 10, word).ids
    assert np.isin(found[found >= 0], ids).all()
