"""Backups are whole and of one moment, and a library can be had back from them."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest
from catalog_records import SPACE, indexed, vector
from indexing import open_bench
from typer.testing import CliRunner

from benchmarks import postgres
from stylesearch import CatalogError, Library, LibraryError, Query, UsageError
from stylesearch.backup import MANIFEST, back_up, restore
from stylesearch.catalog import Catalog, sqlite_url
from stylesearch.catalog.checking import faults
from stylesearch.cli import app
from stylesearch.records import Batch
from stylesearch.settings import LibrarySettings


def make_library(folder: Path, catalog: str | None = None) -> Path:
    folder.mkdir()
    LibrarySettings(SPACE, catalog, "exact").write(folder)
    add(folder, "red", "green")
    return folder


def add(library: Path, *names: str) -> None:
    with Library.open(library) as opened:
        space_id, scan_id = opened.catalog.ensure_space(SPACE), opened.catalog.begin_scan("/a")
        opened.catalog.write(space_id, scan_id, Batch([indexed(f"/a/{name}.png", name) for name in names]))


def found(library: Path, name: str) -> list[str]:
    """The names of all pictures, the most like this one first."""
    with Library.open(library) as opened:
        return [Path(hit.path).stem for hit in opened.search(Query(vector(name), k=9))]


def test_a_library_comes_back_as_it_was(tmp_path: Path) -> None:
    library = make_library(tmp_path / "library")
    assert found(library, "red")[0] == "red"
    made = back_up(library, tmp_path / "backup")
    add(library, "blue")
    with Library.open(library) as opened:
        opened.refresh()
        opened.catalog.add_tags({1: ["later"]}, "user")
    with pytest.raises(UsageError, match=r"a library at .* and a catalog at .*--yes"):
        restore(tmp_path / "backup", library)
    assert restore(tmp_path / "backup", library, overwrite=True).made_at == made.made_at
    assert sorted(found(library, "red")) == ["green", "red"], "the saved index knew of blue"
    add(library, "grey")  # takes the number that blue had
    assert sorted(found(library, "red")) == ["green", "grey", "red"]


def test_a_backup_makes_a_library_elsewhere_and_after_the_first_is_lost(tmp_path: Path) -> None:
    library = make_library(tmp_path / "library")
    back_up(library, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "other")
    assert found(tmp_path / "other", "green")[0] == "green"
    shutil.rmtree(library)
    restore(tmp_path / "backup", library)
    assert found(library, "green")[0] == "green"


def test_a_damaged_catalog_is_replaced_and_kept_beside(tmp_path: Path) -> None:
    library = make_library(tmp_path / "library")
    back_up(library, tmp_path / "backup")
    (library / "catalog.db").write_bytes(b"no database" * 500)
    with pytest.raises(CatalogError, match="damaged"):
        back_up(library, tmp_path / "another")
    assert not (tmp_path / "another").exists() and not list(tmp_path.glob(".another*"))
    restore(tmp_path / "backup", library, overwrite=True)
    assert found(library, "red")[0] == "red"
    assert (library / "catalog.db.damaged").read_bytes().startswith(b"no database")


WRITER = """
import sys
from pathlib import Path
from catalog_records import SPACE, indexed
from stylesearch.catalog import Catalog, sqlite_url
from stylesearch.catalog.checking import faults
from stylesearch.records import Batch

with Catalog.open(sqlite_url(sys.argv[1])) as catalog:
    space_id, scan_id = catalog.ensure_space(SPACE), catalog.begin_scan("/b")
    for batch in range(100_000):
        names = [f"{batch}-{number}" for number in range(7)]
        catalog.write(space_id, scan_id, Batch([indexed(f"/b/{name}.png", name) for name in names]))
        print(batch, flush=True)
"""


def test_a_backup_is_of_one_moment_while_another_process_writes(tmp_path: Path) -> None:
    library = make_library(tmp_path / "library")
    command = [sys.executable, "-c", WRITER, str(library / "catalog.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent, text=True) as writer:
        assert writer.stdout is not None
        backups = []
        for number in range(4):
            for _ in range(5):
                assert writer.stdout.readline()
            backups.append(back_up(library, tmp_path / f"backup{number}").folder)
        assert writer.poll() is None
        writer.kill()
    sizes = []
    for folder in backups:
        with sqlite3.connect(folder / "catalog.db") as copy:
            every = (
                "SELECT (SELECT count(*) FROM assets), (SELECT count(*) FROM locations), (SELECT count(*) FROM vectors)"
            )
            counts = copy.execute(every).fetchone()
            (last,) = copy.execute("SELECT value FROM counters WHERE name = 'sequence'").fetchone()
        assert counts == (last,) * 3 and (last - 2) % 7 == 0, "whole batches only"
        sizes.append(last)
    assert sizes == sorted(set(sizes)), "the writer went on"


def test_a_backup_while_a_run_of_the_indexer_writes(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    folder.mkdir()
    with open_bench(folder) as bench:
        bench.draw(*(f"{number}.png" for number in range(60)))
        LibrarySettings(bench.encoder.space(), None, "exact").write(folder)
    command = [sys.executable, str(Path(__file__).with_name("indexing.py")), str(folder), str(folder / "pictures")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        done = 0
        while done < 12:
            done = int(line) if (line := running.stdout.readline().strip()).isdecimal() else done
        made = back_up(folder, tmp_path / "backup")
        assert running.poll() is None, "it was still at work"
        running.communicate(timeout=120)
    assert running.returncode == 0
    with Catalog.open(sqlite_url(made.folder / "catalog.db")) as copy:
        assert list(faults(copy)) == []
        assert 12 <= copy.counts().assets < 60 and copy.counts().assets % 4 == 0
    restore(made.folder, folder, overwrite=True)
    with open_bench(folder) as bench:
        before = bench.catalog.counts().assets
        assert bench.index().encoded == 60 - before
        assert list(faults(bench.catalog)) == []


def test_a_program_that_has_the_library_open_sees_the_restored_one(tmp_path: Path) -> None:
    library = make_library(tmp_path / "library")
    back_up(library, tmp_path / "backup")
    add(library, "blue")
    with Library.open(library) as opened:
        assert len(opened.search(Query(vector("red"), k=9))) == 3
        restore(tmp_path / "backup", library, overwrite=True)
        assert len(opened.search(Query(vector("red"), k=9))) == 2


@pytest.mark.parametrize("name", ["catalog.db", "library.json"])
def test_a_backup_that_is_not_whole_is_refused_and_nothing_changes(tmp_path: Path, name: str) -> None:
    library = make_library(tmp_path / "library")
    back_up(library, tmp_path / "backup")
    add(library, "blue")
    with (tmp_path / "backup" / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(LibraryError, match="not what the backup wrote"):
        restore(tmp_path / "backup", library, overwrite=True)
    assert len(found(library, "red")) == 3
    (tmp_path / "backup" / name).unlink()
    with pytest.raises(LibraryError, match="cannot be read"):
        restore(tmp_path / "backup", library, overwrite=True)


def test_a_backup_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    back_up(make_library(tmp_path / "library"), tmp_path / "backup")
    manifest = json.loads((tmp_path / "backup" / MANIFEST).read_text())
    (tmp_path / "backup" / MANIFEST).write_text(json.dumps(manifest | {"revision": "9999"}))
    with pytest.raises(LibraryError, match=r"newer version.*pip install -U"):
        restore(tmp_path / "backup", tmp_path / "other")
    with pytest.raises(LibraryError, match="no backup"):
        restore(tmp_path / "library", tmp_path / "other")


def test_nothing_is_backed_up_over_something(tmp_path: Path) -> None:
    library = make_library(tmp_path / "library")
    with pytest.raises(UsageError, match="already"):
        back_up(library, library)


def test_the_commands(tmp_path: Path) -> None:
    library = make_library(tmp_path / "library")
    run = CliRunner().invoke
    assert run(app, ["backup", str(tmp_path / "backup"), "-l", str(library)]).exit_code == 0
    refused = run(app, ["restore", str(tmp_path / "backup"), "-l", str(library)])
    assert refused.exit_code == 2
    done = run(app, ["restore", str(tmp_path / "backup"), "-l", str(library), "--yes", "--json"])
    assert json.loads(done.stdout)["library"] == str(library)


def test_postgresql_by_its_own_programs(tmp_path: Path, postgres_socket: str) -> None:
    with postgres.new_database(postgres_socket, f"backup_{uuid.uuid4().hex}") as url:
        library = make_library(tmp_path / "library", url)
        stop = threading.Event()

        def write() -> None:
            number = 0
            while not stop.is_set():
                add(library, f"more{number}", f"too{number}")
                number += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            back_up(library, tmp_path / "backup")
        finally:
            stop.set()
            writer.join()
        add(library, "blue")
        with pytest.raises(UsageError, match="a catalog at"):
            restore(tmp_path / "backup", tmp_path / "other")
        restore(tmp_path / "backup", library, overwrite=True)
        names = found(library, "red")
        assert {"red", "green"} <= set(names) and "blue" not in names
        add(library, "grey")  # the numbering of rows goes on where it was
        assert "grey" in found(library, "red")
        with postgres.new_database(postgres_socket, f"other_{uuid.uuid4().hex}") as other:
            restore(tmp_path / "backup", tmp_path / "other", catalog=other)
            assert set(found(tmp_path / "other", "red")) == set(names)
        with pytest.raises(CatalogError, match="of another database"):
            restore(tmp_path / "backup", tmp_path / "third", catalog=f"sqlite:///{tmp_path}/third.db")


def test_the_missing_program_is_named(tmp_path: Path, postgres_socket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with postgres.new_database(postgres_socket, f"missing_{uuid.uuid4().hex}") as url:
        library = make_library(tmp_path / "library", url)
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(CatalogError, match=r"'pg_dump' is needed.*apt-get install postgresql-client"):
            back_up(library, tmp_path / "backup")


def test_where_there_is_no_catalog_there_is_no_backup(tmp_path: Path) -> None:
    library = make_library(tmp_path / "library")
    (library / "catalog.db").unlink()
    with pytest.raises(CatalogError, match="no catalog"):
        back_up(library, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
    with Catalog.open(sqlite_url(library / "catalog.db")) as catalog:
        assert catalog.spaces() == []
