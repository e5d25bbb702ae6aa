"""Originals are read again, compared, and never changed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from indexing import SETTINGS, Bench, open_bench

from indexer.bagit import ManifestWriter, read_manifest
from indexer.verify import Finding, Fixity, verify
from stylesearch.errors import UsageError
from stylesearch.pruning import prune


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path) as one:
        yield one


def check(bench: Bench, root: Path | None = None, **options: Any) -> tuple[Fixity, dict[str, Finding]]:
    """The counts, and what is wrong by file name."""
    findings: list[Finding] = []
    where = None if root is None else str(root)
    fixity = verify(bench.catalog, where, settings=SETTINGS, tell=findings.append, **options)
    return fixity, {Path(finding.uri).name: finding for finding in findings}


def rot(path: Path) -> None:
    status, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_each_way_to_go_wrong(bench: Bench) -> None:
    bench.draw("good.png", "rotten.png", "edited.png", "deleted.png", "folder.png", "deep/good.jpg")
    bench.index()
    expected = sha256(bench.pictures / "rotten.png")
    rot(bench.pictures / "rotten.png")
    bench.draw("edited.png", first=9)
    (bench.pictures / "deleted.png").unlink()
    (bench.pictures / "folder.png").unlink()
    (bench.pictures / "folder.png").mkdir()
    fixity, found = check(bench)
    assert {name: finding.problem for name, finding in found.items()} == {
        "rotten.png": "damaged",
        "edited.png": "changed",
        "deleted.png": "missing",
        "folder.png": "unreadable",
    }
    assert (found["rotten.png"].expected, found["rotten.png"].found) == (
        expected,
        sha256(bench.pictures / "rotten.png"),
    )
    assert (fixity.good, fixity.checked, fixity.sound, fixity.interrupted) == (2, 6, False, False)


def test_everything_is_as_it_was(bench: Bench) -> None:
    bench.draw("a.png", "b/c.png")
    with zipfile.ZipFile(bench.pictures / "d.zip", "w") as archive:
        archive.write(bench.pictures / "a.png", "inner.png")
    bench.index()
    fixity, found = check(bench)
    assert (fixity.good, fixity.sound, found) == (3, True, {})
    assert fixity.bytes == sum((bench.pictures / name).stat().st_size for name in ("a.png", "b/c.png", "a.png"))
    assert check(bench, bench.pictures / "b")[0].good == 1
    with pytest.raises(UsageError, match="The library knows no file at"):
        check(bench, bench.pictures / "nowhere")


def test_originals_are_never_touched(bench: Bench) -> None:
    bench.draw("a.png", "b.jpg", "deep/c.webp")
    (bench.pictures / "bad.png").write_bytes(b"bad")
    (bench.pictures / "deep" / "c.webp").chmod(0o444)
    paths = sorted(path for path in bench.pictures.rglob("*"))

    def state() -> list[tuple[Any, ...]]:
        return [
            (path, path.stat().st_mode, path.stat().st_mtime_ns, path.stat().st_ctime_ns, path.stat().st_ino)
            + ((path.read_bytes(),) if path.is_file() else ())
            for path in paths
        ]

    before = state()
    bench.index()
    bench.index(rehash=True, retry_failed=True, reread_metadata=True)
    check(bench)
    bench.catalog.forget(str(bench.pictures))
    prune(bench.catalog, bench.thumbnails, keep_days=0)
    assert bench.catalog.counts().assets == 0
    assert state() == before and sorted(bench.pictures.rglob("*")) == paths


def test_manifest_out_and_in(bench: Bench) -> None:
    strange = ["per%cent.png", "line\nfeed.png", "ümläut.png", os.fsdecode(b"caf\xe9.png"), "blank  .png", "#1.png"]
    bench.draw("deep/a.png", *strange, " no line can name it.png")
    bench.index()
    manifest = bench.folder / "manifest-sha256.txt"
    fixity, _ = check(bench, bench.pictures, write_manifest=manifest)
    assert (fixity.good, fixity.left_out) == (8, 1)
    lines = {path: digest for digest, path in read_manifest(manifest)}
    assert lines == {name: sha256(bench.pictures / name) for name in ("deep/a.png", *strange)}
    assert b"per%25cent.png" in manifest.read_bytes() and b"line%0Afeed.png" in manifest.read_bytes()
    fixity, found = check(bench, bench.pictures, manifest=manifest)
    assert (fixity.good, fixity.unlisted, found) == (7, 1, {})
    bench.draw("later.png", first=20)
    bench.index()
    (bench.pictures / "ümläut.png").unlink()
    fixity, found = check(bench, bench.pictures, manifest=manifest)
    assert (fixity.good, fixity.missing, fixity.unlisted) == (6, 1, 2) and not fixity.sound


def test_sha256sum_reads_the_manifest(bench: Bench) -> None:
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not installed. Install it: apt-get install coreutils")
    bench.draw("a.png", "deep/b.png")
    bench.index()
    manifest = bench.pictures / "manifest-sha256.txt"
    check(bench, write_manifest=manifest)
    done = subprocess.run(["sha256sum", "--check", manifest.name], cwd=bench.pictures, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_bag_of_somebody_else(bench: Bench) -> None:
    bench.draw("data/a.png", "data/b.png")
    bag = bench.pictures
    text = f"{sha256(bag / 'data/a.png').upper()}\tdata/a.png\r\n{'0' * 64}   data/b.png\r\n"
    (bag / "manifest-sha256.txt").write_bytes(text.encode())
    fixity, found = check(bench, manifest=bag / "manifest-sha256.txt")
    assert (fixity.good, fixity.changed, fixity.unknown) == (1, 1, 2) and set(found) == {"b.png"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("abc  a.png\n", "Line 1 of .* is 'abc  a.png'; it must be a SHA-256 digest"),
        (f"{'0' * 64}\n", "it must be a SHA-256 digest"),
        (f"{'0' * 64}  ../a.png\n", "leads out of the folder"),
        (f"{'0' * 64}  /etc/passwd\n", "leads out of the folder"),
    ],
)
def test_a_manifest_that_cannot_be_right(bench: Bench, text: str, message: str) -> None:
    (bench.folder / "m.txt").write_text(text)
    with pytest.raises(UsageError, match=message):
        check(bench, manifest=bench.folder / "m.txt")


def test_a_stopped_run_leaves_no_manifest(bench: Bench) -> None:
    bench.draw("a.png")
    bench.index()
    stop = threading.Event()
    stop.set()
    fixity, _ = check(bench, bench.pictures, write_manifest=bench.folder / "m.txt", stop=stop)
    assert fixity.interrupted and not fixity.sound
    assert not list(bench.folder.glob("m.txt*"))


def test_what_no_manifest_can_name_is_counted(bench: Bench) -> None:
    bench.draw("a.png", "b/c.png")
    with zipfile.ZipFile(bench.pictures / "d.zip", "w") as archive:
        archive.write(bench.pictures / "a.png", "inner.png")
    bench.index()
    fixity, _ = check(bench, write_manifest=bench.pictures / "b" / "m.txt")
    assert (fixity.good, fixity.left_out) == (3, 2)
    assert [path for _, path in read_manifest(bench.pictures / "b" / "m.txt")] == ["c.png"]
    with pytest.raises(UsageError, match="A manifest is about a folder"):
        check(bench, bench.pictures / "a.png", write_manifest=bench.folder / "m.txt")


def test_a_manifest_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text("old")
    with pytest.raises(ZeroDivisionError), ManifestWriter(tmp_path / "m.txt", tmp_path) as lines:
        lines.add(f"{tmp_path}/a.png", "0" * 64)
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["m.txt"] and (tmp_path / "m.txt").read_text() == "old"
