"""Moving a library's vectors from engine to engine, and what `vectors` tells of them."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from typer.testing import CliRunner

from stylesearch import Library, Query
from stylesearch.cli import app
from stylesearch.errors import UsageError, VectorIndexError
from stylesearch.moving import move_vectors, states
from stylesearch.records import Batch, FileStat, IndexedFile, Space
from stylesearch.settings import LibrarySettings
from stylesearch.vectors.qdrant_index import QdrantIndex

DIM, COUNT = 8, 60


@pytest.fixture
def folder(tmp_path):
    """A library of drawn vectors in FAISS."""
    pytest.importorskip("faiss")
    space = Space("test:drawn", "0" * 64, DIM, "float32", "none")
    vectors = np.random.default_rng(1).standard_normal((COUNT, DIM), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    folder = tmp_path / "library"
    folder.mkdir()
    LibrarySettings(space=space, index="faiss").write(folder)
    with Library.open(folder) as library:
        files = [
            IndexedFile(FileStat(f"/drawn/{row}.png", 1, 1), f"{row:064x}", "PNG", 8, 8, vector)
            for row, vector in enumerate(vectors)
        ]
        library.catalog.write(library.searching().id, library.catalog.begin_scan("/drawn"), Batch(indexed=files))
        library.refresh()
    return folder


def hits(folder):
    with Library.open(folder) as library:
        found = library.search(Query(np.eye(1, DIM, dtype=np.float32)[0], k=20))
        return [(hit.asset.id, hit.cosine) for hit in found]


def test_there_and_back_searches_find_the_same(folder, tmp_path):
    pytest.importorskip("qdrant_edge")
    before, engines = hits(folder), ["faiss", "qdrant", f"qdrant:{tmp_path}/fast", "exact", "faiss:hnsw", "faiss"]
    for source, target in pairwise(engines):
        with Library.open(folder) as library:
            assert move_vectors(library, source, target) == {library.space.name: COUNT}
        assert hits(folder) == before
        with Library.open(folder) as library:
            (state,) = states(library)
            assert (state.index, state.layout, state.vectors) == (target, "exact", COUNT)
            assert state.bytes > 0
        assert len(list((folder / "index").iterdir())) == (0 if "fast" in target else 1)
    assert not any((tmp_path / "fast").iterdir())


def test_an_interrupted_move_goes_on_and_the_library_meanwhile(folder, monkeypatch):
    pytest.importorskip("qdrant_edge")
    before = hits(folder)
    applied: list[int] = []

    def stop_at_the_second(self, changes, apply=QdrantIndex.apply):
        if len(applied) == 1:
            raise KeyboardInterrupt
        applied.append(len(changes.asset_ids))
        apply(self, changes)

    with Library.open(folder) as library, monkeypatch.context() as patch:
        patch.setattr(QdrantIndex, "apply", stop_at_the_second)
        changes = library.catalog.changes
        patch.setattr(library.catalog, "changes", lambda space_id, after: changes(space_id, after, limit=25))
        with pytest.raises(KeyboardInterrupt):
            move_vectors(library, "faiss", "qdrant")
    assert hits(folder) == before
    told: list[int] = []
    with Library.open(folder) as library:
        changes = library.catalog.changes
        asked = []

        def remember(space_id, after):
            asked.append(after)
            return changes(space_id, after)

        monkeypatch.setattr(library.catalog, "changes", remember)
        move_vectors(library, "faiss", "qdrant", lambda name, count: told.append(count))
    assert asked[0] > 0 and told == [COUNT]
    assert hits(folder) == before


def test_a_move_that_makes_no_sense_is_refused(folder):
    with Library.open(folder) as library:
        with pytest.raises(UsageError, match="keeps its vectors in 'faiss', not in 'qdrant'"):
            move_vectors(library, "qdrant", "exact")
        with pytest.raises(UsageError, match="in 'faiss' already"):
            move_vectors(library, "faiss", "faiss")
        with pytest.raises(UsageError, match="There is no index 'milvus'"):
            move_vectors(library, "faiss", "milvus")


def test_a_new_engine_that_lost_something_is_not_taken(folder, monkeypatch):
    from stylesearch.vectors.exact import ExactIndex

    monkeypatch.setattr(ExactIndex, "optimize", lambda self: setattr(self, "_table", _without_one(self._table)))
    with Library.open(folder) as library:
        with pytest.raises(VectorIndexError, match=r"59 vectors .* where 60 are due"):
            move_vectors(library, "faiss", "exact")
        assert library.settings.index == "faiss"


def _without_one(table):
    from stylesearch.vectors.table import VectorTable

    return VectorTable(table.ids[1:], table.vectors[1:], len(table) - 1, table.sequence, table.history)


def test_the_commands(folder):
    run = CliRunner()
    told = run.invoke(app, ["vectors", "move", "faiss", "exact", "--library", str(folder), "--json"])
    assert json.loads(told.stdout)["moved"] == {"test:drawn": COUNT}
    (state,) = json.loads(run.invoke(app, ["vectors", "status", "--library", str(folder), "--json"]).stdout)
    assert (state["index"], state["layout"], state["vectors"]) == ("exact", "exact", COUNT)
    assert "60" in run.invoke(app, ["vectors", "status", "--library", str(folder)]).stdout
    told = run.invoke(app, ["vectors", "snapshot", "--library", str(folder)])
    assert told.exit_code == 2 and "needs no snapshot" in told.stderr
