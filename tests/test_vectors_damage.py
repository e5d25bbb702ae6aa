"""Vector indexes on broken, full and locked disks: a message that says what to do, or an index that is made again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from full_disk import small_disk
from indexing import ordinary_user

from stylesearch import Library, Query
from stylesearch.errors import SpaceMismatchError, VectorIndexError
from stylesearch.records import Batch, Changes, FileStat, IndexedFile, Space
from stylesearch.settings import LibrarySettings
from stylesearch.vectors import faiss_index, index_files, index_place, new_index, open_index
from stylesearch.vectors.base import VectorIndex

DIM = 32
COUNT = 1_200
KINDS = ["exact", "faiss:hnsw", "faiss:int8", "faiss:ivf-pq", "qdrant"]
MODULES = {"faiss": "faiss", "qdrant": "qdrant_edge"}


@pytest.fixture(params=KINDS)
def kind(request, monkeypatch) -> str:
    kind = str(request.param)
    if module := MODULES.get(kind.partition(":")[0]):
        pytest.importorskip(module)
    monkeypatch.setattr(faiss_index, "FRESH", 100)
    return kind


@pytest.fixture(scope="module")
def changes() -> Changes:
    vectors = np.random.default_rng(1).standard_normal((COUNT, DIM), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Changes(np.arange(1, COUNT + 1), vectors, np.ones(COUNT, bool), 7, "token")


def saved(kind: str, folder: Path, changes: Changes) -> Path:
    """Where an index of all vectors was saved and closed."""
    path = folder / "space.vectors"
    index = new_index(kind, DIM, None, path)
    index.apply(changes)
    index.optimize()
    index.save(index_place(kind, path))
    index.close()
    return path


def assert_finds(index: VectorIndex, changes: Changes) -> None:
    found = index.search(changes.vectors[::50], 3)
    np.testing.assert_array_equal(found.ids[:, 0], changes.asset_ids[::50])
    np.testing.assert_allclose(found.cosines[:, 0], 1, atol=1e-6)


def assert_told_or_whole(kind: str, path: Path, changes: Changes) -> bool:
    """Whether it was told."""
    try:
        index = open_index(kind, path, DIM)
    except VectorIndexError as exc:
        assert "Rebuild it with: stylesearch rebuild" in str(exc)
        return True
    assert_finds(index, changes)
    index.close()
    return False


def test_every_file_may_be_cut_or_changed(kind, tmp_path, changes):
    path = saved(kind, tmp_path, changes)
    files = [file for file in index_files(index_place(kind, path)) if file.is_file()]
    rng = np.random.default_rng(2)
    assert len(files) >= {"exact": 1, "qdrant": 15}.get(kind, 2)
    for file in files:
        size = file.stat().st_size
        few = size > 1 << 20  # the engine reserves much; all of it is compared
        for cut in (0, size // 2, size - 1) if not few else (size // 2,):
            with open(file, "rb") as opened:
                opened.seek(cut)
                rest = opened.read()
            os.truncate(file, cut)
            told = assert_told_or_whole(kind, path, changes)
            assert told or file.suffix == ".faiss"
            with open(file, "r+b") as opened:
                opened.seek(cut)
                opened.write(rest)
        for position in {0, size // 3, size - 1, int(rng.integers(size))} if not few else {int(rng.integers(size))}:
            flip(file, position)
            told = assert_told_or_whole(kind, path, changes)
            assert told or file.suffix == ".faiss"
            flip(file, position)
    assert not assert_told_or_whole(kind, path, changes)


def flip(file: Path, position: int) -> None:
    with open(file, "r+b") as opened:
        opened.seek(position)
        (byte,) = opened.read(1)
        opened.seek(position)
        opened.write(bytes([byte ^ 4]))


def test_a_missing_or_added_file_is_noticed(tmp_path, changes):
    pytest.importorskip("qdrant_edge")
    path = saved("qdrant", tmp_path, changes)
    folder = index_place("qdrant", path)
    (folder / "segments" / "added").touch()
    with pytest.raises(VectorIndexError, match="'segments/added' is missing, or was added"):
        open_index("qdrant", path, DIM)
    (folder / "segments" / "added").unlink()
    (folder / "checksums.json").write_text("[1]")
    with pytest.raises(VectorIndexError, match=r"'checksums\.json' cannot be read"):
        open_index("qdrant", path, DIM)


def test_vectors_that_are_broken_while_the_engine_runs_are_told(tmp_path, changes):
    pytest.importorskip("qdrant_edge")
    path = saved("qdrant", tmp_path, changes)
    program = f"""
import os, signal
from pathlib import Path
from stylesearch.vectors import open_index
index = open_index("qdrant", Path({str(path)!r}), {DIM})
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    folder = index_place("qdrant", path)
    assert not (folder / "checksums.json").exists()  # nobody has closed it
    for file in folder.rglob("chunk_0.mmap"):
        with open(file, "r+b") as opened:
            opened.write((100 * np.ones((COUNT, DIM), np.float32)).tobytes())
    index = open_index("qdrant", path, DIM)
    with pytest.raises(VectorIndexError, match=r"is damaged .*must be 1.*Rebuild it with: stylesearch rebuild"):
        index.search(changes.vectors[:1], 3)
    index.close()


def test_another_dimension_is_named(kind, tmp_path, changes):
    path = saved(kind, tmp_path, changes)
    with pytest.raises(SpaceMismatchError, match=r"vectors of 32 numbers; the library's encoder makes 33.*rebuild"):
        open_index(kind, path, DIM + 1)
    assert not assert_told_or_whole(kind, path, changes)


def test_a_full_disk_leaves_what_was_saved(kind, tmp_path, changes):
    with small_disk(tmp_path, 700) as disk:
        path = saved(kind, disk.path, changes)
        index = open_index(kind, path, DIM)
        more = Changes(np.arange(5_000, 6_000), changes.vectors[:1_000], np.ones(1_000, bool), 8, "more")
        disk.fill(20_000)
        with pytest.raises(VectorIndexError, match=r"cannot be written.*The catalog still holds every vector"):
            index.apply(more)
            index.save(index_place(kind, path))
        index.close()
        disk.free()
        index = open_index(kind, path, DIM)
        if not len(index):  # the engine had begun with what it could not end
            assert index.sequence == 0
            index.apply(changes)
        assert (len(index), index.sequence) == (COUNT, 7)
        assert_finds(index, changes)
        index.apply(more)
        index.save(index_place(kind, path))
        assert len(index) == COUNT + 1_000
        index.close()


def locked(folder: Path) -> None:
    for place, _, files in os.walk(folder, topdown=False):
        for name in files:
            Path(place, name).chmod(0o400)
        Path(place).chmod(0o500)


def test_a_folder_that_may_only_be_read(kind, changes):
    with ordinary_user() as folder:
        path = saved(kind, folder, changes)
        locked(folder)
        if kind == "qdrant":
            with pytest.raises(VectorIndexError, match=r"cannot be written \(Permission denied\)"):
                open_index(kind, path, DIM)
            return
        index = open_index(kind, path, DIM)
        assert_finds(index, changes)
        index.apply(Changes(np.array([9_999]), changes.vectors[:1], np.ones(1, bool), 8, "more"))
        with pytest.raises(VectorIndexError, match=r"cannot be written \(Permission denied\)"):
            index.save(path)
        assert len(index) == COUNT + 1
        index.close()


@pytest.fixture
def library(kind, tmp_path, changes) -> Iterator[Library]:
    space = Space("test:drawn", "0" * 64, DIM, "float32", "none")
    LibrarySettings(space=space, index=kind).write(tmp_path)
    with Library.open(tmp_path) as opened:
        files = [
            IndexedFile(FileStat(f"/drawn/{row}.png", 1, 1), f"{row:064x}", "PNG", 8, 8, vector)
            for row, vector in enumerate(changes.vectors)
        ]
        catalog = opened.catalog
        catalog.write(catalog.ensure_space(space), catalog.begin_scan("/drawn"), Batch(indexed=files))
        yield opened


def test_a_rebuild_mends_whatever_lies_there(library, changes):
    library.refresh()
    searching = library.searching()
    library.close()
    for file in index_files(searching.index_path):
        if file.is_file():
            os.truncate(file, file.stat().st_size // 2)
    with Library.open(library.folder) as again:
        with pytest.raises(VectorIndexError, match="stylesearch rebuild"):
            again.search(Query(changes.vectors[3], k=1))
        assert again.rebuild() == COUNT
        assert again.search(Query(changes.vectors[3], k=1))[0].asset.paths == ("/drawn/3.png",)
    with Library.open(library.folder) as once_more:
        assert once_more.search(Query(changes.vectors[3], k=1))[0].asset.paths == ("/drawn/3.png",)
