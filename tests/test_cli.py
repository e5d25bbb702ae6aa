"""The commands, as a user types them."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from studio import draw, draw_studio
from typer.testing import CliRunner, Result

from stylesearch.cli import app
from stylesearch.cli.app import hint, with_library
from stylesearch.cli.find import weights_of
from stylesearch.errors import UsageError
from stylesearch.records import Asset, Hit
from stylesearch.sheets import contact_sheet


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def run_json(*arguments: object, code: int = 0):
    return json.loads(run(*arguments, "--json", code=code).stdout)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    draw_studio(folder)
    return folder


@pytest.fixture(scope="module")
def library(tmp_path_factory, pictures) -> Path:
    folder = tmp_path_factory.mktemp("library") / "archive"
    run("init", folder, "--encoder", "descriptors:lab-gradient")
    report = run_json("index", pictures, "--library", folder, code=3)
    assert (report["new"], report["refused"]) == (16, 1)
    return folder


def test_search_finds_the_style_and_not_the_shape(library, tmp_path):
    reference = tmp_path / "reference.png"
    draw("riso", "disc", seed=7).save(reference)
    hits = run_json("search", reference, "-l", library, "-k", 4)
    assert [Path(hit["paths"][0]).parent.name for hit in hits] == ["riso"] * 4
    assert hits[0]["cosine"] == max(hit["cosine"] for hit in hits) <= 1
    assert (hits[0]["width"], hits[0]["height"]) == (160, 120)


def test_a_reference_of_the_library_is_left_out_unless_asked_for(library, pictures):
    reference = pictures / "ink" / "disc.png"
    assert str(reference) not in [hit["paths"][0] for hit in run_json("search", reference, "-l", library)]
    hits = run_json("search", reference, "-l", library, "--include-references")
    assert hits[0]["paths"] == [str(reference)] and hits[0]["cosine"] > 0.999


def test_search_by_id_equals_search_by_file(library, pictures):
    reference = pictures / "moss" / "ring.png"
    number = run_json("search", reference, "-l", library, "--include-references", "-k", 1)[0]["id"]
    by_id = run_json("search", f"id:{number}", "-l", library)
    by_file = run_json("search", reference, "-l", library)
    assert [hit["id"] for hit in by_id] == [hit["id"] for hit in by_file]
    # The file is encoded in float32, the id is looked up in float16.
    assert [hit["cosine"] for hit in by_id] == pytest.approx([hit["cosine"] for hit in by_file], abs=1e-3)


def test_weights_and_counter_references_steer(library, pictures):
    ink, night = pictures / "ink" / "disc.png", pictures / "night" / "disc.png"
    for weights, expected in {"1,0.1": "ink", "0.1,1": "night"}.items():
        hits = run_json("search", ink, night, "--weights", weights, "-l", library, "-k", 3)
        assert {Path(hit["paths"][0]).parent.name for hit in hits} == {expected}
    plain = run_json("search", ink, "-l", library)
    steered = run_json("search", ink, "--unlike", night, "-l", library)

    def night_scores(hits):
        return {hit["id"]: hit["cosine"] for hit in hits if "/night/" in hit["paths"][0]}

    before, after = night_scores(plain), night_scores(steered)
    assert len(after) == 3  # the counter-reference itself is left out
    assert all(score < before[number] for number, score in after.items())


def test_filters_by_format_and_path(library, pictures):
    reference = pictures / "ink" / "disc.png"
    jpegs = run_json("search", reference, "-l", library, "--format", "jpeg")
    assert len(jpegs) == 4 and {hit["format"] for hit in jpegs} == {"JPEG"}
    night = run_json("search", reference, "-l", library, "--path", "night/**")
    assert len(night) == 4 and all("/night/" in hit["paths"][0] for hit in night)
    assert run_json("search", reference, "-l", library, "--path", "nowhere/**") == []


def test_contact_sheet_shows_reference_and_hits(library, pictures, tmp_path):
    sheet = tmp_path / "sheet.png"
    run("search", pictures / "ink" / "disc.png", "-l", library, "-k", 5, "--sheet", sheet)
    with Image.open(sheet) as image:
        assert image.width > 6 * 200
        assert len(set(image.convert("RGB").get_flattened_data())) > 500


def test_contact_sheet_makes_missing_thumbnails_again(library, pictures, tmp_path):
    for name in ("before.png", "after.png"):
        run("search", pictures / "ink" / "disc.png", "-l", library, "-k", 5, "--sheet", tmp_path / name)
        shutil.rmtree(library / "thumbnails")
    assert (tmp_path / "before.png").read_bytes() == (tmp_path / "after.png").read_bytes()


def test_status_counts(library):
    status = run_json("status", "-l", library)
    assert (status["pictures"], status["files"], status["files_refused"], status["searchable"]) == (16, 16, 1, 16)
    shown = run("status", "-l", library).stdout
    assert "descriptors:lab-gradient" in shown and "SQLite, in the folder" in shown
    assert f"stylesearch errors --library {library}" in shown


def test_status_shows_the_catalog(tmp_path):
    run("init", tmp_path / "team", "--encoder", "descriptors:lab-gradient", "--catalog", f"sqlite:///{tmp_path}/c.db")
    assert run_json("status", "-l", tmp_path / "team")["catalog"] == f"sqlite:///{tmp_path}/c.db"


def test_hints_name_the_library_where_the_environment_does_not(library, monkeypatch):
    monkeypatch.setenv("STYLESEARCH_LIBRARY", str(library))
    assert run("status").stdout.rstrip().endswith("stylesearch errors")
    assert hint("stylesearch errors", None) == "stylesearch errors"
    assert hint("stylesearch errors", Path("my library")) == "stylesearch errors --library 'my library'"
    assert with_library("stylesearch space add b:c, stylesearch space add --region subject", Path("a")) == (
        "stylesearch space add --library a b:c, stylesearch space add --library a --region subject"
    )
    assert with_library("Try: stylesearch index PATH --retry-failed. Or not", Path("a")) == (
        "Try: stylesearch index PATH --retry-failed --library a. Or not"
    )
    assert with_library("stylesearch import-tags F, stylesearch prune --keep-days 3", Path("a")) == (
        "stylesearch import-tags --library a F, stylesearch prune --library a --keep-days 3"
    )
    whole = "stylesearch init 'x', stylesearch index PATH --library b, stylesearch backends"
    assert with_library(whole, Path("a")) == whole


def test_errors_names_each_bad_file_in_every_form(library, pictures):
    rows = run_json("errors", "-l", library)
    assert [(row["path"], row["reason"]) for row in rows] == [(str(pictures / "notes.jpg"), "not-an-image")]
    assert next(csv.DictReader(io.StringIO(run("errors", "-l", library, "--csv").stdout)))["path"] == rows[0]["path"]
    shown = run("errors", "-l", library)
    cells = (rows[0]["path"], rows[0]["reason"], rows[0]["message"], "", rows[0]["sha256"])
    assert shown.stdout == "\t".join(cells) + "\n"
    assert "--retry-failed --library" in shown.stderr


def test_piped_hits_are_a_line_each(library, pictures):
    arguments = ("search", pictures / "ink" / "disc.png", "-l", library, "-k", 3)
    rows = [line.split("\t") for line in run(*arguments).stdout.splitlines()]
    assert rows == [
        [f"{hit['cosine']:.3f}", str(hit["id"]), f"{hit['width']}x{hit['height']}", hit["paths"][0]]
        for hit in run_json(*arguments)
    ]
    nothing = run(*arguments, "--path", "nowhere/**")
    assert nothing.stdout == "" and "Nothing found" in nothing.stderr


def test_too_large_names_the_variable_and_the_command(library, pictures, tmp_path, monkeypatch):
    run("init", tmp_path / "small", "--encoder", "descriptors:lab-gradient")
    for variable in ("STYLESEARCH_MAX_PIXELS", "STYLESEARCH_MAX_BYTES"):
        monkeypatch.setenv(variable, "100")
        run("index", pictures / "ink" / "disc.png", "-l", tmp_path / "small", "--retry-failed", code=3)
        (row,) = run_json("errors", "-l", tmp_path / "small")
        assert variable in row["message"] and "stylesearch index PATH --retry-failed" in row["message"]


def test_forget_takes_out_a_folder_that_was_renamed(tmp_path):
    draw_studio(tmp_path / "old")
    (tmp_path / "old" / "notes.jpg").unlink()
    run("init", tmp_path / "library", "--encoder", "descriptors:lab-gradient")
    run("index", tmp_path / "old", "-l", tmp_path / "library")
    (tmp_path / "old").rename(tmp_path / "new")
    run("index", tmp_path / "new", "-l", tmp_path / "library")
    assert run_json("forget", tmp_path / "old", "-l", tmp_path / "library") == {"forgotten": 16}
    assert run_json("status", "-l", tmp_path / "library")["files"] == 16
    assert "Forgot 0 files" in run("forget", tmp_path / "old", "-l", tmp_path / "library").stdout
    assert "Forgot 1 file." in run("forget", tmp_path / "new" / "ink" / "disc.png", "-l", tmp_path / "library").stdout
    assert (tmp_path / "new" / "ink" / "disc.png").exists()


def test_weights_cover_texts_after_references():
    assert weights_of(None, 2, 1) == [1, 1, 1]
    assert weights_of("1,0.5,2", 2, 1) == [1, 0.5, 2]
    with pytest.raises(UsageError, match="3 weights for 2 references and 0 texts"):
        weights_of("1,0.5,2", 2, 0)


def test_linked_folders_are_counted(library, pictures, tmp_path):
    (tmp_path / "link").symlink_to(pictures / "ink")
    result = run("index", tmp_path, "-l", library)
    assert "1 linked folder skipped; name it to index it" in result.stderr


@pytest.mark.parametrize(("suffix", "most"), [(".webp", 360), (".jpg", 1452)])
def test_contact_sheet_larger_than_its_format_allows(tmp_path, suffix, most):
    hit = Hit(Asset(1, "0" * 64, 1, "PNG", 1, 1, ("/a.png",)), 1.0)
    with pytest.raises(UsageError, match=f"room for {most:,} pictures, and there are {most + 1:,}"):
        contact_sheet([hit] * (most + 1), tmp_path / f"sheet{suffix}", lambda asset: tmp_path / "never read")


def test_contact_sheet_with_an_odd_file_name(tmp_path):
    draw("ink", "disc").save(tmp_path / "thumbnail.webp")
    hit = Hit(Asset(1, "0" * 64, 1, "PNG", 1, 1, ("/line\nbreak.png",)), 1.0)
    contact_sheet([hit], tmp_path / "sheet.png", lambda asset: tmp_path / "thumbnail.webp")
    contact_sheet([hit], tmp_path / "empty.png", lambda asset: None)
    assert (tmp_path / "sheet.png").stat().st_size > (tmp_path / "empty.png").stat().st_size


def test_rebuild_finds_the_same(library, pictures):
    reference = pictures / "ink" / "disc.png"
    before = run_json("search", reference, "-l", library)
    assert run_json("rebuild", "-l", library) == {"searchable": 16}
    assert run_json("search", reference, "-l", library) == before


def test_indexing_again_does_nothing_and_retrying_tries(library, pictures):
    report = run_json("index", pictures, "-l", library, code=3)
    assert (report["unchanged"], report["still_refused"], report["encoded"]) == (16, 1, 0)
    assert run_json("index", pictures, "-l", library, "--retry-failed", code=3)["refused"] == 1
    assert run_json("errors", "-l", library)[0]["attempts"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["status", "-l", "{tmp}/none"], 1, "stylesearch init"),
        (["init", "{library}"], 1, "There is a library"),
        (["init", "{tmp}/new", "--encoder", "clop"], 1, "There is no encoder 'clop'"),
        (["init", "{tmp}/new", "--catalog", "mysql://x"], 1, "sqlite:///"),
        (["index", "{tmp}/none", "-l", "{library}"], 2, "none'"),
        (["search", "{tmp}/none.png", "-l", "{library}"], 1, "none.png"),
        (["search", "{pictures}/notes.jpg", "-l", "{library}"], 1, "notes.jpg"),
        (["search", "id:999", "-l", "{library}"], 2, "no asset 999"),
        (["search", "id:1", "--weights", "x", "-l", "{library}"], 2, "must be numbers"),
        (["search", "id:1", "--weights", "1,2", "-l", "{library}"], 2, "2 weights for 1 references and 0 texts"),
        (["search", "id:1", "--weights", "-1", "-l", "{library}"], 2, "positive"),
        (["search", "id:1", "-k", "0", "-l", "{library}"], 2, "k is 0"),
        (["search", "id:1", "--unlike", "id:1", "--weights", "0.5", "-l", "{library}"], 2, "cancel out"),
        (["search", "id:1", "--sheet", "{tmp}/x.gif", "-l", "{library}"], 2, "must end in"),
        (["search", "id:1", "--sheet", "{pictures}", "-l", "{library}"], 2, "must end in"),
        (["search", "id:99999999999999999999", "-l", "{library}"], 2, "no asset 99999999999999999999"),
        (["index", "{tmp}/none", "-l", "{library}"], 2, "stylesearch forget PATH --library "),
        (["init", "{library}"], 1, "stylesearch index PATH --library "),
    ],
)
def test_mistakes_are_explained_without_a_traceback(arguments, code, message, library, pictures, tmp_path):
    places = {"tmp": tmp_path, "library": library, "pictures": pictures}
    result = run(*(argument.format(**places) for argument in arguments), code=code)
    assert message in result.stderr.replace("\n", " "), result.output
    assert "Error: " in result.stderr and "Traceback" not in result.output


def test_a_failed_init_leaves_nothing_behind(tmp_path):
    run("init", tmp_path / "new", "--encoder", "clop", code=1)
    assert not (tmp_path / "new").exists()


def test_sample_draws_styles_by_contents(tmp_path):
    report = run_json("sample", tmp_path / "drawn", "--styles", 2, "--contents", 3, "--size", 64)
    files = sorted((tmp_path / "drawn").rglob("*.*"))
    assert report["pictures"] == len(files) == 6
    assert len({file.parent for file in files}) == 2
    for file in files:
        with Image.open(file) as image:
            assert image.size == (64, 64)
    run("sample", tmp_path / "drawn", code=2)


def test_every_command_has_help_with_examples():
    commands = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    everyday = {"init", "index", "search", "status", "errors", "formats", "forget", "rebuild", "ui", "sample"}
    everyday |= {"verify", "prune", "backup", "restore", "doctor", "calibrate", "atlas"}
    assert set(commands) == everyday | {
        "show",
        "explain",
        "tag",
        "dupes",
        "export",
        "import-tags",
        "transfer",
        "backends",
        "lineage",
    }
    for command in commands:
        text = run(command, "--help").stdout
        assert f"$ stylesearch {command}" in text, command


def test_the_installed_command_runs():
    program = Path(sys.executable).with_name("stylesearch")
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert shown.startswith("stylesearch 0.")
