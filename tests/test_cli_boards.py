"""`stylesearch board`, as a user types it."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from pictures import draw, encode
from typer.testing import CliRunner, Result

from stylesearch import Library
from stylesearch.backup import back_up, restore
from stylesearch.cli import app

NAMES = ("a.png", "b.png", "c.png")


def run(*arguments: object, code: int = 0, typed: str | None = None) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=typed)
    assert result.exit_code == code, result.output
    return result


def run_json(*arguments: object, code: int = 0, typed: str | None = None) -> Any:
    return json.loads(run(*arguments, "--json", code=code, typed=typed).stdout)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed, name in enumerate(NAMES):
        (folder / name).write_bytes(encode(draw(seed), "PNG"))
    return folder


@pytest.fixture
def library(tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "library"
    run("init", folder, "--encoder", "descriptors:lab-gradient")
    monkeypatch.setenv("STYLESEARCH_LIBRARY", str(folder))
    run("index", pictures)
    return folder


def test_a_board_is_made_filled_shown_and_emptied(library: Path, pictures: Path) -> None:
    assert "No boards. Make one with: stylesearch board create NAME" in run("board", "list").stderr
    made = run_json("board", "create", "Ink & wash", "--notes", "for Anna")
    assert (made["id"], made["name"], made["notes"], made["pictures"]) == (1, "Ink & wash", "for Anna", 0)
    added = run_json("board", "add", "ink & WASH", pictures / "a.png", "id:2", "--weight", "2", "--note", "line")
    assert len(added["added"]) == 2 and added["there"] == []
    again = run("board", "add", "1", pictures / "a.png", pictures / "c.png").stdout
    assert "Put 1 picture on 'Ink & wash'; 1 lay there already." in again
    shown = run_json("board", "show", "1")
    assert [item["weight"] for item in shown["items"]] == [2, 2, 1]
    assert [item["note"] for item in shown["items"]] == ["line", "line", ""]
    assert all(item["paths"] and not item["missing"] for item in shown["items"])
    assert "board 1, 3 pictures" in run("board", "show", "1").stdout
    assert "Took 1 picture off" in run("board", "remove", "1", pictures / "c.png").stdout
    assert [one["pictures"] for one in run_json("board", "list")] == [2]


def test_hits_of_a_search_go_to_a_board(library: Path, pictures: Path) -> None:
    run("board", "create", "Close", pictures / "a.png")
    hits = run("search", pictures / "a.png", "--json").stdout
    assert len(run_json("board", "add", "Close", "-", typed=hits)["added"]) == 2
    assert run_json("board", "add", "Close", "-", typed=f"{pictures / 'b.png'}\nid:1\n")["added"] == []
    assert (
        "not what 'stylesearch search --json' prints" in run("board", "add", "Close", "-", typed="[1]", code=2).stderr
    )


def test_renaming_deleting_and_bringing_back(library: Path) -> None:
    run("board", "create", "Ink")
    assert "called 'Wash'" in run("board", "rename", "ink", "Wash").stdout
    assert "Bring it back with: stylesearch board restore 1" in run("board", "delete", "Wash").stdout
    assert run_json("board", "list") == []
    assert [one["name"] for one in run_json("board", "list", "--deleted")] == ["Wash"]
    assert "is deleted. Bring it back with" in run("board", "show", "1", code=2).stderr
    assert run_json("board", "restore", "1")["name"] == "Wash"


def test_a_board_is_taken_along(library: Path, pictures: Path, tmp_path: Path) -> None:
    run("board", "create", "Ink", *(pictures / name for name in NAMES))
    assert run_json("board", "export", "Ink", tmp_path / "ink.zip") == {
        "file": str(tmp_path / "ink.zip"),
        "written": 3,
        "missing": [],
    }
    with zipfile.ZipFile(tmp_path / "ink.zip") as archive:
        assert sorted(archive.namelist()) == ["Ink/manifest.json", *(f"Ink/pictures/{name}" for name in NAMES)]
    run("board", "export", "Ink", tmp_path / "figma", "--figma")
    assert len(list((tmp_path / "figma").iterdir())) == 4
    for name in ("ink.pdf", "ink.png", "ink.csv"):
        assert f"Wrote 3 pictures to {tmp_path / name}" in run("board", "export", "Ink", tmp_path / name).stdout
    with open(tmp_path / "ink.csv", encoding="utf-8-sig", newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == list(NAMES)
    (pictures / "b.png").unlink()
    partly = run("board", "export", "Ink", tmp_path / "less.zip", code=3)
    assert "Wrote 2 pictures" in partly.stdout and "Missing: b.png. No file holds" in partly.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "9"], "There is no board 9. See them with: stylesearch board list"),
        (["show", "Wash"], "There is no board 'Wash'"),
        (["add", "Ink", "id:99"], "does not have asset 99"),
        (["add", "Ink", "nothing.png"], "nothing.png"),
        (["add", "Ink", "id:1", "--weight", "-1"], "from 0 to 10"),
        (["rename", "Ink", " "], "needs a name"),
        (["create", ""], "needs a name"),
        (["export", "Ink", "ink.rar"], "must end in .zip"),
        (["export", "Ink", "ink.pdf", "--paper", "b5"], "There is no paper 'b5'"),
        (["export", "Ink", "ink.zip", "--max-gb", "0"], "one ZIP may have 0.0 GB"),
    ],
)
def test_what_cannot_be_is_said_plainly(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    run("board", "create", "Ink", "id:1")
    result = CliRunner().invoke(app, ["board", *arguments])
    assert result.exit_code in (1, 2)
    assert message in " ".join(result.stderr.split())


def test_a_board_is_searched_with(library: Path, pictures: Path) -> None:
    run("board", "create", "Ink", "id:1", "id:2")
    run("board", "add", "Ink", "id:2", "--weight", "0")
    by_board, by_picture = run_json("search", "board:Ink"), run_json("search", "id:1")
    assert by_board == by_picture
    assert run_json("search", "board:1", "id:2", "--weights", "1,0.5") == run_json(
        "search", "id:1", "id:2", "--weights", "1,0.5"
    )
    run("board", "create", "Empty")
    assert "has no picture that counts" in run("search", "board:Empty", code=2).stderr


def test_backups_carry_boards_and_verify_does_not_mind(library: Path, tmp_path: Path) -> None:
    run("board", "create", "Ink", "id:1", "id:2", "--notes", "keep")
    run("board", "add", "Ink", "id:2", "--note", "here")
    with Library.open(library) as opened:
        before = opened.boards.get(1)
    back_up(library, tmp_path / "backup")
    run("board", "remove", "Ink", "id:1", "id:2")
    run("board", "delete", "Ink")
    restore(tmp_path / "backup", library, overwrite=True)
    with Library.open(library) as opened:
        assert opened.boards.get(1) == before
    run("doctor")
