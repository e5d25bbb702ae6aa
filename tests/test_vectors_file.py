"""The index file: a round trip, every way to be damaged, and which engine opens it."""

from __future__ import annotations

import os
import sys
import time

import numpy as np
import pytest

from stylesearch.errors import MissingDependencyError, SpaceMismatchError, VectorIndexError
from stylesearch.records import Changes
from stylesearch.vectors import open_index
from stylesearch.vectors.exact import ExactIndex
from stylesearch.vectors.faiss_index import FaissIndex
from stylesearch.vectors.files import HEADER_BYTES

DIM = 8
COUNT = 10
KINDS = ["exact", "faiss"]


@pytest.fixture
def changes():
    vectors = np.random.default_rng(1).standard_normal((COUNT, DIM), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Changes(np.arange(COUNT) * 2, vectors, np.ones(COUNT, bool), 77)


@pytest.fixture
def path(tmp_path, changes):
    index = ExactIndex(DIM)
    index.apply(changes)
    index.save(tmp_path / "space.vectors")
    return tmp_path / "space.vectors"


@pytest.mark.parametrize("writer", KINDS)
@pytest.mark.parametrize("reader", KINDS)
def test_what_is_saved_is_loaded_by_every_engine(tmp_path, changes, writer, reader):
    pytest.importorskip("faiss")
    path = tmp_path / "space.vectors"
    written = open_index(writer, path, DIM)
    written.apply(changes)
    written.save(path)
    read = open_index(reader, path, DIM)
    assert (read.kind, len(read), read.dim, read.sequence) == (reader, COUNT, DIM, 77)
    for expected, found in zip(written.search(changes.vectors, 5), read.search(changes.vectors, 5), strict=True):
        np.testing.assert_array_equal(expected, found)
    assert [entry.name for entry in tmp_path.iterdir()] == ["space.vectors"]


def test_a_loaded_index_goes_on(path, changes):
    index = open_index("exact", path, DIM)
    index.apply(Changes(np.array([0, 1000]), changes.vectors[:2], np.array([False, True]), 79))
    index.save(path)
    again = open_index("exact", path, DIM)
    assert (len(again), again.sequence) == (COUNT, 79)
    assert again.search(changes.vectors[1:2], 2).ids[0].tolist() == [2, 1000]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_known_already_changes_but_the_number(path, changes, kind):
    pytest.importorskip("faiss")
    index = open_index(kind, path, DIM)
    index.apply(Changes(changes.asset_ids[2:5], changes.vectors[2:5], np.ones(3, bool), 80, "tagged"))
    assert (len(index), index.sequence, index.history) == (COUNT, 80, "tagged")
    table = index._table  # type: ignore[attr-defined]
    assert not table.vectors.flags.writeable  # still those of the file
    index.apply(Changes(changes.asset_ids[2:4], changes.vectors[[2, 2]], np.array([False, True]), 81))
    assert (len(index), index.sequence) == (COUNT - 1, 81)
    assert index.search(changes.vectors[2:3], 1).ids.tolist() == [[6]]


def test_an_empty_index_is_saved_and_loaded(tmp_path):
    open_index("exact", tmp_path / "none", DIM).save(tmp_path / "none")
    assert len(open_index("exact", tmp_path / "none", DIM)) == 0


@pytest.mark.parametrize("size", [0, 1, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 1, 500, -33, -32, -1])
def test_a_truncated_file_is_refused(path, size):
    content = path.read_bytes()
    path.write_bytes(content[:size])
    with pytest.raises(VectorIndexError, match=r"is damaged \(.*Rebuild it with: stylesearch rebuild"):
        ExactIndex.load(path)


def test_a_file_with_more_behind_it_is_refused(path):
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(VectorIndexError, match="bytes where"):
        ExactIndex.load(path)


def test_a_flipped_bit_anywhere_is_refused(path):
    content = path.read_bytes()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(VectorIndexError, match="Rebuild it with: stylesearch rebuild"):
            ExactIndex.load(path)


@pytest.mark.parametrize("content", [b"[", b"null", b'"text"', b"\xff", b"{}"])
def test_a_file_of_something_else_is_refused(path, content):
    path.write_bytes(content.ljust(300))
    with pytest.raises(VectorIndexError, match="is damaged"):
        ExactIndex.load(path)


def test_another_kind_or_version_is_named(path):
    path.write_bytes(path.read_bytes().replace(b'"kind": "flat"', b'"kind": "hnsw"'))
    with pytest.raises(VectorIndexError, match=r"is of kind 'hnsw' and version 2.*stylesearch rebuild"):
        ExactIndex.load(path)


def test_a_file_of_another_dimension_is_refused(path):
    with pytest.raises(SpaceMismatchError, match="vectors of 8 numbers; the library's encoder makes 9"):
        open_index("exact", path, 9)


def test_a_save_that_fails_leaves_the_old_file_and_no_litter(path, changes):
    before = path.read_bytes()
    folder = path.parent / "folder"
    folder.mkdir()
    (folder / "full").touch()
    index = ExactIndex.load(path)
    with pytest.raises(VectorIndexError, match="cannot be written"):
        index.save(folder)  # a file cannot take the place of a folder
    with pytest.raises(VectorIndexError, match="cannot be written"):
        index.save(path / "space.vectors")
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["folder", "space.vectors"]


def test_a_folder_that_was_removed_is_made_again(path):
    ExactIndex.load(path).save(path.parent / "absent" / "space.vectors")
    assert len(ExactIndex.load(path.parent / "absent" / "space.vectors")) == COUNT


def test_a_folder_in_place_of_the_file_cannot_be_read(tmp_path):
    with pytest.raises(VectorIndexError, match="cannot be read"):
        open_index("exact", tmp_path, DIM)


def test_what_a_killed_save_left_behind_is_swept(path):
    abandoned, current = (path.with_name(f"{path.name}.{name}.partial") for name in ("old", "new"))
    for partial in (abandoned, current):
        partial.write_bytes(b"half")
    two_hours_ago = time.time() - 7200
    os.utime(abandoned, (two_hours_ago, two_hours_ago))
    ExactIndex.load(path).save(path)
    assert not abandoned.exists() and current.exists()


def test_auto_takes_faiss_where_it_is_installed(tmp_path):
    pytest.importorskip("faiss")
    assert type(open_index("auto", tmp_path / "none", DIM)) is FaissIndex


def test_without_faiss_auto_is_exact_and_faiss_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert type(open_index("auto", tmp_path / "none", DIM)) is ExactIndex
    with pytest.raises(MissingDependencyError, match=r"pip install 'stylesearch\[faiss\]'"):
        open_index("faiss", tmp_path / "none", DIM)


def test_two_faiss_distributions_are_refused(tmp_path, monkeypatch):
    for name in ("faiss_cpu", "faiss_gpu"):
        (tmp_path / f"{name}-1.15.1.dist-info").mkdir()
        (tmp_path / f"{name}-1.15.1.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: 1.15.1\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(VectorIndexError, match=r"'faiss-cpu' and 'faiss-gpu'.*pip uninstall --yes faiss-cpu faiss-gpu"):
        open_index("faiss", tmp_path / "none", DIM)
