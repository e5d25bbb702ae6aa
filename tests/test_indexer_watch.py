"""Folders are followed: real files, written slowly, moved, deleted, in masses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from indexing import Bench, open_bench
from pictures import draw, encode

from indexer import watch
from indexer.sources import CACHE_SIGNATURE, CACHE_TAG, Rules
from indexer.watch import Watcher
from stylesearch.library import Library
from stylesearch.records import Limits

PNG = encode(draw(), "PNG")
QUIET = 0.2


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path) as opened:
        yield opened


@contextmanager
def following(bench: Bench, rules: Rules | None = None) -> Iterator[list[int]]:
    """Indexes what changes, in a thread; yields how many files each run dealt with, -1 for a walk over everything."""
    stop = threading.Event()
    done: list[int] = []
    failed: list[BaseException] = []
    rules = rules or Rules()
    watcher = Watcher([str(bench.pictures)], rules, Limits(), ignored=[bench.folder / "thumbnails"], quiet=QUIET)

    def follow() -> None:
        try:
            for changes in watcher.changes(stop):
                if changes.everything:
                    bench.index(rules=rules)
                    done.append(-1)
                else:
                    report = bench.index_sources(changes.sources)
                    gone = sum(bench.catalog.forget(uri) for uri in changes.gone)
                    done.append(report.done + gone)
        except BaseException as exc:  # noqa: BLE001 - raised again in the test
            failed.append(exc)

    with watcher:
        thread = threading.Thread(target=follow)
        thread.start()
        try:
            yield done
        finally:
            stop.set()
            thread.join()
    if failed:
        raise failed[0]


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def ends(done: list[int]) -> bool:
    """Whether runs come to an end by themselves; on a busy machine one more may be on its way."""
    for _ in range(10):
        before = len(done)
        time.sleep(3 * QUIET)
        if len(done) == before:
            return True
    return False


def test_new_changed_moved_and_deleted_files(bench: Bench) -> None:
    with following(bench):
        bench.draw("a.png", "new/deep/b.png")
        until(lambda: set(bench.located()) == {"a.png", "new/deep/b.png"}, "new files")
        first = bench.located()
        (bench.pictures / "new").rename(bench.pictures / "renamed")
        (bench.pictures / "a.png").rename(bench.pictures / "z.png")
        until(lambda: set(bench.located()) == {"z.png", "renamed/deep/b.png"}, "moves")
        assert sorted(bench.located().values()) == sorted(first.values())  # the same assets
        bench.draw("z.png", first=7)
        until(lambda: bench.located()["z.png"] not in first.values(), "changed content")
        (bench.pictures / "renamed" / "deep" / "b.png").unlink()
        until(lambda: set(bench.located()) == {"z.png"}, "deletion")
    assert bench.encoder.encoded == 3


def test_file_that_is_written_slowly_is_read_once_it_is_whole(bench: Bench) -> None:
    with following(bench) as done, open(bench.pictures / "slow.png", "wb") as file:
        for start in range(0, len(PNG), 400):
            file.write(PNG[start : start + 400])
            file.flush()
            time.sleep(2 * QUIET)  # quiet for longer than any whole file has to be
        assert not done and not bench.refusals()
        file.close()
        until(lambda: set(bench.located()) == {"slow.png"}, "the whole file")
    assert done == [1]


def test_download_that_is_renamed_when_it_is_whole(bench: Bench) -> None:
    with following(bench):
        part = bench.pictures / "a.png.part"
        part.write_bytes(PNG[:500])
        time.sleep(2 * QUIET)
        part.write_bytes(PNG)
        part.rename(bench.pictures / "a.png")
        until(lambda: set(bench.located()) == {"a.png"}, "the renamed file")
    assert not bench.refusals()


def test_rules_caches_and_own_files_are_left_alone(bench: Bench) -> None:
    cache = bench.pictures / "cache"
    cache.mkdir()
    (cache / CACHE_TAG).write_bytes(CACHE_SIGNATURE)
    with following(bench, Rules(exclude=("drafts/",))) as done:
        bench.draw("drafts/a.png", "cache/b.png", ".hidden/c.png", ".d.png")
        bench.draw("e.png", first=10)
        until(lambda: set(bench.located()) == {"e.png"}, "the one that is wanted")
        assert ends(done), "a run causes none"
    assert set(bench.located()) == {"e.png"}


def test_mass_of_changes_is_walked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MAX_WAITING", 20)
    with following(bench) as done:
        bench.draw(*(f"{number}.png" for number in range(60)))
        until(lambda: len(bench.located()) == 60, "all of them")
    assert -1 in done


def test_folder_that_is_taken_away_loses_nothing_and_is_followed_once_it_is_back(bench: Bench) -> None:
    bench.draw("a.png")
    bench.index()
    away = bench.folder / "elsewhere"
    with following(bench):
        bench.pictures.rename(away)
        until(lambda: bench.catalog.counts().missing == 1, "the disk that is away")
        bench.pictures.mkdir()  # the mount point
        time.sleep(4 * QUIET)
        assert (bench.catalog.counts().missing, bench.catalog.counts().locations) == (1, 1)
        bench.pictures.rmdir()
        away.rename(bench.pictures)
        until(lambda: bench.catalog.counts().missing == 0, "the disk that is back")
        time.sleep(4 * QUIET)
        bench.draw("b.png", first=2)
        until(lambda: set(bench.located()) == {"a.png", "b.png"}, "what is written there afterwards")


def test_everything_is_walked_from_time_to_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "WALK_SECONDS", 0.1)
    bench.draw("a.png")
    with following(bench):
        until(lambda: set(bench.located()) == {"a.png"}, "what had no event")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_observer_that_has_died_is_replaced(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = threading.Event()

    def fail(_watcher: Watcher, _event: object) -> None:
        heard.set()
        raise RuntimeError("a fault of the observer's own thread")

    with monkeypatch.context() as patch:
        patch.setattr(Watcher, "on_any_event", fail)
        with following(bench) as done:
            bench.draw("a.png")
            assert heard.wait(60)
            patch.undo()
            until(lambda: -1 in done and set(bench.located()) == {"a.png"}, "what was there meanwhile")
            bench.draw("b.png", first=2)
            until(lambda: set(bench.located()) == {"a.png", "b.png"}, "what comes afterwards")


def test_command_follows_until_it_is_interrupted(tmp_path: Path) -> None:
    pictures, library = tmp_path / "pictures", tmp_path / "pictures" / "library"
    pictures.mkdir()
    (pictures / "a.png").write_bytes(PNG)
    Library.create(library, encoder="descriptors:lab-gradient").close()
    program = [sys.executable, "-m", "stylesearch", "index", str(pictures), "--watch", "--library", str(library)]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout and process.stderr
        too_long = threading.Timer(120, process.kill)
        too_long.daemon = True
        too_long.start()
        assert any("1 new" in line for line in process.stdout)
        (pictures / "b.png").write_bytes(encode(draw(2), "PNG"))
        assert any("1 new" in line for line in process.stdout)  # after the rates of the first run
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        too_long.cancel()
    assert process.returncode == 0 and "Watching" in errors
    with Library.open(library) as opened:
        assert opened.status().searchable == 2
