"""The measurement of vector indexes: its vectors, its rows, its plot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.clustered import clustered_vectors
from benchmarks.speed.result import Result
from benchmarks.vectors import _read, measure, plot
from stylesearch.vectors import faiss_index


def test_clustered_vectors_are_clustered_and_some_are_copies():
    vectors = clustered_vectors(np.random.default_rng(0), 2_000, 16, copies=0.2)
    assert vectors.shape == (2_000, 16) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert 1_600 <= len(np.unique(vectors, axis=0)) < 1_750
    cosines = vectors[:300] @ vectors.T
    uniform = np.random.default_rng(1).standard_normal((2_000, 16))
    uniform /= np.linalg.norm(uniform, axis=1, keepdims=True)
    assert np.sort(cosines)[:, -20].mean() > np.sort(uniform[:300] @ uniform.T)[:, -20].mean() + 0.05


@pytest.mark.parametrize("kind", ["exact", "faiss:hnsw"])
def test_every_side_is_measured(tmp_path, monkeypatch, kind):
    pytest.importorskip("faiss")
    pytest.importorskip("qdrant_edge")
    monkeypatch.setattr(faiss_index, "FRESH", 100)
    part = measure(700, 16, [kind, "qdrant"] if kind == "exact" else [kind], 0, library=True, qdrant=True)
    rows = {row.side: row.values for row in part.rows}
    assert rows[f"{kind} opened"]["open s"] > 0 and rows[f"index {kind}"]["file MB"] > 0
    assert rows[f"{kind}, 100.0% kept"]["recall@10"] >= 0.98 and f"{kind}, 10.0% kept" in rows
    assert ("qdrant, 10.0% kept, by payload" in rows) == (kind == "exact")
    assert {f"index {kind}, one at a time", "Library.search, one at a time", f"index {kind}, 200 together"} < set(rows)
    assert ("raw FAISS of faiss:hnsw, one at a time" in rows) == (kind == "faiss:hnsw")
    earlier = tmp_path / "earlier.json"
    earlier.write_text(Result({}, {}, "", (replace(part, setting="7,000 x 16, k = 10"),)).to_json(), encoding="utf-8")
    plot([part, *_read(earlier)], tmp_path / "growth.svg")
    assert "<svg" in (tmp_path / "growth.svg").read_text()
