"""What a walk finds, and what it leaves alone."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from indexing import ordinary_user
from pictures import draw, encode

from indexer.sources import CACHE_SIGNATURE, CACHE_TAG, Source, sources_of
from stylesearch.errors import UsageError
from stylesearch.records import FileStat, Limits, Refusal
from stylesearch.uris import path_of_uri

PNG = encode(draw(), "PNG")


def scan(*roots: Path) -> list[Source]:
    return sources_of(roots, Limits(), threading.Event())


def walk(root: Path) -> tuple[list[str], Mapping[str, str], Source]:
    """Relative paths of the files found, reasons by relative path, and the scan itself."""
    (one,) = scan(root)
    found = list(one)
    assert one.finished and (one.files, one.refused) == (
        sum(isinstance(item, FileStat) for item in found),
        sum(isinstance(item, Refusal) for item in found),
    )

    def relative(uri: str) -> str:
        return str(Path(path_of_uri(uri)).relative_to(root))

    files = [relative(item.uri) for item in found if isinstance(item, FileStat)]
    reasons = {relative(item.stat.uri): item.reason for item in found if isinstance(item, Refusal)}
    return files, reasons, one


def write(root: Path, *names: str, data: bytes = PNG) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def test_order_is_fixed_and_extensions_have_any_case(tmp_path: Path) -> None:
    write(tmp_path, "b/2.png", "b/1.JPG", "a/z.TiFf", "c.webp", "B.gif")
    files, reasons, one = walk(tmp_path)
    assert files == ["B.gif", "c.webp", "a/z.TiFf", "b/1.JPG", "b/2.png"] and not reasons
    stat = (tmp_path / "c.webp").stat()
    assert FileStat(str(tmp_path / "c.webp"), stat.st_size, stat.st_mtime_ns) in list(scan(tmp_path)[0])
    assert one.root == str(tmp_path)


def test_content_decides_where_the_name_does_not(tmp_path: Path) -> None:
    write(tmp_path, "no extension", "thumb.dat")
    write(tmp_path, "notes.txt", "README", "script.py", data=b"text")
    files, _, one = walk(tmp_path)
    assert files == ["no extension", "thumb.dat"] and one.others == 3


def test_hidden_things_and_caches_are_skipped(tmp_path: Path) -> None:
    write(tmp_path, ".hidden.png", ".folder/a.png", "cache/a.png", "kept/a.png", "kept/CACHEDIR.TAG")
    (tmp_path / "cache" / CACHE_TAG).write_bytes(CACHE_SIGNATURE + b"\n")
    files, _, _ = walk(tmp_path)
    assert files == ["kept/CACHEDIR.TAG", "kept/a.png"]  # whose tag is no tag but a picture
    assert walk(tmp_path / "cache")[0] == ["a.png"]  # the user asked for it


def test_links(tmp_path: Path) -> None:
    write(tmp_path, "real/a.png")
    root = tmp_path / "root"
    root.mkdir()
    (root / "file.png").symlink_to(tmp_path / "real" / "a.png")
    (root / "folder").symlink_to(tmp_path / "real")
    (root / "folder.png").symlink_to(tmp_path / "real")
    (root / "dangling.png").symlink_to(tmp_path / "nothing")
    (root / "dangling").symlink_to(tmp_path / "nothing")
    (root / "loop.png").symlink_to(root / "loop.png")
    files, reasons, one = walk(root)
    assert files == ["file.png"] and one.linked_folders == 2
    assert reasons == {"dangling.png": "missing", "loop.png": "missing", "folder.png": "not-a-file"}


def test_folders_pipes_and_sockets_named_like_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "folder.png/inside.png")
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)  # the name of a socket may have 107 bytes only
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.png")
        files, reasons, _ = walk(tmp_path)
    assert files == ["folder.png/inside.png"]
    assert reasons == dict.fromkeys(("folder.png", "pipe.jpg", "socket.png"), "not-a-file")


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    write(tmp_path, name)
    assert walk(tmp_path)[0] == [name]


def test_roots_within_roots_are_walked_once(tmp_path: Path) -> None:
    write(tmp_path, "a/b/1.png", "a/2.png", "c/3.png", "c/4.png")
    scans = scan(tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "..", tmp_path / "a" / "2.png")
    assert [one.root for one in scans] == [str(tmp_path / "a")]
    scans = scan(tmp_path / "c" / "4.png", tmp_path / "a", tmp_path / "c" / "3.png")
    assert [one.root for one in scans] == [str(tmp_path / "a"), "list:"]
    assert [len(list(one)) for one in scans] == [2, 2]
    assert len(scan(tmp_path / "a", tmp_path / "c", tmp_path / "a")) == 2


def test_root_that_is_a_link_keeps_its_name(tmp_path: Path) -> None:
    write(tmp_path, "real/a.png")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (one,) = scan(tmp_path / "link")
    assert [item.uri for item in one if isinstance(item, FileStat)] == [str(tmp_path / "link" / "a.png")]


def test_root_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Is the disk mounted"):
        scan(tmp_path, tmp_path / "nowhere")


def test_stopped_walk_is_not_finished(tmp_path: Path) -> None:
    write(tmp_path, "a/1.png", "b/1.png")
    stop = threading.Event()
    (one,) = sources_of([tmp_path], Limits(), stop)
    walking = iter(one)
    next(walking)
    stop.set()
    assert list(walking) == [] and not one.finished


def test_folder_that_cannot_be_listed() -> None:
    with ordinary_user() as folder:
        write(folder, "locked/a.png", "open/b.png")
        (folder / "locked").chmod(0)
        files, reasons, one = walk(folder)
        assert files == ["open/b.png"] and reasons == {"locked": "unreadable"}
        assert one.unreadable == [str(folder / "locked")]
