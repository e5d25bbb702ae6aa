"""Processes that are killed amid changes of the index, or search amid them; the benchmarks do it for longer."""

from __future__ import annotations

import importlib

import pytest

from benchmarks import drawn_library, mixed_kill, readers
from benchmarks.drawn_library import vector_of
from stylesearch.vectors import faiss_index


@pytest.mark.parametrize(("index", "kills"), [("exact", 4), ("faiss:hnsw", 4), ("qdrant", 2)])
def test_nothing_is_lost_nor_comes_back(tmp_path, monkeypatch, capfd, index, kills):
    _need(index)
    monkeypatch.setattr(faiss_index, "FRESH", mixed_kill.FRESH)
    assert mixed_kill.run(tmp_path / "library", index, 700, kills, 3) == 0, capfd.readouterr().out


def test_a_loss_is_noticed(tmp_path):
    drawn_library.create(tmp_path / "library", "exact")
    assert mixed_kill._wrong(tmp_path / "library", {0: {1, 2}}, None) == "2 files are lost, 0 came back"
    begun = {"insert": [4], "group": 3}
    assert mixed_kill._wrong(tmp_path / "library", {0: {1}}, begun) == "2 files are lost, 0 came back"


@pytest.mark.parametrize("index", ["exact", "faiss:hnsw"])
def test_readers_see_what_is_there_and_no_more(tmp_path, index):
    _need(index)
    written, read = readers.run(tmp_path / "library", index, 2, 4.0, 500, 400)
    assert written > 0
    for one in read:
        assert one.faults == [] and len(one.seconds) > 5
        assert one.missed <= (0 if index == "exact" else 0.02 * len(one.seconds))


def test_a_wrong_answer_is_noticed():
    query, right = vector_of(5), float(vector_of(6) @ vector_of(5))
    none = bytes(1)
    assert readers._fault(query, [(5, 1.0), (6, right)], 5, none, none) == ""
    assert "not found" in readers._fault(query, [(6, right)], 5, none, none)
    assert "another's" in readers._fault(query, [(5, 1.0), (6, right + 0.1)], 5, none, none)
    assert "out of order" in readers._fault(query, [(6, right), (5, 1.0)], 5, none, none)
    assert "was deleted" in readers._fault(query, [(5, 1.0)], 5, bytes([2]), bytes([2]))
    assert readers._fault(query, [], 5, none, bytes([1])) == ""


def _need(index: str) -> None:
    engine = {"exact": "numpy", "qdrant": "qdrant_edge"}.get(index, "faiss")
    try:
        importlib.import_module(engine)
    except ImportError:
        pytest.skip(f"'{engine}' is not installed")
