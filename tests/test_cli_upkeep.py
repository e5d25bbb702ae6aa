"""The commands that look after a library, as a user types them."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pictures import draw, encode
from typer.testing import CliRunner, Result

from stylesearch.cli import app


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def run_json(*arguments: object, code: int = 0) -> Any:
    return json.loads(run(*arguments, "--json", code=code).stdout)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed, name in enumerate(("a.png", "b.jpg")):
        (folder / name).write_bytes(encode(draw(seed), {"png": "PNG", "jpg": "JPEG"}[name[-3:]]))
    return folder


@pytest.fixture
def library(tmp_path: Path, pictures: Path) -> Path:
    folder = tmp_path / "library"
    run("init", folder, "--encoder", "descriptors:lab-gradient")
    run("index", pictures, "--library", folder)
    return folder


def test_the_report_names_the_stage_that_limits(tmp_path: Path, pictures: Path) -> None:
    library = tmp_path / "library"
    run("init", library, "--encoder", "descriptors:lab-gradient")
    assert run_json("status", "--library", library)["last_run"] is None
    printed = run("index", pictures, "--library", library).output
    assert "Limited by: " in printed and "decode " in printed
    report = run_json("index", pictures, "--library", library, "--rehash")
    assert (report["unchanged"], report["stages"]["hash"]["count"]) == (2, 2)
    last = run_json("status", "--library", library)["last_run"]
    assert {key: last[key] for key in report} == report and last["started"] <= last["finished"]
    assert "2 unchanged in " in run("status", "--library", library).stdout


def test_dry_run_tells_and_writes_nothing(library: Path, pictures: Path) -> None:
    (pictures / "new.png").write_bytes(encode(draw(9), "PNG"))
    before = run_json("status", "--library", library)
    printed = run("index", pictures, "--library", library, "--dry-run").stdout
    assert "1 new, 2 unchanged." in printed and "Nothing was written." in printed
    assert run_json("index", pictures, "--library", library, "--dry-run")["new"] == 1
    assert run_json("status", "--library", library) == before


def test_pages_are_found(library: Path, pictures: Path) -> None:
    draw(1).save(pictures / "c.tif", save_all=True, append_images=[draw(2)])
    report = run_json("index", pictures, "--library", library, "--pages", "all")
    assert (report["new"], report["parts"]) == (2, 1)
    shutil.rmtree(library / "thumbnails")
    run("search", pictures / "a.png", "--library", library, "--sheet", library / "sheet.png")  # draws them again
    hits = run_json("search", pictures / "a.png", "--library", library)
    assert f"{pictures}/c.tif#page=2" in {path for hit in hits for path in hit["paths"]}
    assert len(list((library / "thumbnails").rglob("*.webp"))) == 3


def test_a_disk_that_is_away(library: Path, pictures: Path) -> None:
    pictures.rename(pictures.with_name("unplugged"))
    result = run("index", pictures, "--library", library, code=3)
    assert "2 missing" in result.output and "is the disk mounted?" in result.output
    assert run_json("status", "--library", library)["files_missing"] == 2
    told = run("index", pictures, "--library", library, "--dry-run").stdout
    assert "its pictures would be marked as missing" in told
    pictures.with_name("unplugged").rename(pictures)
    run("index", pictures, "--library", library)
    assert run_json("status", "--library", library)["files_missing"] == 0


def test_verify_in_every_form(library: Path, pictures: Path, tmp_path: Path) -> None:
    assert run("verify", "--library", library).stdout.startswith("2 as they were in ")
    manifest = tmp_path / "manifest.txt"
    run("verify", pictures, "--library", library, "--write-manifest", manifest)
    (pictures / "a.png").unlink()
    printed = run("verify", pictures, "--library", library, code=3).stdout
    assert "a.png\tmissing\t" in printed and "1 as they were, 1 missing" in printed
    found = run_json("verify", pictures, "--library", library, "--manifest", manifest, code=3)
    assert (found["good"], found["missing"], found["files"][0]["path"]) == (1, 1, str(pictures / "a.png"))
    assert "knows no file" in run("verify", tmp_path / "nowhere", "--library", library, code=2).output


def test_prune_says_before_it_does(library: Path, pictures: Path) -> None:
    assert "Would drop 0 pictures" in run("prune", "--library", library).stdout
    (pictures / "a.png").unlink()
    run("index", pictures, "--library", library)
    assert run_json("prune", "--library", library)["assets"] == 0, "gone a moment ago"
    asked = run("prune", "--library", library, "--keep-days", "0").stdout
    assert "Would drop 1 pictures" in asked and "stylesearch prune --yes" in asked
    done = run_json("prune", "--library", library, "--keep-days", "0", "--yes")
    assert (done["dropped"], done["assets"], done["thumbnails"]) == (True, 1, 1)
    status = run_json("status", "--library", library)
    assert (status["pictures"], status["files_gone"], status["searchable"]) == (1, 0, 1)


def test_errors_by_reason_with_decoder_and_digest(library: Path, pictures: Path) -> None:
    (pictures / "cut.png").write_bytes(encode(draw(3), "PNG")[:200])
    (pictures / "text.png").write_bytes(b"no picture")
    shutil.copy(pictures / "text.png", pictures / "text2.png")
    run("index", pictures, "--library", library, code=3)
    (cut,) = run_json("errors", "--library", library, "--reason", "truncated")
    assert (cut["reason"], cut["decoder"], len(cut["sha256"])) == ("truncated", "bitmaps", 64)
    assert len(run_json("errors", "--library", library)) == 3
    rows = list(csv.DictReader(io.StringIO(run("errors", "--library", library, "--csv").stdout)))
    assert {row["decoder"] for row in rows} == {"bitmaps", ""} and all(row["sha256"] for row in rows)
    assert cut["sha256"] in run("errors", "--library", library).stdout
    assert "There is no reason 'broken'" in run("errors", "--library", library, "--reason", "broken", code=2).output
    retried = run_json("index", pictures, "--library", library, "--retry-failed", code=3)
    assert (retried["refused"], retried["still_refused"]) == (3, 0)
