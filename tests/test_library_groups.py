"""Hits of many creators and folders, rather than twenty of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks import drawn_library
from benchmarks.drawn_library import vector_of
from stylesearch import Query, UsageError, library_search
from stylesearch.library import Library
from stylesearch.records import Appearance, Batch, FileStat, Hit, IndexedFile, Metadata

FILES, FOLDERS = 600, 30
CREATORS = ("", "Ann", "ann", "Bo", "Cy")


def creator_of(number: int) -> str:
    return CREATORS[number // 100 % len(CREATORS)]  # a hundred in a row are of one style


@pytest.fixture(scope="module", params=["exact", "faiss", "qdrant"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """Whose numbers lie in folders of their own, twenty to a folder."""
    pytest.importorskip({"exact": "numpy", "qdrant": "qdrant_edge"}.get(request.param, request.param))
    folder = tmp_path_factory.mktemp("groups") / "library"
    drawn_library.create(folder, request.param)
    with Library.open(folder) as opened:
        files = [
            IndexedFile(
                FileStat(f"/drawn/{number * FOLDERS // FILES}/{number}.png", 1, 1),
                f"{number:064x}", "PNG", 8, 8, vector_of(number),
                metadata=Metadata(creators=(creator_of(number), "Zed") if creator_of(number) else ()),
                appearance=Appearance((), number),
            )
            for number in range(FILES)
        ]  # fmt: skip
        scan_id = opened.catalog.begin_scan("/drawn")
        opened.catalog.write(opened.catalog.ensure_space(opened.space), scan_id, Batch(indexed=files))
        yield opened


def numbers(hits: list[Hit]) -> list[int]:
    return [int(Path(hit.path).stem) for hit in hits]


def nearest(query: np.ndarray) -> list[int]:
    """All numbers, best first."""
    cosines = np.stack([vector_of(number) for number in range(FILES)]).astype(np.float16).astype(np.float32) @ query
    return np.argsort(-cosines, kind="stable").tolist()


@pytest.mark.parametrize(("size", "k"), [(1, 7), (3, 25), (1, 100)])
def test_the_best_of_each_folder_as_if_all_had_been_compared(library: Library, size: int, k: int) -> None:
    query, met, expected = vector_of(250), Counter[int](), []
    for number in nearest(query):
        met[number * FOLDERS // FILES] += 1
        if met[number * FOLDERS // FILES] <= size:
            expected.append(number)
    hits = library.search(Query(query, k=k, group_by="Folder", group_size=size))
    assert numbers(hits) == expected[:k]
    assert len(hits) == min(k, size * FOLDERS)


def test_creators_are_the_first_named_and_nobody_stands_for_no_one(library: Library) -> None:
    hits = library.search(Query(vector_of(150), k=FILES, group_by="creator"))
    found = Counter(creator_of(number).casefold() for number in numbers(hits))
    assert found == {"ann": 1, "bo": 1, "cy": 1, "": sum(not creator_of(number) for number in range(FILES))}
    assert numbers(hits)[0] == 150


def test_filters_and_references_hold_in_groups(library: Library) -> None:
    own = next(asset.id for asset in library.browse(1, folders="/drawn/4"))
    hits = library.search(Query(own, k=9, group_by="folder", folders=["/drawn/4", "/drawn/7"]))
    assert sorted(Path(hit.path).parent.name for hit in hits) == ["4", "7"]
    assert own not in [hit.asset.id for hit in hits]


def test_no_more_than_so_many_neighbours_are_looked_at(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library_search, "_GROUPED_AMONG", 100)
    query = vector_of(250)
    folders = {number * FOLDERS // FILES for number in nearest(query)[:100]}
    assert len(library.search(Query(query, k=30, group_by="folder"))) == len(folders) < FOLDERS


@pytest.mark.parametrize("wrong", [{"group_by": "artist"}, {"group_size": 0}, {"group_size": 1.5}, {"group_size": 2}])
def test_other_groups_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"'artist'; there are: creator, folder|group_size is"):
        Query(1, **wrong)  # type: ignore[arg-type]
