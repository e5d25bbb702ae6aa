"""The process that makes pictures for the page: it works, is cancelled, and is killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from studio import draw

from indexer.run import index
from stylesearch import Library
from stylesearch.settings import Settings
from stylesearch.transfer.loop import Input
from ui.maker import Ended, Task
from ui.making import Making

SMALL = {"width": 64, "height": 64, "seed": 1}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("making")
    (folder / "pictures").mkdir()
    draw("ink", "ring").save(folder / "pictures" / "ring.png")
    with Library.create(folder / "library", encoder="descriptors:lab-gradient") as opened:
        settings = Settings.from_environment()
        index(opened.catalog, opened.encoder, [folder / "pictures"], thumbnails=opened.thumbnails, settings=settings)
        yield opened


@pytest.fixture(scope="module")
def making(library: Library) -> Iterator[Making]:
    made = Making(library.folder)
    yield made
    process = made._process
    made.close()
    assert process is not None and process.returncode == 0


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def run(making: Making, task: Task) -> Ended:
    assert making.start("me", task)
    until(lambda: not making.work.running)
    assert making.take("somebody else") is None
    ended = making.take("me")
    assert ended is not None and making.take("me") is None, "it is told once"
    return ended


def process_of(making: Making) -> int:
    assert making._process is not None
    return making._process.pid


def test_one_process_makes_one_order_after_the_other(making: Making, library: Library) -> None:
    first = run(making, Task("preview", (Input(1),), SMALL))
    process = process_of(making)
    second = run(making, Task("preview", (Input(draw("riso", "disc"), name="dropped.png"),), SMALL))
    assert first.error is second.error is None and process_of(making) == process
    lineages = [library.lineage(one) for ended in (first, second) for one in ended.made]
    assert [one.references[0].name for one in lineages if one] == ["ring.png", "dropped.png"]


def test_what_goes_wrong_is_told(making: Making) -> None:
    assert "no asset 99" in str(run(making, Task("preview", (Input(99),), SMALL)).error)
    assert "no transfer backend 'oil'" in str(run(making, Task("oil", (), SMALL)).error)
    assert run(making, Task("preview", (Input(1),), SMALL)).made, "the process goes on"


def test_one_order_at_a_time_which_its_own_visit_cancels(making: Making, library: Library) -> None:
    task = Task("preview", (Input(1),), {"width": 1024, "height": 1024, "count": 20})
    before = library.catalog.counts().assets
    assert making.start("me", task)
    assert not making.start("somebody else", task)
    making.cancel("somebody else")
    until(lambda: making.work.share > 0)
    making.cancel("me")
    until(lambda: not making.work.running)
    assert making.take("me") == Ended()
    assert library.catalog.counts().assets == before


def test_what_is_cancelled_before_its_process_has_begun_is_not_made(library: Library) -> None:
    before = library.catalog.counts().assets
    with closing(Making(library.folder)) as making:
        assert making.start("me", Task("preview", (Input(1),), {"width": 1024, "height": 1024, "count": 20}))
        making.cancel("me")
        until(lambda: not making.work.running)
        assert making.take("me") == Ended()
        assert library.catalog.counts().assets == before
        assert run(making, Task("preview", (Input(1),), SMALL)).made, "the next one is"


def test_a_process_that_is_killed_is_told_of_and_another_one_goes_on(making: Making, library: Library) -> None:
    before = library.catalog.counts().assets
    assert making.start("me", Task("preview", (Input(1),), {"width": 1024, "height": 1024, "count": 20}))
    until(lambda: making.work.share > 0)
    os.kill(process_of(making), signal.SIGKILL)
    until(lambda: not making.work.running)
    ended = making.take("me")
    assert ended is not None and "Nothing was kept" in str(ended.error)
    assert library.catalog.counts().assets == before
    assert not list(Path(library.folder, "created").rglob("*.partial"))
    assert run(making, Task("preview", (Input(1),), SMALL)).made
