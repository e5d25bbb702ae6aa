"""Drift between catalog, index and thumbnails: each kind is found, and mended, and nothing else is touched."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from catalog_records import DIM, OTHER_SPACE, SPACE, indexed, sha, vector
from sqlalchemy import update
from typer.testing import CliRunner

from stylesearch import CatalogError, Library, Query
from stylesearch.catalog import Catalog
from stylesearch.catalog.checking import faults
from stylesearch.catalog.tables import VectorRow
from stylesearch.cli import app
from stylesearch.doctor import examine
from stylesearch.records import Batch, Changes
from stylesearch.settings import LibrarySettings
from stylesearch.thumbnails import thumbnail_path, write_thumbnail
from stylesearch.vectors import open_index

NAMES = ("red", "green", "blue", "grey")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A library of four pictures, with thumbnails and a saved index."""
    folder = tmp_path / "library"
    folder.mkdir()
    LibrarySettings(SPACE, None, "exact").write(folder)
    with Library.open(folder) as library:
        space_id, scan_id = library.catalog.ensure_space(SPACE), library.catalog.begin_scan("/a")
        library.catalog.write(space_id, scan_id, Batch([indexed(f"/a/{name}.png", name) for name in NAMES]))
        for name in NAMES:
            write_old(thumbnail_path(library.thumbnails, sha(name)))
        library.refresh()
    return folder


def write_old(path: Path, data: bytes = b"webp") -> None:
    write_thumbnail(path, data)
    os.utime(path, (1, 1))


def change(folder: Path, *statements: str) -> None:
    with sqlite3.connect(folder / "catalog.db") as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def problems(folder: Path, mend: bool = False) -> list[tuple[str, str, int]]:
    with Library.open(folder) as library:
        findings = list(examine(library, mend=mend))
    assert [finding.mended for finding in findings] == [mend and finding.mendable for finding in findings]
    return [(finding.where, finding.problem, finding.count) for finding in findings]


def found(folder: Path) -> list[str]:
    with Library.open(folder) as library:
        return sorted(Path(hit.path).stem for hit in library.search(Query(vector("red"), k=9)))


def test_a_sound_library_has_no_findings(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert problems(folder) == problems(folder, mend=True) == []
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    ("damage", "problem", "left"),
    [
        ("UPDATE vectors SET data = x'00' WHERE asset_id = 2", ("vectors", 1), ["blue", "grey", "red"]),
        (
            "UPDATE vectors SET data = x'007e007e007e007e007e007e007e007e' WHERE asset_id IN (2, 3)",
            ("vectors", 2),
            ["grey", "red"],
        ),
        ("UPDATE vectors SET live = 0 WHERE asset_id = 1", ("unsettled", 1), sorted(NAMES)),
        ("UPDATE locations SET present = 0 WHERE asset_id = 1", ("unsettled", 1), ["blue", "green", "grey"]),
        ("UPDATE counters SET value = 2", ("counter", 2), sorted(NAMES)),
        ("UPDATE vectors SET space_id = 9 WHERE asset_id = 1", ("dangling", 1), ["blue", "green", "grey"]),
    ],
)
def test_faults_of_the_catalog(folder: Path, damage: str, problem: tuple[str, int], left: list[str]) -> None:
    change(folder, damage)
    assert ("catalog", *problem) in problems(folder)
    assert ("catalog", *problem) in problems(folder), "looking changes nothing"
    assert ("catalog", *problem) in problems(folder, mend=True)
    assert problems(folder) == []
    assert found(folder) == left


def test_rows_that_point_to_nothing_go_with_what_points_to_them(folder: Path) -> None:
    change(folder, "DELETE FROM assets WHERE id = 1")
    ((where, problem, count), *_) = problems(folder)
    assert (where, problem) == ("catalog", "dangling") and count >= 3, "location, vector, appearance"
    problems(folder, mend=True)
    assert (problems(folder), found(folder)) == ([], ["blue", "green", "grey"])


def test_an_index_of_the_database_that_lacks_a_row_is_made_anew(folder: Path) -> None:
    change(
        folder,
        "PRAGMA writable_schema = ON",
        "CREATE INDEX ix_odd ON assets (width) WHERE height > 1000",
        "UPDATE sqlite_master SET sql = 'CREATE INDEX ix_odd ON assets (width)' WHERE name = 'ix_odd'",
    )
    assert ("catalog", "damaged", 5) in problems(folder)  # four rows, and their number
    problems(folder, mend=True)
    assert problems(folder) == []


def test_a_vector_of_another_length_is_named_where_it_is_met(folder: Path) -> None:
    change(folder, "UPDATE vectors SET data = x'00' WHERE asset_id = 2")
    shutil.rmtree(folder / "index")
    with pytest.raises(CatalogError, match="stylesearch doctor --mend"):
        found(folder)


def _save(folder: Path, ids: list[int], names: list[str]) -> None:
    """An index that claims to be of this catalog, and holds these vectors."""
    with Library.open(folder) as library:
        searching, history = library.searching(), library.catalog.history(4)
    shutil.rmtree(folder / "index")
    index = open_index("exact", searching.index_path, DIM)
    vectors = np.stack([vector(name) for name in names])
    index.apply(Changes(np.array(ids), vectors, np.ones(len(ids), bool), 4, history))
    index.save(searching.index_path)


@pytest.mark.parametrize(
    ("ids", "names"),
    [([1, 2, 3], ["red", "green", "blue"]), ([1, 2, 3, 9], list(NAMES)), ([1, 2, 3, 4], ["red", "green", "blue", "x"])],
    ids=["missing", "extra", "another"],
)
def test_an_index_whose_rows_differ_is_made_anew(folder: Path, ids: list[int], names: list[str]) -> None:
    _save(folder, ids, names)
    assert problems(folder) == problems(folder, mend=True) == [("index", "index", 1)]
    assert (problems(folder), found(folder)) == ([], sorted(NAMES))


def test_an_index_that_is_damaged_or_of_another_catalog_is_made_anew(folder: Path) -> None:
    with Library.open(folder) as library:
        path = library.searching().index_path
    path.write_bytes(path.read_bytes()[:-3])
    assert problems(folder) == problems(folder, mend=True) == [("index", "index", 1)]
    assert problems(folder) == []
    change(folder, "UPDATE history SET token = 'another'")
    assert problems(folder, mend=True) == [("index", "index", 1)]
    assert problems(folder) == []


def test_what_is_left_of_spaces_and_thumbnails_goes(folder: Path) -> None:
    left = folder / "index" / f"{OTHER_SPACE.key}.vectors"
    left.write_bytes(b"old")
    strange = thumbnail_path(folder / "thumbnails", sha("unknown"))
    write_old(strange)
    shelf = thumbnail_path(folder / "thumbnails", sha("red")).parent
    write_old(shelf / ".half.partial", b"he")
    write_thumbnail(shelf / f"{sha('in the making')}.webp", b"webp")
    thumbnail_path(folder / "thumbnails", sha("green")).unlink()
    empty = thumbnail_path(folder / "thumbnails", sha("blue"))
    empty.write_bytes(b"")
    os.utime(empty, (1, 1))
    expected = [("index", "leftover", 1), ("thumbnails", "unknown", 1), ("thumbnails", "empty", 1)]
    assert problems(folder, mend=True) == [*expected, ("thumbnails", "abandoned", 1)]
    assert problems(folder) == []
    assert not (left.exists() or strange.exists() or empty.exists())
    assert thumbnail_path(folder / "thumbnails", sha("red")).exists()


def test_the_command(folder: Path) -> None:
    def run(*arguments: str) -> tuple[int, Any]:
        result = CliRunner().invoke(app, ["doctor", "-l", str(folder), *arguments])
        return result.exit_code, json.loads(result.stdout) if "--json" in arguments else result.stdout

    assert run() == (0, "Nothing is wrong.\n")
    change(folder, "UPDATE vectors SET live = 0 WHERE asset_id = 1")
    code, said = run()
    assert code == 1 and "stylesearch doctor --mend --library" in said
    code, (finding, *_) = run("--mend", "--json")
    assert (code, finding["problem"], finding["mended"]) == (0, "unsettled", True)
    assert run("--json") == (0, [])


def test_both_engines_check_their_vectors(catalog: Catalog) -> None:
    space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan("/a")
    catalog.write(space_id, scan_id, Batch([indexed(f"/a/{name}.png", name) for name in NAMES]))
    assert list(faults(catalog)) == []
    with catalog.writing() as connection:
        connection.execute(update(VectorRow).values(live=False))
    (fault,) = faults(catalog)
    assert (fault.problem, fault.count) == ("unsettled", 4)
    assert fault.cure is not None
    fault.cure()
    assert list(faults(catalog)) == []
