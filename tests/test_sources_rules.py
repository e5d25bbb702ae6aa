"""What rules include and leave out, lists of names, and that what was left out is not taken for gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from archives import write_archive
from indexing import Bench, open_bench
from pictures import draw, encode
from typer.testing import CliRunner

from indexer.sources import ListSource, Rules, sources_of
from indexer.sources.names import read_names
from stylesearch.cli import app
from stylesearch.errors import UsageError
from stylesearch.library import Library
from stylesearch.records import FileStat, Limits, Refusal

PNG = encode(draw(), "PNG")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path) as opened:
        yield opened


def write(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG)


def walk(root: Path, rules: Rules) -> list[str]:
    (source,) = sources_of([root], Limits(), threading.Event(), rules)
    found = [item.uri for item in source if isinstance(item, FileStat)]
    assert all(source.covers(uri) for uri in found)
    return [os.path.relpath(uri, root) for uri in found]


def test_include_and_exclude_as_in_a_gitignore(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "a.tif", "drafts/b.png", "deep/drafts/c.tif", "deep/d.tif", "top/e.png", "deep/top/f.png")
    assert walk(tmp_path, Rules(include=("*.tif",))) == ["a.tif", "deep/d.tif", "deep/drafts/c.tif"]
    assert walk(tmp_path, Rules(exclude=("drafts/", "*.tif"))) == ["a.png", "deep/top/f.png", "top/e.png"]
    assert walk(tmp_path, Rules(exclude=("/top/",), include=("*.png",))) == ["a.png", "deep/top/f.png", "drafts/b.png"]
    assert walk(tmp_path, Rules(exclude=("*.tif", "!d.tif"))) == [
        "a.png",
        "deep/d.tif",
        "deep/top/f.png",
        "drafts/b.png",
        "top/e.png",
    ]
    assert walk(tmp_path, Rules(include=("deep/",), exclude=("drafts",))) == ["deep/d.tif", "deep/top/f.png"]
    write(tmp_path, os.fsdecode(b"caf\xe9.png"))
    assert os.fsencode(walk(tmp_path, Rules(include=("caf*",)))[0].encode("utf-8", "surrogateescape")) != b""


def test_pattern_that_cannot_be_right() -> None:
    with pytest.raises(UsageError, match="cannot be right"):
        Rules(exclude=("a/!!", "!"))


def test_hidden_files_on_request(tmp_path: Path) -> None:
    write(tmp_path, ".a.png", ".b/c.png", "d.png")
    assert walk(tmp_path, Rules()) == ["d.png"]
    assert walk(tmp_path, Rules(hidden=True)) == [".a.png", "d.png", ".b/c.png"]


def test_links_on_request(tmp_path: Path) -> None:
    write(tmp_path, "real/a.png", "outside/b.png", "root/z/c.png")
    root = tmp_path / "root"
    (root / "a-link.png").symlink_to(tmp_path / "real" / "a.png")
    (root / "a-outside").symlink_to(tmp_path / "outside")
    (root / "a-same").symlink_to(root / "z")
    (root / "z" / "up").symlink_to(root)
    (tmp_path / "outside" / "round").symlink_to(root)
    (tmp_path / "outside" / "self").symlink_to(tmp_path / "outside")
    assert walk(root, Rules()) == ["a-link.png", "z/c.png"]
    assert walk(root, Rules(links="none")) == ["z/c.png"]
    assert walk(root, Rules(links="follow")) == ["a-link.png", "z/c.png", "a-outside/b.png"]


def test_doubling_links_are_walked_once(tmp_path: Path) -> None:
    for level in range(30):  # 2 to the power of 30 paths
        folder = tmp_path / f"{level}"
        folder.mkdir()
        (folder / "one").symlink_to(tmp_path / f"{level + 1}")
        (folder / "two").symlink_to(tmp_path / f"{level + 1}")
    write(tmp_path, "30/a.png")
    assert len(walk(tmp_path / "0", Rules(links="follow"))) == 1


def test_what_is_left_out_is_not_gone(bench: Bench) -> None:
    bench.draw("a.png", "b.jpg", "drafts/c.png", ".hidden/d.png")
    write_archive(bench.pictures / "e.zip", {"f.png": encode(draw(9), "PNG")})
    (bench.pictures / "g.png").write_bytes(b"bad")
    (bench.pictures / "linked").symlink_to(bench.pictures / ".hidden")
    bench.index(rules=Rules(hidden=True, links="follow"))
    everything = bench.located()
    assert len(everything) == 5 and len(bench.refusals()) == 1
    narrow = Rules(include=("*.jpg",), exclude=("drafts",), archives=False)
    report = bench.index(rules=narrow)
    assert (report.unchanged, report.gone) == (1, 0)
    assert bench.located() == everything and len(bench.refusals()) == 1
    for name in ("a.png", "b.jpg", "e.zip"):
        (bench.pictures / name).unlink()
    assert bench.index(rules=narrow).gone == 0  # nothing was found at all: is the disk mounted?
    bench.draw("new.jpg", first=20)
    assert bench.index(rules=narrow).gone == 1  # b.jpg; the rest is not looked for
    assert bench.index(rules=Rules(hidden=True, links="follow")).gone == 2
    assert set(bench.located()) == {"drafts/c.png", ".hidden/d.png", "new.jpg"}


def names_from(data: bytes) -> list[str]:
    read, written = os.pipe()
    os.write(written, data)
    os.close(written)
    try:
        return list(read_names(read, threading.Event()))
    finally:
        os.close(read)


def test_names_from_a_pipe() -> None:
    assert names_from(b"a.png\nb c.png\n\nlast.png") == ["a.png", "b c.png", "last.png"]
    assert names_from(b"a\nb.png\0c.png\0") == ["a\nb.png", "c.png"]
    assert names_from(b"caf\xe9.png\n") == [os.fsdecode(b"caf\xe9.png")]
    assert names_from(b"") == [] and names_from(b"one") == ["one"]


def test_silent_pipe_can_be_stopped() -> None:
    read, written = os.pipe()
    stop = threading.Event()
    names = read_names(read, stop)
    os.write(written, b"a.png\n")
    assert next(names) == "a.png"
    stop.set()
    assert list(names) == []
    os.close(read)
    os.close(written)


def test_list_of_files(bench: Bench) -> None:
    bench.draw("a.png", ".hidden.png", "d.png")
    write_archive(bench.pictures / "e.zip", {"f.png": encode(draw(8), "PNG"), "g.png": encode(draw(9), "PNG")})
    (bench.pictures / "text").write_bytes(b"text")
    inner = f"{bench.pictures}/e.zip#member=g.png"
    listed = [*(f"{bench.pictures}/{name}" for name in ("a.png", ".hidden.png", "none.png", "text")), inner]
    source = ListSource(listed, Rules(), Limits(), threading.Event())
    report = bench.index_sources([source])
    assert (report.new, report.refused, report.others) == (3, 1, 1)
    assert {refusal.reason for refusal in bench.catalog.refusals()} == {"missing"}
    assert set(bench.located()) == {"a.png", ".hidden.png", "e.zip#member=g.png"}
    source = ListSource([f"{bench.pictures}/e.zip"], Rules(), Limits(), threading.Event())
    assert [item.stat.uri if isinstance(item, Refusal) else item.uri for item in source] == [
        f"{bench.pictures}/e.zip#member=f.png",
        inner,
    ]


def test_list_through_the_command_line(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "b.png")
    library = str(tmp_path / "library")
    Library.create(library, encoder="descriptors:lab-gradient").close()
    done = subprocess.run(
        [sys.executable, "-m", "stylesearch", "index", "-", "--library", library, "--json"],
        input=f"{tmp_path}/a.png\0{tmp_path}/b.png\0".encode(),
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout) | {"new": 1, "moved": 1} == json.loads(done.stdout)
    (tmp_path / "list.txt").write_text(f"{tmp_path}/a.png\n")
    listed = CliRunner().invoke(app, ["index", "--files-from", str(tmp_path / "list.txt"), "--library", library])
    assert listed.exit_code == 0 and "1 unchanged" in listed.stdout
    for arguments in (["--library", library], ["--files-from", str(tmp_path / "none.txt"), "--library", library]):
        nothing = CliRunner().invoke(app, ["index", *arguments])
        assert nothing.exit_code == 2


def test_uris_through_the_command_line(tmp_path: Path) -> None:
    library = str(tmp_path / "library")
    Library.create(library, encoder="descriptors:lab-gradient").close()
    archive = write_archive(
        tmp_path / "a.zip", {f"{name}.png": encode(draw(seed), "PNG") for seed, name in enumerate("ab")}
    )

    def run(*arguments: str) -> Any:
        result = CliRunner().invoke(app, [*arguments, "--library", library, "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    assert run("index", f"file://{archive}")["new"] == 2
    reference = f"{archive}#member=a.png"
    assert [hit["paths"] for hit in run("search", reference)] == [[f"{archive}#member=b.png"]]
    assert len(run("search", reference, "--include-references", "--path", "a.zip")) == 2
    assert len(run("search", reference, "--include-references", "--path", "a.zip#member=a*")) == 1
    with Library.open(library) as opened:
        (asset, _) = opened.catalog.list_assets()
        opened.thumbnail(asset).unlink()
        assert opened.ensure_thumbnail(asset) is not None and opened.picture(asset).size == (120, 80)
    assert run("forget", reference) == {"forgotten": 1}
    assert run("forget", str(archive)) == {"forgotten": 1}
