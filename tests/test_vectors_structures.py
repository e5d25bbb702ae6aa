"""Approximate search by FAISS: exact cosines, recall, filters, tombstones, what is built when, and its files."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.clustered import clustered_vectors
from stylesearch.errors import UsageError, VectorIndexError
from stylesearch.records import Changes
from stylesearch.settings import IndexChoice
from stylesearch.vectors import faiss_index, open_index, structures
from stylesearch.vectors.exact import ExactIndex
from stylesearch.vectors.faiss_index import FaissIndex
from stylesearch.vectors.table import VectorTable

pytest.importorskip("faiss")

DIM = 32
COUNT = 4_000
BUILT = ["hnsw", "int8", "ivf-pq"]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Structures are built, and used, at sizes where tests are fast."""
    monkeypatch.setattr(faiss_index, "FRESH", 100)
    monkeypatch.setattr(structures.Graph, "cost", lambda *_: 0.0)
    monkeypatch.setattr(structures.Codes, "cost", lambda *_: 0.0)
    monkeypatch.setattr(structures.Lists, "cost", lambda *_: 0.0)


@pytest.fixture(scope="module")
def vectors():
    return clustered_vectors(np.random.default_rng(1), COUNT + 50, DIM)


@pytest.fixture
def everything(vectors):
    return Changes(np.arange(COUNT) * 3, vectors[:COUNT], np.ones(COUNT, bool), 1, "first")


@pytest.fixture(params=BUILT)
def index(request, everything):
    index = FaissIndex(DIM, request.param)
    index.apply(everything)
    index.optimize()
    assert index.layout == f"{request.param} over {COUNT:,} of {COUNT:,}"
    yield index
    index.close()


def exact_for(index: Any) -> ExactIndex:
    reference = ExactIndex(DIM)
    reference._table = index._table
    return reference


def recall(index: Any, queries: np.ndarray, allowed=None, k: int = 10) -> float:
    """By similarity: a hit is as near as the k-th of exact search, so that a tie is no loss."""
    expected, found = (engine.search(queries, k, allowed) for engine in (exact_for(index), index))
    return float(np.mean(found.cosines >= expected.cosines[:, -1:]))


def assert_cosines_are_exact(index: Any, queries: np.ndarray, allowed=None) -> None:
    found = index.search(queries, 10, allowed)
    known = exact_for(index).search(queries, len(index), allowed)
    for row in range(len(queries)):
        cosines = dict(zip(known.ids[row].tolist(), known.cosines[row].tolist(), strict=True))
        ids = found.ids[row][found.ids[row] >= 0].tolist()
        assert len(set(ids)) == len(ids)
        assert [cosines[asset_id] for asset_id in ids] == found.cosines[row][: len(ids)].tolist()
        order = sorted(zip(-found.cosines[row], found.ids[row], strict=True))
        assert [asset_id for _, asset_id in order] == found.ids[row].tolist()


@pytest.mark.parametrize("kept", [1.0, 0.5, 0.1, 0.01])
def test_recall_and_cosines(index, vectors, kept):
    allowed = None if kept == 1 else np.random.default_rng(2).permutation(np.arange(COUNT) * 3)[: int(kept * COUNT)]
    assert recall(index, vectors[COUNT:], allowed) >= 0.98
    assert_cosines_are_exact(index, vectors[COUNT : COUNT + 5], allowed)


def test_a_filter_that_keeps_a_far_corner_still_finds_as_many(index, vectors):
    far = np.argsort(vectors[:COUNT] @ vectors[COUNT])[:60] * 3
    assert (index.search(vectors[COUNT : COUNT + 1], 50, far).ids >= 0).all()


def test_copies_come_with_the_smallest_ids_first(index, vectors):
    copies = np.concatenate([np.repeat(vectors[:1], 300, axis=0), vectors[1:800]])
    index.apply(Changes(np.arange(COUNT) * 3, vectors[:COUNT], np.zeros(COUNT, bool), 2))
    index.apply(Changes(np.arange(len(copies)), copies, np.ones(len(copies), bool), 3))
    index.optimize()
    assert index.search(vectors[:1], 20).ids[0].tolist() == list(range(20))
    assert index.search(vectors[:1], 20, np.arange(100, 200)).ids[0].tolist() == list(range(100, 120))


def test_what_changes_later_is_found_and_what_is_gone_is_not(index, vectors):
    rng = np.random.default_rng(3)
    content = dict(zip(range(0, 3 * COUNT, 3), vectors[:COUNT], strict=True))
    reference = ExactIndex(DIM)
    for sequence in range(2, 12):
        ids = rng.integers(0, 3 * COUNT + 500, 60)
        new, live = vectors[rng.integers(0, len(vectors), 60)], rng.random(60) < 0.6
        index.apply(Changes(ids, new, live, sequence))
        if sequence == 6:
            index.optimize()
        for asset_id, vector, alive in zip(ids.tolist(), new, live, strict=True):
            content.pop(asset_id, None)
            if alive:
                content[asset_id] = vector
        assert len(index) == len(content)
        assert set(index._table.ids.tolist()) == content.keys()
        found = index.search(vectors[COUNT:], 10)
        assert set(found.ids.ravel().tolist()) <= content.keys()
        assert recall(index, vectors[COUNT:]) >= 0.98
        assert_cosines_are_exact(index, vectors[COUNT : COUNT + 3])
    reference.apply(Changes(np.array(list(content)), np.stack(list(content.values())), np.ones(len(content), bool), 11))
    np.testing.assert_array_equal(reference._table.vectors, index._table.vectors)


def test_many_tombstones_bring_a_whole_new_structure(index, everything):
    index.apply(Changes(everything.asset_ids[:1500], everything.vectors[:1500], np.zeros(1500, bool), 2))
    assert index._cover.tombstones == 1500
    before = index._cover.structure.token
    index.optimize()
    assert index._cover.tombstones == 0 and index._cover.structure.token != before


def test_few_new_vectors_extend_the_structure(index, everything):
    index.apply(Changes(np.arange(20_000, 20_150), everything.vectors[:150], np.ones(150, bool), 2))
    index.apply(Changes(everything.asset_ids[:5], everything.vectors[:5], np.zeros(5, bool), 3))
    built = index._cover.structure.built
    index.optimize()
    assert index._cover.structure.built == built and index._cover.tombstones == 5 and len(index._cover.fresh) == 0
    assert len(index._cover.structure.entry_ids) == COUNT + 150
    assert 0 not in index.search(everything.vectors[:1], 10).ids


def test_a_range_search_goes_on_as_far_as_there_is_something(index, vectors):
    query = vectors[COUNT]
    expected = exact_for(index).above(query, 0.5)
    found = index.above(query, 0.5)
    assert set(found.ids) <= set(expected.ids) and len(found.ids) >= 0.98 * len(expected.ids)
    assert (found.cosines >= 0.5).all()


def test_the_first_search_of_many_starts_a_thread_that_builds(everything, vectors):
    index: Any = FaissIndex(DIM, "hnsw")
    index.apply(everything)
    assert index.layout == "exact"
    assert recall(index, vectors[COUNT:]) == 1
    index._builder.join()
    assert index.layout == f"hnsw over {COUNT:,} of {COUNT:,}"
    index.close()


def test_changes_while_a_structure_is_built_are_not_lost(everything, vectors, monkeypatch):
    index: Any = FaissIndex(DIM, "int8")
    index.apply(everything)
    build = structures.build

    def build_and_change(*arguments):
        structure = build(*arguments)
        ids, live = np.array([0, 3, 1]), np.array([False, True, True])
        index.apply(Changes(ids, vectors[[COUNT, COUNT + 1, COUNT + 2]], live, 2))
        return structure

    monkeypatch.setattr(faiss_index, "build", build_and_change)
    index.optimize()
    assert sorted(index._cover.fresh.tolist()) == [0, 1] and index._cover.tombstones == 2
    assert index.search(vectors[COUNT + 1 : COUNT + 2], 1).ids.tolist() == [[3]]
    assert recall(index, vectors[COUNT:]) >= 0.98


def test_closing_stops_the_builder(everything, monkeypatch):
    index: Any = FaissIndex(DIM, "hnsw")
    index.apply(everything)
    began = threading.Event()
    blocks = structures._blocks

    def wait_until_stopped(rows, stop):
        began.set()
        assert stop.wait(30)
        return blocks(rows, stop)

    monkeypatch.setattr(structures, "_blocks", wait_until_stopped)
    index.search(everything.vectors[:1], 5)
    assert began.wait(30)
    index.close()
    assert not index._builder.is_alive() and index._cover is None


def test_a_program_that_ends_amid_building_ends_cleanly():
    program = """
import numpy as np
from stylesearch.records import Changes
from stylesearch.vectors import faiss_index
faiss_index.FRESH = 10
vectors = np.random.default_rng(0).standard_normal((30_000, 64), dtype=np.float32)
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
index = faiss_index.FaissIndex(64, "hnsw")
index.apply(Changes(np.arange(30_000), vectors, np.ones(30_000, bool), 1))
index.search(vectors[:1], 5)
assert index._builder.is_alive()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("count", "memory", "expected"),
    [(19_999, 1 << 40, None), (20_000, 0, "int8"), (50_000, 1 << 40, "hnsw"), (50_000, 1 << 20, "ivf-pq")],
)
def test_size_and_memory_choose(count, memory, expected, monkeypatch):
    index = FaissIndex(DIM, memory=memory)
    vectors = np.broadcast_to(np.eye(1, DIM, dtype=np.float32), (count, DIM))
    table = VectorTable(np.arange(count), vectors, count, 1, "")
    recipe = index._recipe(table)
    assert (recipe and recipe.kind) == expected
    monkeypatch.setattr(index._faiss, "get_num_gpus", lambda: 1)
    recipe = index._recipe(table)
    assert (recipe and recipe.kind) == (expected and "gpu")


def test_saved_and_opened_again(index, tmp_path, vectors, everything):
    path = tmp_path / "space.vectors"
    kind = f"faiss:{index._wish}"
    index.apply(Changes(np.array([0, 90_000]), vectors[[COUNT, COUNT + 1]], np.array([False, True]), 2, "next"))
    index.save(path)
    assert len(list(tmp_path.iterdir())) == 2
    again: Any = open_index(kind, path, DIM)
    assert (again.layout, again.sequence, again.history) == (index.layout, 2, "next")
    assert not again._table.vectors.flags.writeable  # mapped
    for one, other in zip(index.search(vectors[COUNT:], 10), again.search(vectors[COUNT:], 10), strict=True):
        np.testing.assert_array_equal(one, other)
    again.apply(Changes(np.arange(99_000, 99_200), vectors[:200], np.ones(200, bool), 3))
    again.optimize()  # the mapped structure grows
    again.save(path)
    assert len(list(tmp_path.iterdir())) == 2
    assert recall(again, vectors[COUNT:]) >= 0.98
    assert recall(FaissIndex.load(path), vectors[COUNT:]) >= 0.98
    assert ExactIndex.load(path).search(vectors[1:2], 1).ids.tolist() == [[3]]
    assert recall(index, vectors[COUNT:]) >= 0.98  # its file has been swept


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone"])
def test_a_damaged_structure_is_built_again(index, tmp_path, vectors, damage, caplog):
    path = tmp_path / "space.vectors"
    index.save(path)
    (structure,) = tmp_path.glob("*.faiss")
    content = bytearray(structure.read_bytes())
    content[len(content) // 2] ^= 4
    structure.write_bytes({"flip": content, "cut": content[:-900], "empty": b""}.get(damage, b""))
    if damage == "gone":
        structure.unlink()
    again = FaissIndex.load(path, structure=index._wish)
    assert (again.layout == "exact" and "stylesearch rebuild" in caplog.text) or damage == "gone"
    assert recall(again, vectors[COUNT:]) == 1
    again.optimize()
    assert again.layout == index.layout
    again.close()


def test_a_structure_that_cannot_be_written_leaves_the_old_files(index, tmp_path, monkeypatch):
    path = tmp_path / "space.vectors"
    index.save(path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    index.apply(Changes(np.arange(9_000, 9_300), index._table.vectors[:300], np.ones(300, bool), 2))
    index.optimize()

    def full(index, name):
        Path(name).write_bytes(b"half")
        raise RuntimeError("Error in write\n No space left on device")

    monkeypatch.setattr("faiss.write_index", full)
    with pytest.raises(VectorIndexError, match="cannot be written"):
        index.save(path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_readers_of_the_file_are_not_disturbed_by_writers(index, tmp_path, vectors):
    path = tmp_path / "space.vectors"
    index.save(path)
    stop, errors = threading.Event(), []

    def read():
        while not stop.is_set():
            try:
                reader = FaissIndex.load(path, structure=index._wish)
                found = reader.search(vectors[COUNT : COUNT + 5], 10)
                assert (found.ids >= 0).all()
                reader.close()
            except BaseException as exc:  # noqa: BLE001 - told below
                errors.append(exc)
                return

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for sequence in range(2, 12):
        ids = np.arange(10_000 + 150 * sequence, 10_150 + 150 * sequence)
        index.apply(Changes(ids, vectors[:150], np.ones(150, bool), sequence))
        index.optimize()
        index.save(path)
    stop.set()
    for reader in readers:
        reader.join()
    assert not errors
    gc.collect()


@pytest.mark.parametrize("text", ["faiss:hsnw", "faiss:", "qdrant:", "milvus", "", "qdrant+http://host:6333"])
def test_an_index_that_there_is_not_is_refused(text):
    with pytest.raises(UsageError, match=r"'.*'"):
        IndexChoice.parse(text)


def test_indexes_that_there_are():
    assert IndexChoice.parse("faiss:ivf-pq") == IndexChoice("faiss", "ivf-pq")
    assert IndexChoice.parse("qdrant:/data/a:b") == IndexChoice("qdrant", place="/data/a:b")
    server = IndexChoice.parse("qdrant+https://host:6333/prints?shards=2")
    assert server == IndexChoice("server", place="https://host:6333/prints?shards=2")
