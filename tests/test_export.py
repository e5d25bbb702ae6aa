"""The catalogue in other programs: tables, sidecars, and tags that come back."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from described import described_library, names
from pictures import draw, encode
from typer.testing import CliRunner

from stylesearch import Filters, Library, tagging
from stylesearch import export as module
from stylesearch.cli import app
from stylesearch.errors import UsageError
from stylesearch.export import COLUMNS, export_sidecars, sidecar_path
from stylesearch.metadata import read_metadata
from stylesearch.records import Asset, Details, Metadata


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("described")
    described_library(folder)
    return folder


def by_name(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {Path(row["paths"][0]).name: row for row in rows}


def test_json_lines_hold_everything(folder: Path, tmp_path: Path) -> None:
    with Library.open(folder / "library") as library:
        assert library.export(tmp_path / "all.jsonl") == 4
    rows = by_name([json.loads(line) for line in (tmp_path / "all.jsonl").read_text("utf-8").splitlines()])
    poster = rows["poster.jpg"]
    assert list(poster) == list(COLUMNS)
    assert (poster["title"], poster["tags"], poster["year"]) == ("=Poster; 1", ["Grün", "Poster"], 1972)
    assert poster["sha256"] == hashlib.sha256((folder / "pictures" / "poster.jpg").read_bytes()).hexdigest()
    assert rows["cat.png"]["generation"]["prompt"] == "a cat" and rows["cat.png"]["generated"] is True
    assert len(rows["plain.png"]["paths"]) == 2 and rows["plain.png"]["palette"][0].startswith("#")


def test_parquet_holds_the_same_in_bounded_pieces(folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "_ROW_GROUP", 3)
    with Library.open(folder / "library") as library:
        library.export(tmp_path / "all.parquet")
        library.export(tmp_path / "all.jsonl")
    table = pq.ParquetFile(tmp_path / "all.parquet")
    assert table.num_row_groups == 2 and table.schema_arrow.names == list(COLUMNS)
    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text("utf-8").splitlines()]
    for row in lines:
        row["generation"] = json.dumps(row["generation"]) if row["generation"] else None
    assert table.read().to_pylist() == lines


def test_csv_opens_in_a_spreadsheet_and_starts_no_formula(folder: Path, tmp_path: Path) -> None:
    with Library.open(folder / "library") as library:
        library.export(tmp_path / "some.csv", Filters(formats=["jpg"]))
    assert (tmp_path / "some.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    with open(tmp_path / "some.csv", encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["title"], row["tags"], row["creators"]) == ("'=Poster; 1", "Grün; Poster", "Anna Müller; Bo")
    assert row["paths"] == str(folder / "pictures" / "poster.jpg")


def test_an_export_is_whole_or_not_there(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text("before")
    with Library.open(folder / "library") as library:
        with pytest.raises(ZeroDivisionError):
            module.export_table((1 / 0 for _ in "x"), tmp_path / "all.csv")  # type: ignore[misc]
        assert (tmp_path / "all.csv").read_text() == "before"
        for target, message in (("a.xlsx", "must end in .csv, .jsonl, .parquet"), ("no/a.csv", "cannot be written")):
            with pytest.raises(UsageError, match=message):
                library.export(tmp_path / target)
    assert [path.name for path in tmp_path.iterdir()] == ["all.csv"]


def test_sidecars_mirror_the_disk_and_leave_pictures_alone(folder: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in (folder / "pictures").rglob("*.*")}
    with Library.open(folder / "library") as library:
        assert library.export_sidecars(tmp_path / "out") == (3, 0), "plain.png has nothing to say"
        target = sidecar_path(tmp_path / "out", str(folder / "pictures" / "poster.jpg"))
        assert target == tmp_path / "out" / str(folder)[1:] / "pictures" / "poster.jpg.xmp"
        found = read_metadata(b"", "GIF", target.read_bytes())
        assert (found.title, found.keywords, found.year) == ("=Poster; 1", ("Grün", "Poster"), 1972)
        target.write_text("mine")
        assert library.export_sidecars(tmp_path / "out") == (0, 3) and target.read_text() == "mine"
        assert library.export_sidecars(tmp_path / "out", overwrite=True) == (3, 0) and target.read_text() != "mine"
    assert {path: path.read_bytes() for path in (folder / "pictures").rglob("*.*")} == before


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "../x",
        "/a.zip#member=../../x.png",
        "s3://bucket/key",
        "/a/" + "n" * 255,
        "/a\0b",
        r"C:\a",
    ],
)
def test_no_sidecar_leaves_its_folder(path: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    details = Details(Asset(1, "0" * 64, 1, "PNG", 1, 1, (path,)), Metadata(title="T"), {}, None)
    assert export_sidecars([details], out) == (1, 0)
    (written,) = (file for file in tmp_path.rglob("*") if file.is_file())
    assert written.resolve().is_relative_to(out.resolve()) and written.suffix == ".xmp"


def table(path: Path, text: str) -> Path:
    path.write_bytes(text.encode("utf-8-sig"))
    return path


@pytest.fixture
def library(tmp_path: Path):
    with Library.open(described_library(tmp_path)) as opened:
        yield opened


def test_tags_come_by_path_content_and_name(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = tmp_path / "pictures"
    digest = hashlib.sha256((pictures / "cat.png").read_bytes()).hexdigest().upper()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tagging, "_TOGETHER", 2)
    by_path = (
        f"path,tags\n{pictures}/poster.jpg,red; blue\npictures/cat.png,red\n/nowhere,red\n,red\n{pictures}/cat.png,\n"
    )
    report = library.import_tags(table(tmp_path / "a.csv", by_path), dry_run=True)
    assert names(library, tags="red") == [], "a dry run writes nothing"
    assert library.import_tags(tmp_path / "a.csv") == report
    assert (report.rows, report.matched, report.assets) == (3, 2, 2)
    assert [(row.line, row.key) for row in report.unmatched] == [(4, "/nowhere")]
    assert names(library, tags="red") == ["cat.png", "poster.jpg"]
    assert library.find(pictures / "cat.png").tags == {"red": ("imported",)}
    report = library.import_tags(table(tmp_path / "b.csv", f"SHA256;Tags\n{digest};green\n"), key="sha256")
    assert report.matched == 1 and names(library, tags="green") == ["cat.png"]
    draw(50).save(pictures / "deep" / "cat.png")
    from test_library import fill

    fill(library, pictures)
    by_name = "File\tSubject\nvase.png\ta, b\ncat.png\tc\nplain.png\td\n"
    report = library.import_tags(
        table(tmp_path / "c.csv", by_name), key="name", key_column="file", tag_column="subject", separator=","
    )
    assert (report.matched, [row.key for row in report.ambiguous]) == (2, ["cat.png"])
    assert names(library, tags=["a"]) == ["vase.png"] and names(library, tags="d") == ["plain.png"], "one asset"


def test_importing_twice_changes_nothing(library: Library, tmp_path: Path) -> None:
    rows = table(tmp_path / "a.csv", f"path,tags\n{tmp_path}/pictures/cat.png,red\n{tmp_path}/pictures/cat.png,RED;x\n")
    assert library.import_tags(rows) == library.import_tags(rows)
    assert library.find(tmp_path / "pictures" / "cat.png").tags == {"RED": ("imported",), "x": ("imported",)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,labels\n", "no column 'tags'; it has 'path', 'labels'"),
        (b"", "no column 'path'; it has none"),
        (b"path,tags\n\xff,x\n", "no CSV in UTF-8"),
        (b"path,tags\n" + b"x" * 2**21 + b",x\n", "no CSV in UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_tables_that_cannot_be_read(library: Library, tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(UsageError, match=message):
        library.import_tags(tmp_path / "a.csv")


def test_nothing_is_written_over_an_original(tmp_path: Path) -> None:
    table = pa.table({"image": [{"bytes": encode(draw(3), "PNG")}]})
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    pq.write_table(table, pictures / "rows.parquet")
    (pictures / "a.png").write_bytes(encode(draw(1), "PNG"))
    (tmp_path / "link.csv").symlink_to(pictures / "a.png")
    before = {path: path.read_bytes() for path in pictures.iterdir()}
    arguments = ["-l", str(tmp_path / "library")]
    runner = CliRunner()
    assert (
        runner.invoke(app, ["init", str(tmp_path / "library"), "--encoder", "descriptors:lab-gradient"]).exit_code == 0
    )
    assert runner.invoke(app, ["index", str(pictures), *arguments]).exit_code == 0
    for command in (
        ["export", f"{pictures}/rows.parquet"],
        ["export", f"{tmp_path}/link.csv"],
        ["verify", "--write-manifest", f"{pictures}/a.png"],
        ["search", "id:1", "--sheet", f"{pictures}/a.png"],
        ["export", "/", "--xmp", "--overwrite"],
    ):
        result = runner.invoke(app, [*command, *arguments])
        assert result.exit_code == 2 and re.search("one of the originals|beside the pictures", result.output), (
            result.output
        )
    hard = tmp_path / "sheet.png"
    hard.hardlink_to(pictures / "a.png")  # a name that the library does not know
    assert runner.invoke(app, ["search", "id:1", "--sheet", str(hard), *arguments]).exit_code == 0
    assert hard.read_bytes() != before[pictures / "a.png"]
    assert {path: path.read_bytes() for path in pictures.iterdir()} == before
