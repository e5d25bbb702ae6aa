"""Several spaces in one library: added later, searched by name, emptied and dropped."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from studio import draw, draw_studio
from typer.testing import CliRunner, Result

from stylesearch import EncoderError, Library, Query, SpaceMismatchError, UsageError
from stylesearch.cli import app
from stylesearch.encoders.descriptors import LabGradientEncoder
from stylesearch.settings import LibrarySettings

FIRST, SECOND = "descriptors:lab-gradient", "compact:v3"


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library in two spaces, the second of them added later; beside it the folder `pictures`."""
    folder = tmp_path_factory.mktemp("spaces")
    draw_studio(folder / "pictures")
    run("init", folder / "library", "--encoder", FIRST)
    run("index", folder / "pictures", "-l", folder / "library", code=3)
    run("space", "add", SECOND, "-l", folder / "library")
    filled = json.loads(run("space", "fill", "-l", folder / "library", "--json").stdout)
    assert filled[SECOND]["encoded"] == 16
    return folder / "library"


def copied(library: Path, folder: Path) -> Path:
    shutil.copytree(library, folder / "library")
    return folder / "library"


def spaces_of(library: Path) -> dict[str, tuple[int, bool]]:
    rows = json.loads(run("space", "list", "-l", library, "--json").stdout)
    return {row["space"]: (row["vectors"], row["searches"]) for row in rows}


def test_each_space_is_searched_by_its_name(filled: Path) -> None:
    assert spaces_of(filled) == {FIRST: (16, True), SECOND: (16, False)}
    with Library.open(filled) as library:
        number = library.browse(1)[0].id
        cosines = []
        for name in (None, FIRST, SECOND):
            hits = library.search(Query(draw("moss", "bars", seed=3), k=16), space=name)
            assert len(hits) == 16 and hits[0].cosine > hits[-1].cosine
            assert len(library.search(Query(number, k=20), space=name)) == 15
            cosines.append([hit.cosine for hit in hits])
        assert cosines[0] == cosines[1] != cosines[2]
        with pytest.raises(SpaceMismatchError):
            library.search(Query(np.ones(library.space.dim, np.float32)), space=SECOND)
        with pytest.raises(UsageError, match=rf"no space 'nothing'; it has '{FIRST}', '{SECOND}'"):
            library.search(Query(number), space="nothing")
    best = json.loads(run("search", "id:1", "--space", SECOND, "-l", filled, "-k", 1, "--json").stdout)
    assert len(best) == 1


def test_a_run_of_the_indexer_fills_all_spaces_and_encodes_nothing_twice(filled: Path, tmp_path: Path) -> None:
    library = copied(filled, tmp_path)
    (tmp_path / "more").mkdir()
    draw("ink", "ring", seed=70).save(tmp_path / "more" / "new.png")
    report = json.loads(run("index", tmp_path / "more", "-l", library, "--json").stdout)
    assert report["encoded"] == 1
    assert spaces_of(library) == {FIRST: (17, True), SECOND: (17, False)}
    again = json.loads(run("space", "fill", "-l", library, "--json").stdout)
    assert (again[SECOND]["encoded"], again[SECOND]["refused"]) == (0, 0)


def test_files_that_cannot_be_found_are_left_alone(filled: Path, tmp_path: Path) -> None:
    library = copied(filled, tmp_path)
    draw_studio(tmp_path / "pictures")
    run("index", tmp_path / "pictures", "-l", library, code=3)
    with Library.open(library) as opened:
        before = opened.status().counts
    run("space", "clear", SECOND, "--yes", "-l", library)
    filled.parent.joinpath("pictures").rename(tmp_path / "away")
    shutil.rmtree(tmp_path / "pictures" / "ink")
    try:
        json.loads(run("space", "fill", "-l", library, "--json").stdout)
    finally:
        (tmp_path / "away").rename(filled.parent / "pictures")
    with Library.open(library) as opened:
        assert opened.status().counts == before


def test_another_space_can_be_the_one_that_searches_run_in(filled: Path, tmp_path: Path) -> None:
    library = copied(filled, tmp_path)
    run("space", "use", SECOND, "-l", library)
    assert spaces_of(library) == {SECOND: (16, True), FIRST: (16, False)}
    with Library.open(library) as opened:
        in_second = opened.search(Query(draw("ink", "disc")))
        assert in_second == opened.search(Query(draw("ink", "disc")), space=SECOND)
        with pytest.raises(EncoderError, match="no text tower"):
            opened.search(Query(texts="ink"), space=FIRST)


def test_a_space_is_dropped_and_added_again(filled: Path, tmp_path: Path) -> None:
    library = copied(filled, tmp_path)
    with Library.open(library) as opened:
        opened.refresh()
        paths = {space.name: opened.searching(space.name).index_path for space in opened.spaces}
        with pytest.raises(UsageError, match="space use"):
            opened.drop_space(FIRST)
    assert "Would delete 16" in run("space", "drop", SECOND, "-l", library).output
    assert spaces_of(library)[SECOND] == (16, False)
    run("space", "drop", SECOND, "--yes", "-l", library)
    assert (paths[FIRST].exists(), paths[SECOND].exists()) == (True, False)
    assert spaces_of(library) == {FIRST: (16, True)}
    assert "others" not in json.loads((library / "library.json").read_text()), "as an older version wrote it"
    run("space", "add", SECOND, "-l", library)
    run("search", "id:1", "--space", SECOND, "-l", library, code=1)
    run("space", "fill", "-l", library)
    assert spaces_of(library)[SECOND] == (16, False)


def test_clearing_a_space_has_its_pictures_encoded_again_and_no_others(filled: Path, tmp_path: Path) -> None:
    library = copied(filled, tmp_path)
    with Library.open(library) as opened:
        query = Query(draw("night", "ring", seed=4), k=16)
        before = opened.search(query)
        assert opened.clear_space(FIRST) == 16
        with pytest.raises(SpaceMismatchError, match="stylesearch index PATH"):
            opened.search(query)
        assert len(opened.search(query, space=SECOND)) == 16
    report = json.loads(run("index", filled.parent / "pictures", "-l", library, "--json", code=3).stdout)
    assert report["encoded"] == 16
    with Library.open(library) as opened:
        assert opened.search(query) == before


def test_an_encoder_that_has_changed_moves_its_own_space_on(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = copied(filled, tmp_path)
    run("space", "use", SECOND, "-l", library)
    monkeypatch.setattr(LabGradientEncoder, "fingerprint", "0123456789abcdef")
    run("space", "fill", "-l", library)
    settings = LibrarySettings.read(library)
    assert (settings.space.name, settings.others[0].fingerprint) == (SECOND, "0123456789abcdef")
    assert spaces_of(library) == {SECOND: (16, True), FIRST: (16, False)}


def test_a_space_is_added_once(filled: Path) -> None:
    with Library.open(filled) as opened, pytest.raises(UsageError, match="already"):
        opened.add_space(SECOND)


def test_a_library_whose_encoder_is_no_longer_there_moves_on_as_the_error_says(filled: Path, tmp_path: Path) -> None:
    library = copied(filled, tmp_path)
    run("space", "drop", SECOND, "--yes", "-l", library)
    settings = (library / "library.json").read_text()
    (library / "library.json").write_text(settings.replace(FIRST, "compact:v0"))
    pictures = filled.parent / "pictures"
    told = run("search", next(pictures.rglob("*.png")), "-l", library, code=1).output
    assert "There is no encoder 'compact:v0'" in told
    steps = [step.split() for step in re.findall(r"stylesearch (space .+?)(?:;|$)", told, re.MULTILINE)]
    assert [step[1] for step in steps] == ["add", "fill", "use", "drop"]
    for step in steps[:-1]:
        run(*step)
    assert spaces_of(library) == {SECOND: (16, True), "compact:v0": (16, False)}
    # Until it is dropped, it keeps neither a run nor the other spaces waiting.
    assert "'compact:v0' stays as it is" in run("index", pictures, "-l", library, code=3).output
    run("space", "add", "--region", "background", "-l", library)
    assert "'compact:v0' stays as it is" in run("space", "fill", "-l", library, code=1).output
    assert spaces_of(library)[f"{SECOND}@background"] == (16, False)
    run(*steps[-1])
    run("space", "fill", "-l", library)
