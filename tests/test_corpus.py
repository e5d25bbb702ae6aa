"""Every odd file ends indexed, or refused with the right reason; the command says so by its exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from corpus import INDEXED, replacing_decode, write_corpus
from indexing import open_bench, ordinary_user
from typer.testing import CliRunner

from stylesearch.cli import app
from stylesearch.library import Library
from stylesearch.uris import path_of_uri


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


@pytest.fixture(scope="module")
def expected(pictures: Path) -> dict[str, str]:
    return write_corpus(pictures)


@pytest.fixture(scope="module")
def library(
    pictures: Path, expected: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Library, dict[str, int]]]:
    """One run over all of it, and its report."""
    folder = tmp_path_factory.mktemp("library") / "odd"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("indexer.run.decode_file", replacing_decode)
        runner = CliRunner()
        assert runner.invoke(app, ["init", str(folder), "--encoder", "descriptors:lab-gradient"]).exit_code == 0
        result = runner.invoke(app, ["index", str(pictures), "--library", str(folder), "--json"])
    assert result.exit_code == 3, result.output
    with Library.open(folder) as opened:
        yield opened, json.loads(result.stdout)


def test_the_corpus_is_large_and_varied(expected: dict[str, str]) -> None:
    assert len(expected) >= 300
    assert set(expected.values()) == {
        *(INDEXED, "empty", "not-an-image", "unsupported", "truncated", "damaged", "too-large", "missing", "not-a-file")
    }


def test_every_file_ends_as_it_must(
    library: tuple[Library, dict[str, int]], pictures: Path, expected: dict[str, str]
) -> None:
    opened, report = library
    outcomes = {
        str(Path(path).relative_to(pictures)): INDEXED
        for asset in opened.catalog.list_assets(limit=10_000)
        for path in asset.paths
    }
    refusals = {str(Path(path_of_uri(one.stat.uri)).relative_to(pictures)): one for one in opened.refusals()}
    outcomes |= {name: refusal.reason for name, refusal in refusals.items()}
    wrong = {
        name: (outcomes.get(name), reason, refusals[name].message if name in refusals else "")
        for name, reason in expected.items()
        if outcomes.get(name) != reason
    }
    assert wrong == {}
    assert set(outcomes) == set(expected)
    assert report["refused"] == len(refusals) == sum(reason != INDEXED for reason in expected.values())
    read = {name for name, reason in expected.items() if reason not in ("missing", "not-a-file")}
    assert all(refusals[name].sha256 for name in read & set(refusals))


def test_turned_pictures_are_upright(library: tuple[Library, dict[str, int]], pictures: Path) -> None:
    sizes = {
        Path(path).relative_to(pictures): (asset.width, asset.height)
        for asset in library[0].catalog.list_assets(limit=10_000)
        for path in asset.paths
    }
    for path, size in sizes.items():
        if path.parent.name == "turned" and path.stem.isdecimal():
            assert size == ((96, 64) if int(path.stem) < 5 else (64, 96)), path


def test_every_indexed_picture_has_a_thumbnail(library: tuple[Library, dict[str, int]]) -> None:
    opened, _ = library
    for asset in opened.catalog.list_assets(limit=10_000):
        assert opened.thumbnail(asset), asset.paths


def test_file_that_may_not_be_read(library: tuple[Library, dict[str, int]]) -> None:
    # After another run: an ordinary user may not be able to import what indexing needs from where root has it.
    with ordinary_user() as folder, open_bench(folder) as bench:
        (bench.pictures / "locked.jpg").write_bytes(b"not even read")
        (bench.pictures / "locked.jpg").chmod(0)
        bench.index()
        assert bench.refusals()["locked.jpg"].reason == "unreadable"
