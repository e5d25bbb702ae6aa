"""Filters that Qdrant's engine answers by itself find what the catalog says, whatever is written meanwhile."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from stylesearch import Library, Query
from stylesearch.errors import UsageError
from stylesearch.filtering import conditions_of
from stylesearch.query import Filters
from stylesearch.records import Appearance, Batch, FileStat, IndexedFile, Metadata, Space
from stylesearch.settings import LibrarySettings
from stylesearch.vectors.base import VectorIndex
from stylesearch.vectors.exact import ExactIndex

# Of the client that plays the server.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect"),
]

DIM = 8
COUNT = 40
SPACE = Space("test:drawn", "0" * 64, DIM, "float32", "none")

FILTERS: list[dict[str, Any]] = [
    {"formats": ["png"]},
    {"formats": ["png", "gif"]},
    {"tags": ["Tusche"]},
    {"tags": ["TUSCHE", "holz"]},
    {"creators": ["hoku"]},
    {"creators": ["hoku", "straße"]},
    {"licences": ["by-sa"]},
    {"software": ["gimp 2"]},
    {"years": (1830, None)},
    {"years": (1825, 1832)},
    {"years": (None, 1825)},
    {"generated": True},
    {"generated": False},
    {"paths": ["/a/ink"]},
    {"paths": ["/a/ink/4.png"]},
    {"paths": ["/a/ink/"]},
    {"paths": ["/a/in"]},
    {"paths": ["/a/ink", "/b/**"]},
    {"paths": ["/cafe\N{COMBINING ACUTE ACCENT}"]},
    {"paths": ["/b/book.zip"]},
    {"tags": ["tusche"], "formats": ["png"], "years": (1820, None), "paths": ["/a"]},
    {"tags": ["nobody has this"]},
]


def file(row: int, vector: np.ndarray) -> IndexedFile:
    folder = ["/a/ink", "/a/inkling", "/b/book.zip#member=", "/cafe\N{COMBINING ACUTE ACCENT}"][row % 4]
    uri = f"{folder}{'' if folder.endswith('=') else '/'}{row}.png"
    metadata = Metadata(
        creators=(("Katsushika Hokusai", "Anna Stra\N{LATIN SMALL LETTER SHARP S}e", "NN")[row % 3],),
        licence=("CC BY-SA 4.0", None)[row % 2],
        software=("GIMP 2.10", "GIMP 3", None)[row % 3],
        year=(1820 + row if row % 5 else None),
        source_type="trainedAlgorithmicMedia" if row % 7 == 0 else None,
        keywords=(("Tusche",) if row % 2 else ("Holz", "tusche") if row % 3 == 0 else ()),
    )
    name, seen = ("PNG", "GIF", "JPEG")[row % 3], Appearance((), 0)
    return IndexedFile(FileStat(uri, 1, 1), f"{row:064x}", name, 8, 8, vector, metadata, seen)


@pytest.fixture(params=["edge", "server"])
def library(request, tmp_path, monkeypatch) -> Iterator[Library]:
    """A library whose vectors lie in Qdrant's engine."""
    kind = "qdrant"
    if request.param == "server":
        url = os.environ.get("STYLESEARCH_TEST_QDRANT_URL")
        kind = f"qdrant+{url or 'http://none'}/test-{uuid.uuid4().hex}"
        monkeypatch.setenv("STYLESEARCH_QDRANT_API_KEY", os.environ.get("STYLESEARCH_TEST_QDRANT_API_KEY", ""))
        if url is None:
            client = pytest.importorskip("qdrant_client").QdrantClient(":memory:")
            monkeypatch.setattr("stylesearch.vectors.qdrant_server.connect", lambda server: client)
            monkeypatch.setattr(client, "close", lambda: None)  # it is opened again
    else:
        pytest.importorskip("qdrant_edge")
    LibrarySettings(space=SPACE, index=kind).write(tmp_path)
    with Library.open(tmp_path) as opened:
        vectors = np.random.default_rng(1).standard_normal((COUNT, DIM), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        files = [file(row, vector) for row, vector in enumerate(vectors)]
        catalog = opened.catalog
        catalog.write(catalog.ensure_space(SPACE), catalog.begin_scan("/"), Batch(indexed=files))
        yield opened
        opened.searching().drop_index()


def found(library: Library, **filters: Any) -> set[int]:
    return {hit.asset.id for hit in library.search(Query(np.eye(DIM, dtype=np.float32)[0], k=COUNT, **filters))}


def assert_filters_agree(library: Library) -> None:
    for filters in FILTERS:
        expected = set(library.catalog.asset_ids(Filters(**filters)).tolist())
        assert found(library, **filters) == expected, filters


def test_the_engine_finds_what_the_catalog_says(library, monkeypatch):
    sizes = [len(library.catalog.asset_ids(Filters(**filters))) for filters in FILTERS]
    assert sizes.count(0) == 2 and max(sizes) < COUNT  # of a path that is but the start of one, and of a tag
    assert_filters_agree(library)
    assert library.searching().index().takes_facts

    def never(*_: object) -> None:
        raise AssertionError("the engine filters by itself")

    monkeypatch.setattr(library.catalog, "asset_ids", never)
    for filters in FILTERS:
        found(library, **filters)


def test_what_people_write_is_followed(library):
    assert_filters_agree(library)
    catalog, ids = library.catalog, sorted(found(library))
    catalog.add_tags({asset_id: ["Tusche", "new"] for asset_id in ids[:9]}, "user")
    assert found(library, tags=["NEW"]) == set(ids[:9])
    catalog.remove_tags(ids[:4], ["new", "tusche"])
    assert found(library, tags=["new"]) == set(ids[4:9])
    assert_filters_agree(library)
    scan = catalog.begin_scan("/moved")
    moved = [IndexedFile(FileStat(f"/moved/{row}.png", 1, 1), f"{row:064x}", "", 0, 0, None) for row in range(6)]
    catalog.write(catalog.ensure_space(SPACE), scan, Batch(indexed=moved))
    assert found(library, paths=["/moved"]) == set(ids[:6])
    catalog.forget("/a/ink")
    assert_filters_agree(library)
    catalog.forget("/moved")
    assert_filters_agree(library)
    assert len(found(library)) == COUNT - 10


def test_a_rebuild_holds_the_same(library):
    library.catalog.add_tags({1: ["late"]}, "user")
    assert found(library, tags=["late"]) == {1}
    library.rebuild()
    assert_filters_agree(library)
    assert found(library, tags=["late"]) == {1}


def test_a_picture_that_is_tagged_keeps_its_place_in_the_index(library, monkeypatch):
    index = library.searching().index()
    written: list[int] = []
    monkeypatch.setattr(type(index), "_write", lambda self, ids, *_: written.extend(ids.tolist()))
    library.catalog.add_tags({2: ["later"]}, "user")
    assert found(library, tags=["later"]) == {2} and written == []


def test_flat_tables_do_not_change_where_only_facts_do(tmp_path):
    LibrarySettings(space=SPACE, index="exact").write(tmp_path)
    with Library.open(tmp_path) as library:
        vectors = np.eye(DIM, dtype=np.float32)
        files = [file(row, vector) for row, vector in enumerate(vectors)]
        library.catalog.write(
            library.catalog.ensure_space(SPACE), library.catalog.begin_scan("/"), Batch(indexed=files)
        )
        index = library.searching().index()
        assert isinstance(index, ExactIndex)
        table, sequence = index._table, index.sequence
        library.catalog.add_tags({1: ["later"], 3: ["later"]}, "user")
        assert found(library, tags=["later"]) == {1, 3}
        assert index.sequence > sequence and np.shares_memory(index._table.vectors, table.vectors)


@pytest.mark.parametrize("pattern", ["/a/*.png", "posters", "/a/[b]", "s3://bucket/a", "/a#b", "~/a", ""])
def test_globs_that_the_catalog_must_answer(pattern):
    assert conditions_of(Filters(paths=[pattern, "/a"])) is None


def test_filters_are_conditions():
    assert conditions_of(Filters()) == ()
    for filters in FILTERS:
        assert conditions_of(Filters(**filters)), filters


def test_an_index_without_facts_refuses_conditions():
    index: VectorIndex = ExactIndex(DIM)
    conditions = conditions_of(Filters(tags=["a"]))
    with pytest.raises(UsageError, match="keeps no facts"):
        index.search(np.eye(1, DIM, dtype=np.float32), 1, conditions)
    with pytest.raises(UsageError, match="keeps no facts"):
        index.above(np.eye(1, DIM, dtype=np.float32)[0], 0.5, conditions)
