"""Metadata, tags and looks on their way from the file through the catalog to filters; and of older libraries."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from catalog_records import APPEARANCE, SPACE, sha, vector
from described import MUSEUM, POSTER, described_library, names
from indexing import SETTINGS
from pictures import draw

from indexer.run import index
from stylesearch import Filters, Library, Query
from stylesearch.catalog import Catalog
from stylesearch.errors import UsageError
from stylesearch.metadata import xmp_sidecar
from stylesearch.palette import hex_of
from stylesearch.records import Batch, FileStat, IndexedFile, Metadata


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("described")
    described_library(folder)
    return folder


def run(library: Library, folder: Path, **options: Any):
    return index(
        library.catalog, library.encoder, [folder], thumbnails=library.thumbnails, settings=SETTINGS, **options
    )


def test_what_a_file_says_is_in_the_catalog(folder: Path) -> None:
    with Library.open(folder / "library") as library:
        details = library.find(folder / "pictures" / "poster.jpg")
        found = details.metadata
        assert (found.title, found.creators, found.year) == ("=Poster; 1", POSTER.creators, 1972)
        assert details.tags == {"Grün": ("file",), "Poster": ("file",)}
        assert details.appearance is not None
        assert 1 <= len(details.appearance.palette) <= 8
        assert sum(colour.share for colour in details.appearance.palette) == pytest.approx(1, abs=1e-2)
        assert all(len(hex_of(colour)) == 7 for colour in details.appearance.palette)
        vase = library.find(folder / "pictures" / "deep" / "vase.png")
        assert (vase.metadata.title, vase.metadata.year, set(vase.tags)) == ("Vase", 1890, {"vase", "grün"})
        plain = library.find(folder / "pictures" / "plain.png")
        assert (plain.metadata, plain.tags, len(plain.asset.paths)) == (Metadata(), {}, 2)


def test_a_picture_is_found_by_id_path_and_content(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.jpg").write_bytes((folder / "pictures" / "poster.jpg").read_bytes())
    with Library.open(folder / "library") as library:
        details = library.find(tmp_path / "elsewhere.jpg")
        assert library.find(details.asset.id) == details
        draw(99).save(tmp_path / "unknown.png")
        for source in (tmp_path / "unknown.png", 99, 0):
            with pytest.raises(UsageError, match=r"does not have .*stylesearch index PATH"):
                library.find(source)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"tags": "GRÜN"}, ["poster.jpg", "vase.png"]),
        ({"tags": ["vase", "poster"]}, ["poster.jpg", "vase.png"]),
        ({"tags": "post"}, []),
        ({"creators": "müller"}, ["poster.jpg"]),
        ({"creators": "mu\u0308LLER"}, ["poster.jpg"]),
        ({"creators": ["bo", "museum"]}, ["poster.jpg", "vase.png"]),
        ({"creators": "%"}, []),
        ({"licences": "creativecommons.org"}, ["poster.jpg"]),
        ({"licences": "©"}, ["poster.jpg"]),
        ({"licences": "public DOMAIN"}, ["vase.png"]),
        ({"software": "photoshop"}, ["poster.jpg"]),
        ({"software": "automatic1111"}, ["cat.png"]),
        ({"years": (1970, 1985)}, ["poster.jpg"]),
        ({"years": (None, 1972)}, ["poster.jpg", "vase.png"]),
        ({"years": (1973, None)}, []),
        ({"generated": True}, ["cat.png"]),
        ({"generated": False}, ["plain.png", "poster.jpg", "vase.png"]),
        ({"tags": "grün", "paths": "deep/**"}, ["vase.png"]),
        ({"tags": "grün", "formats": "jpg", "years": (1972, 1972)}, ["poster.jpg"]),
        ({"tags": "grün", "generated": True}, []),
    ],
)
def test_filters(folder: Path, filters: dict[str, Any], expected: list[str]) -> None:
    with Library.open(folder / "library") as library:
        assert names(library, **filters) == expected
        hits = library.search(Query(folder / "pictures" / "plain.png", exclude_references=False, **filters))
        assert sorted(Path(hit.path).name for hit in hits) == expected


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"tags": [""]}, "filter of tags is empty"),
        ({"creators": " "}, "filter of creators is empty"),
        ({"years": (1985, 1970)}, "1985 to 1970 run backwards"),
    ],
)
def test_impossible_filters(filters: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Filters(**filters)


def test_tags_of_people_stay_and_those_of_files_follow_the_files(tmp_path: Path) -> None:
    with Library.open(described_library(tmp_path)) as library:
        vase = tmp_path / "pictures" / "deep" / "vase.png"
        number = library.find(vase).asset.id
        library.tag([number], add=["Mine", "VASE", "mine"])
        assert library.find(vase).tags == {"grün": ("file",), "Mine": ("user",), "vase": ("file", "user")}
        (tmp_path / "pictures" / "deep" / "vase.xmp").write_bytes(xmp_sidecar(MUSEUM, ["changed"]))
        assert run(library, tmp_path / "pictures").described == 0, "the picture has not changed"
        report = run(library, tmp_path / "pictures", reread_metadata=True)
        assert (report.described, report.unchanged, report.encoded) == (5, 0, 0)
        assert library.find(vase).tags == {"changed": ("file",), "Mine": ("user",), "VASE": ("user",)}
        library.tag([number], remove=["mine", "CHANGED", "unknown"])
        assert library.find(vase).tags == {"changed": ("file",), "VASE": ("user",)}
        assert names(library, tags="mine") == []
        with pytest.raises(UsageError, match="no asset 99"):
            library.tag([99], add=["x"])
        with pytest.raises(UsageError, match="empty"):
            library.tag([number], add=["\0"])


def test_a_library_of_an_older_version_is_described_without_encoding(tmp_path: Path) -> None:
    folder = described_library(tmp_path)
    connection = sqlite3.connect(folder / "catalog.db")
    for table in ("metadata", "asset_terms", "terms", "appearances"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608
    connection.execute("DELETE FROM counters WHERE name NOT IN ('sequence', 'state')")
    connection.commit()
    connection.close()
    with Library.open(folder) as library:
        assert (library.status().counts.undescribed, names(library, tags="grün")) == (4, [])
        before = library.status().searchable
        report = run(library, tmp_path / "pictures")
        assert (report.described, report.new, report.encoded, report.done) == (5, 0, 0, 5)
        assert (library.status().counts.undescribed, library.status().searchable) == (0, before)
        assert names(library, tags="grün") == ["poster.jpg", "vase.png"]
        assert run(library, tmp_path / "pictures").unchanged == 5


def test_looks_of_an_older_version_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = described_library(tmp_path)
    connection = sqlite3.connect(folder / "catalog.db")
    connection.execute("UPDATE appearances SET version = 0")
    connection.commit()
    connection.close()
    with Library.open(folder) as library:
        assert len(library.catalog.perceptual_hashes()[0]) == 0
        assert library.find(tmp_path / "pictures" / "cat.png").appearance is None
        assert run(library, tmp_path / "pictures").described == 5
        assert len(library.catalog.perceptual_hashes()[0]) == 4


def test_everything_survives_both_databases(catalog: Catalog) -> None:
    metadata = Metadata(
        title="T\u2028",
        description="two\nlines 🎨",
        creators=("A" * 500, "B"),
        rights="r" * 2_000,
        keywords=("ﷺ" * 100, "x"),
        date="-0043",
        year=-43,
        generation={"tool": "T", "seed": 2**70, "cfg_scale": 7.5},
        notes=("n",),
    )
    file = IndexedFile(FileStat("/a.png", 1, 1), sha("a"), "PNG", 4, 3, vector("a"), metadata, APPEARANCE)
    space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan("/")
    for _ in range(2):  # writing again changes nothing
        catalog.write(space_id, scan_id, Batch([file]))
        (details,) = catalog.details(catalog.asset_ids().tolist()).values()
        assert details.metadata == Metadata(**{**_fields(metadata), "keywords": ()})
        assert set(details.tags) == set(metadata.keywords)
        assert details.appearance == APPEARANCE
        ids, hashes, sizes = catalog.perceptual_hashes()
        assert (ids.tolist(), hashes.tolist(), sizes.tolist()) == ([1], [2**63 + 5], [[4, 3]])
    counts = catalog.counts()
    assert (counts.undescribed, counts.tagged) == (0, 1)
    assert catalog.asset_ids(Filters(years=(-100, 0), creators=["a" * 500], tags=["ﷺ" * 100])).tolist() == [1]
    assert catalog.asset_ids(Filters(generated=False)).tolist() == []


def _fields(metadata: Metadata) -> dict[str, Any]:
    return {name: getattr(metadata, name) for name in Metadata.__slots__}
