"""Commands about what is known: show, tag, dupes, export, import-tags, and the filters of a search."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from described import described_library
from pictures import draw
from test_cli import run, run_json

from stylesearch.cli.describe import FOUND
from stylesearch.cli.filters import years_of
from stylesearch.errors import UsageError
from stylesearch.library import Library


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("described")
    described_library(folder)
    return folder


def test_show(folder: Path) -> None:
    poster = run_json("show", folder / "pictures" / "poster.jpg", "-l", folder / "library")
    assert (poster["title"], poster["year"]) == ("=Poster; 1", 1972)
    assert poster["tags"] == [{"tag": "Grün", "sources": ["file"]}, {"tag": "Poster", "sources": ["file"]}]
    shown = run("show", f"id:{poster['id']}", "-l", folder / "library").stdout
    assert "title            =Poster; 1\n" in shown and "tags             Grün (file); Poster (file)\n" in shown
    cat = run("show", folder / "pictures" / "cat.png", "-l", folder / "library").stdout
    assert "generated        by a model\n" in cat and "prompt: a cat\n" in cat and "%" in cat
    refused = run("show", "id:99", "-l", folder / "library", code=2)
    assert "does not have asset 99" in refused.output


def test_search_filters(folder: Path) -> None:
    reference = folder / "pictures" / "plain.png"

    def found(*options: str) -> list[str]:
        hits = run_json("search", reference, *options, "-l", folder / "library")
        return sorted(Path(hit["paths"][0]).name for hit in hits)

    assert found("--creator", "müller") == ["poster.jpg"]
    assert found("--tag", "vase", "--tag", "poster") == ["poster.jpg", "vase.png"]
    assert found("--licence", "public domain") == found("--date", "..1900") == ["vase.png"]
    assert found("--date", "1970..1985", "--software", "photoshop") == ["poster.jpg"]
    assert found("--generated") == ["cat.png"] and found("--not-generated") == ["poster.jpg", "vase.png"]
    with Library.open(folder / "library") as library:
        for colour in library.facets().colours:
            asset_ids = {asset.id for asset in library.browse(9, colours=colour.value)}
            asked = ("search", f"id:{min(asset_ids)}", "--colour", colour.value, "--include-references")
            hits = run_json(*asked, "-l", folder / "library")
            assert {hit["id"] for hit in hits} == asset_ids
    assert found("--size", "small") == ["cat.png", "poster.jpg", "vase.png"] and found("--size", "huge") == []
    assert found("--shape", "portrait") + found("--shape", "landscape", "--shape", "square") == found()
    assert found("--group-by", "folder") == ["cat.png", "vase.png"]
    assert found("--group-by", "folder", "--group-size", "2") == found()
    assert found("--group-by", "creator") == found()
    assert "creator, folder" in run("search", reference, "--group-by", "x", "-l", folder / "library", code=2).output
    assert "'mauve'" in run("search", reference, "--colour", "mauve", "-l", folder / "library", code=2).output
    assert "run backwards" in run("search", reference, "--date", "2..1", "-l", folder / "library", code=2).output


@pytest.mark.parametrize(
    ("text", "years"),
    [
        (None, (None, None)),
        ("1972", (1972, 1972)),
        ("1970..1985", (1970, 1985)),
        ("1970..", (1970, None)),
        ("..1985", (None, 1985)),
        ("-44 .. 14", (-44, 14)),
    ],
)
def test_years(text: str | None, years: tuple[int | None, int | None]) -> None:
    assert years_of(text) == years


@pytest.mark.parametrize("text", ["", "..", "1970-1985", "last year", "19701", "1970...1980", "1970 1980"])
def test_what_is_no_year(text: str) -> None:
    with pytest.raises(UsageError, match=r"1970\.\.1985"):
        years_of(text)


def test_export_and_import(folder: Path, tmp_path: Path) -> None:
    library = folder / "library"
    assert run_json("export", tmp_path / "a.jsonl", "--tag", "grün", "-l", library)["written"] == 2
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text("utf-8").splitlines()]
    assert sorted(row["title"] for row in rows) == ["=Poster; 1", "Vase"]
    assert "Wrote 3 sidecars" in run("export", tmp_path / "xmp", "--xmp", "-l", library).stdout
    assert "3 sidecars were there" in run("export", tmp_path / "xmp", "--xmp", "-l", library).stderr
    (tmp_path / "tags.csv").write_text(f"path,tags\n{folder}/pictures/cat.png,red\n/nowhere.png,red\n")
    tried = run("import-tags", tmp_path / "tags.csv", "--dry-run", "-l", library, code=3)
    assert tried.stdout == "1 of 2 rows would tag 1 pictures.\n"
    assert tried.stderr == "line 3: '/nowhere.png': not in the library\n"
    report = run_json("import-tags", tmp_path / "tags.csv", "-l", library, code=3)
    assert report["unmatched"] == [{"line": 3, "key": "/nowhere.png"}] and report["pictures"] == 1
    assert run_json("status", "-l", library)["tagged"] == 3
    assert "must be path, sha256 or name" in run("import-tags", tmp_path / "tags.csv", "--key", "x", code=2).output


def test_tag(folder: Path) -> None:
    library, vase = folder / "library", folder / "pictures" / "deep" / "vase.png"
    (tagged,) = run_json("tag", vase, "--add", "mine", "-l", library)
    assert tagged["tags"] == ["grün", "mine", "vase"]
    assert run("tag", f"id:{tagged['id']}", "--remove", "mine", "-l", library).stdout == f"{tagged['id']}\tgrün; vase\n"
    assert "--add or --remove" in run("tag", vase, "-l", library, code=2).output


def test_dupes(folder: Path, tmp_path: Path) -> None:
    (exact,) = run_json("dupes", "-l", folder / "library")
    assert (exact["kind"], len(exact["paths"]), exact["others"]) == ("exact", 2, [])
    assert run("dupes", "--check", "-l", folder / "library", code=FOUND).stderr == "Groups: 1 exact, 0 near.\n"
    shutil.copytree(folder / "pictures", tmp_path / "pictures")
    draw(1).resize((60, 40)).save(tmp_path / "pictures" / "small.png")
    run("init", tmp_path / "library", "--encoder", "descriptors:lab-gradient")
    run("index", tmp_path / "pictures", "-l", tmp_path / "library")
    lines = run("dupes", "--kind", "near", "--cosine", 0.5, "-l", tmp_path / "library").stdout.splitlines()
    assert [line.split("\t")[-1].rpartition("/")[2] for line in lines] == ["poster.jpg", "small.png"]


def test_sidecars_that_changed_are_read_on_request(tmp_path: Path) -> None:
    described_library(tmp_path)
    arguments = "index", tmp_path / "pictures", "-l", tmp_path / "library"
    assert run_json(*arguments)["described"] == 0
    assert run_json(*arguments, "--reread-metadata")["described"] == 5
