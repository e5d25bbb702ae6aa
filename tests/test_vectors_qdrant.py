"""Qdrant's folder: reopened, killed, damaged, taken. What it finds is tested with the other engines."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stylesearch import Library, Query
from stylesearch.errors import MissingDependencyError, SpaceMismatchError, VectorIndexError
from stylesearch.records import Batch, Changes, FileStat, IndexedFile, Space
from stylesearch.settings import LibrarySettings
from stylesearch.vectors import open_index
from stylesearch.vectors.exact import ExactIndex
from stylesearch.vectors.qdrant_index import QdrantIndex

DIM = 8
COUNT = 30


@pytest.fixture(autouse=True)
def engine():
    pytest.importorskip("qdrant_edge")


@pytest.fixture
def changes():
    vectors = np.random.default_rng(1).standard_normal((COUNT, DIM), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Changes(np.arange(COUNT), vectors, np.ones(COUNT, bool), 77, "token")


@pytest.fixture
def path(tmp_path, changes):
    index = QdrantIndex(DIM)
    index.apply(changes)
    index.save(tmp_path / "space.qdrant")
    return tmp_path / "space.qdrant"


def assert_finds_all(index, changes):
    reference = ExactIndex(DIM)
    reference.apply(changes)
    for expected, found in zip(reference.search(changes.vectors, 5), index.search(changes.vectors, 5), strict=True):
        np.testing.assert_array_equal(expected, found)


def test_what_is_saved_is_opened_again_and_goes_on(path, changes):
    index = open_index("qdrant", path, DIM)
    assert (index.kind, len(index), index.dim, index.sequence, index.history) == ("qdrant", COUNT, DIM, 77, "token")
    assert_finds_all(index, changes)
    index.apply(Changes(np.array([0, 1000]), changes.vectors[:2], np.array([False, True]), 79, "next"))
    index.save(path)
    del index
    again = open_index("qdrant", path, DIM)
    assert (len(again), again.sequence, again.history) == (COUNT, 79, "next")
    assert again.search(changes.vectors[1:2], 2).ids[0].tolist() == [1, 1000]
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def in_a_process_that_is_killed(path: Path, code: str) -> None:
    program = f"""
import os, signal, numpy as np
from stylesearch.records import Changes
from stylesearch.vectors.qdrant_index import QdrantIndex
index = QdrantIndex.load(__import__("pathlib").Path({str(path)!r}))
changes = Changes(np.array([3, 500]), np.eye(2, {DIM}, dtype=np.float32), np.array([False, True]), 90, "later")
{code}
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr


def test_changes_outlive_a_process_that_is_killed_before_it_saves(path):
    in_a_process_that_is_killed(path, "index.apply(changes)")
    index = QdrantIndex.load(path)
    assert (len(index), index.sequence, index.history) == (COUNT, 90, "later")
    found = index.search(np.eye(2, DIM, dtype=np.float32), COUNT).ids
    assert 3 not in found and 500 in found


def test_a_process_that_is_killed_amid_changes_leaves_an_index_that_is_filled_again(path, changes):
    in_a_process_that_is_killed(
        path,
        """
class Killer:
    def __init__(self, shard): self.shard, self.updates = shard, 0
    def __getattr__(self, name): return getattr(self.shard, name)
    def update(self, operation):
        self.updates += 1
        if self.updates == 3: os.kill(os.getpid(), signal.SIGKILL)
        self.shard.update(operation)
index._shard = Killer(index._shard)
index.apply(changes)""",
    )
    index = QdrantIndex.load(path)
    assert (len(index), index.sequence, index.history, index.dim) == (0, 0, "", DIM)
    index.apply(changes)
    assert_finds_all(index, changes)


def test_a_second_process_is_told_that_the_first_has_it_open(path):
    held = QdrantIndex.load(path)
    program = (
        f"from stylesearch.vectors import open_index as o; o('qdrant', __import__('pathlib').Path({str(path)!r}), 8)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "is open in another process" in done.stderr.splitlines()[-1]
    assert len(held) == COUNT


# The engine keeps no checksums: a file of vectors that was cut is filled with zeros and not noticed.
@pytest.mark.parametrize(
    "name", ["edge_config.json", "**/version.info", "**/vectors/status.dat", "**/*tracker.mappings"]
)
def test_a_damaged_folder_is_refused(path, name):
    (file, *_) = path.glob(name)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(VectorIndexError, match=r"is damaged \(.*Rebuild it with: stylesearch rebuild"):
        QdrantIndex.load(path)


def test_a_folder_or_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    ExactIndex(DIM).save(tmp_path / "file")
    for name in ("folder", "file"):
        with pytest.raises(VectorIndexError, match="is damaged"):
            QdrantIndex.load(tmp_path / name)


def test_a_folder_of_another_dimension_is_refused(path):
    with pytest.raises(SpaceMismatchError, match="vectors of 8 numbers; the library's encoder makes 9"):
        open_index("qdrant", path, 9)


def test_saving_takes_the_place_of_whatever_was_there(path, changes):
    ExactIndex(DIM).save(path.parent / "file")
    index = QdrantIndex(DIM)
    index.apply(Changes(np.array([5]), changes.vectors[:1], np.ones(1, bool), 80, "new"))
    for name in ("file", path.name):
        index.save(path.parent / name)
        assert index.search(changes.vectors[:1], 1).ids.tolist() == [[5]]
    del index
    assert len(QdrantIndex.load(path)) == len(QdrantIndex.load(path.parent / "file")) == 1
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["file", path.name]


def test_files_that_the_engine_is_still_making_do_not_stop_a_save(tmp_path, changes):
    index = QdrantIndex(DIM)
    index.apply(changes)
    gone = index._folder / "wal" / "tmp-open-9"  # listed, and renamed before it could be read
    gone.symlink_to("nowhere")
    index.save(tmp_path / "space.qdrant")
    assert not list((tmp_path / "space.qdrant" / "wal").glob("tmp-*9"))
    index.close()
    assert_finds_all(open_index("qdrant", tmp_path / "space.qdrant", DIM), changes)


def test_a_save_that_fails_leaves_everything_as_it_was(path, changes):
    index = QdrantIndex(DIM)
    index.apply(changes)
    (path.parent / "file").write_text("no folder")
    with pytest.raises(VectorIndexError, match="cannot be written"):
        index.save(path.parent / "file" / "space.qdrant")
    assert_finds_all(index, changes)
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["file", path.name]


def test_an_index_that_was_never_saved_leaves_nothing_behind():
    index = QdrantIndex(DIM)
    folder = index._folder.parent
    assert folder.is_dir()
    del index
    gc.collect()
    assert not folder.exists()


def test_a_library_searches_rebuilds_and_opens_again(tmp_path, changes):
    space = Space("test:drawn", "0" * 64, DIM, "float32", "none")
    LibrarySettings(space=space, index="qdrant").write(tmp_path)
    with Library.open(tmp_path) as library:
        files = [
            IndexedFile(FileStat(f"/drawn/{row}.png", 1, 1), f"{row:064x}", "PNG", 8, 8, vector)
            for row, vector in enumerate(changes.vectors)
        ]
        catalog = library.catalog
        catalog.write(catalog.ensure_space(space), catalog.begin_scan("/drawn"), Batch(indexed=files))
        assert library.status().index == "qdrant" and library.status().searchable == COUNT
        first = library.search(Query(changes.vectors[4], k=3))
        assert first[0].asset.paths == ("/drawn/4.png",)
        assert library.refresh() == library.rebuild() == COUNT
        assert library.search(Query(changes.vectors[4], k=3)) == first
    del library
    with Library.open(tmp_path) as again:
        assert again.search(Query(changes.vectors[4], k=3)) == first


def test_without_the_engine_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "qdrant_edge", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'stylesearch\[qdrant\]'"):
        open_index("qdrant", tmp_path / "none", DIM)
