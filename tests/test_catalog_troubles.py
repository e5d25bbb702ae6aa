"""A full disk, a folder that may not be written, a database that somebody keeps locked: a clear error, and a catalog
that holds what it held."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from catalog_records import SPACE, indexed
from indexing import Bench, open_bench, ordinary_user
from typer.testing import CliRunner, Result

from stylesearch import Library
from stylesearch.catalog import Catalog, engine, sqlite_url
from stylesearch.catalog.checking import faults
from stylesearch.cli import app
from stylesearch.cli.app import FAILED
from stylesearch.errors import CatalogError, LibraryError
from stylesearch.records import Batch

FULL = "The disk is full|The disk failed|No space left|too large"


@contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[], None]]:
    """Has files below a folder run out of space; gives what makes room again.

    The folder becomes a file system of 1 MB; where this user may not mount one, no file of this process can grow
    beyond 400 kB meanwhile.
    """
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "none", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing fails, instead of ending the process
    if not mounted:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, before[1]))

    def make_room() -> None:
        if mounted:
            subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    try:
        yield make_room
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def batch(number: int) -> Batch:
    return Batch([indexed(f"/a/{number}/{place}", f"{number} {place}") for place in range(50)])


def test_a_full_disk_costs_the_batch_that_found_no_room(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    with small_disk(folder) as make_room, Catalog.open(sqlite_url(folder / "catalog.db")) as catalog:
        space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan("/a")
        written = 0
        with pytest.raises(CatalogError, match=FULL):
            for number in range(200):
                catalog.write(space_id, scan_id, batch(number))
                written += 1
        assert written > 3
        assert catalog.counts().locations == 50 * written
        assert list(faults(catalog)) == []
        make_room()
        catalog.write(space_id, scan_id, batch(written))
        assert catalog.counts().locations == 50 * (written + 1)
        assert list(faults(catalog)) == []


def test_indexing_onto_a_full_disk_ends_with_a_clear_error_and_goes_on_once_there_is_room(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    with open_bench(tmp_path) as drawn:
        drawn.draw(*(f"{number}.jpg" for number in range(12)))
    with small_disk(folder) as make_room, open_bench(folder) as bench:
        filler = folder / "filler"
        filler.write_bytes(bytes(600_000) if os.path.ismount(folder) else b"")
        space_id, scan_id = bench.catalog.ensure_space(SPACE), bench.catalog.begin_scan("/a")
        with pytest.raises(CatalogError, match=FULL):
            for number in range(200):
                bench.catalog.write(space_id, scan_id, batch(number))
        before = bench.catalog.counts()
        with pytest.raises((CatalogError, LibraryError), match=FULL):
            bench.index(tmp_path / "pictures")
        assert bench.catalog.counts() == before
        assert list(faults(bench.catalog)) == []
        make_room()
        assert bench.index(tmp_path / "pictures").encoded == 12
        assert bench.catalog.counts().locations == before.locations + 12
        assert list(faults(bench.catalog)) == []


def index_a_picture(folder: Path) -> Result:
    """Of a new folder, into a library that is there or not."""
    with open_bench(folder) as bench:
        bench.draw("a.png")
    if not (folder / "library").exists():
        Library.create(folder / "library", encoder="descriptors:lab-gradient").close()
    return CliRunner().invoke(app, ["index", str(folder / "pictures"), "-l", str(folder / "library")])


def test_indexing_into_a_library_that_this_user_may_only_read(tmp_path: Path) -> None:
    assert index_a_picture(tmp_path).exit_code == 0  # with all that it loads: another user may not read it here
    with ordinary_user() as folder:
        Library.create(folder / "library", encoder="descriptors:lab-gradient").close()
        locked = [folder / "library" / "catalog.db", folder / "library" / "thumbnails", folder / "library"]
        for path in locked:
            path.chmod(0o500 if path.is_dir() else 0o400)
        done = index_a_picture(folder)
        assert done.exit_code == FAILED, done.output
        assert "Make the file and its folder writable" in done.output or "cannot be written" in done.output
        assert "Traceback" not in done.output
        with Library.open(folder / "library") as library:
            assert library.catalog.counts().locations == 0


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path) as opened:
        opened.draw("a.png", "b.png")
        yield opened


@contextmanager
def locked(bench: Bench) -> Iterator[sqlite3.Connection]:
    """Another program holds the database as long as the block lasts."""
    path = bench.folder / "catalog.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def test_indexing_while_somebody_keeps_the_catalog_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.2)
    with open_bench(tmp_path) as bench:
        bench.draw("a.png", "b.png")
        with locked(bench), pytest.raises(CatalogError, match=r"Another process kept it locked.*run the command again"):
            bench.index()
        assert bench.catalog.counts().locations == 0
        assert bench.index().encoded == 2
        assert list(faults(bench.catalog)) == []


def test_indexing_waits_for_somebody_who_locks_the_catalog_for_a_moment(bench: Bench) -> None:
    with locked(bench) as other:
        started = time.monotonic()
        letting_go = threading.Timer(0.5, other.rollback)
        letting_go.start()
        report = bench.index()
        letting_go.join(30)
    assert report.encoded == 2 and time.monotonic() - started > 0.4
