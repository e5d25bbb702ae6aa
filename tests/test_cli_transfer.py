"""`stylesearch transfer`, `backends` and `lineage`, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pictures import draw, encode
from PIL import Image
from transferring import FakeBackend
from typer.testing import CliRunner, Result

from stylesearch.cli import app


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def run_json(*arguments: object) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> FakeBackend:
    """What every name of a backend stands for."""
    made = FakeBackend()
    monkeypatch.setattr("stylesearch.transfer.load_backend", lambda name: made)
    return made


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for seed, name in enumerate(("a.png", "b.png", "c.png")):
        (pictures / name).write_bytes(encode(draw(seed), "PNG"))
    folder = tmp_path / "library"
    run("init", folder, "--encoder", "descriptors:lab-gradient")
    monkeypatch.setenv("STYLESEARCH_LIBRARY", str(folder))
    run("index", pictures)
    return folder


def test_pictures_are_made_and_tell_how(library: Path, backend: FakeBackend, tmp_path: Path) -> None:
    made = run("transfer", "--ref", "id:1", "--prompt", "a fox", "-n", 2, "--size", "96x64", "--seed", 5)
    assert "fake: For tests alone." in made.stderr, "the terms are said before"
    assert "stylesearch lineage id:4" in made.stderr
    rows = [line.split("\t") for line in made.stdout.splitlines()]
    assert [(row[2], row[3]) for row in rows] == [("4", "5"), ("5", "6")]
    with Image.open(rows[0][4]) as opened:
        assert opened.size == (96, 64)
    assert {hit["id"] for hit in run_json("search", "id:1", "-k", "2")} == {4, 5}
    shown = run("lineage", "id:4").stdout
    assert "prompt     a fox" in shown and "reference  a.png (id:1, likeness 0." in shown
    assert "Made from it: id:5, id:4" in run("lineage", "id:1").stdout
    assert "It was not made here." in run("lineage", "id:2").stdout


def test_references_weights_and_content(library: Path, backend: FakeBackend, tmp_path: Path) -> None:
    run("board", "create", "Ink", "id:2", "id:3")
    dropped = tmp_path / "dropped.png"
    dropped.write_bytes(encode(draw(9), "PNG"))
    asked = ["transfer", "--ref", dropped, "--ref", "board:Ink", "--weights", "2,0.5", "--content", "id:1"]
    (made,) = run_json(*asked, "--strength", 0.5, "--steps", 3)
    assert [(one["name"], one["weight"], one.get("id")) for one in made["references"]] == [
        ("dropped.png", 2.0, None),
        ("b.png", 0.5, 2),
        ("c.png", 0.5, 3),
    ]
    assert (made["content"]["id"], made["strength"], made["steps"], made["commercial_use"]) == (1, 0.5, 3, False)
    assert made["fidelity"]["space"] == "descriptors:lab-gradient" and 0 <= made["fidelity"]["leak"] <= 1
    assert run_json("lineage", f"id:{made['id']}")["lineage"]["seed"] == made["seed"]
    manifest = json.loads(run("lineage", f"id:{made['id']}", "--c2pa").stdout)
    assert [one["title"] for one in manifest["ingredients"]] == ["dropped.png", "b.png", "c.png", "a.png"]


def test_what_goes_wrong_is_told_in_a_line(library: Path, backend: FakeBackend) -> None:
    assert "ran out of paint" in run("transfer", "--ref", "id:1", "--prompt", "fail", code=1).stderr
    assert "no asset 99" in run("transfer", "--ref", "id:99", code=2).stderr
    assert "The size is '5cm'" in run("transfer", "--ref", "id:1", "--size", "5cm", code=2).stderr
    assert "was not made here" in run("lineage", "id:1", "--c2pa", code=2).stderr
    assert not (library / "created").exists()


def test_backends_are_listed_with_their_terms(library: Path) -> None:
    listed = run_json("backends")
    assert listed[0]["name"] == "preview" and listed[0]["usable"]
    assert all(one["what"] and one["licence"] and one["usable"] != bool(one["missing"]) for one in listed)
    shown = run("backends").stdout
    assert "preview\n" in shown and "Takes " in shown


def test_an_unknown_backend(library: Path) -> None:
    refused = run("transfer", "--ref", "id:1", "--backend", "oil", code=2).stderr
    assert "no transfer backend 'oil'" in refused and "stylesearch backends" in refused
