"""Fixtures that many tests share."""

from __future__ import annotations

import os

# Before anything loads OpenMP: tests compute on small arrays, where more threads only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import uuid
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from benchmarks import postgres
from stylesearch.catalog import Catalog

SHOTS = os.environ.get("STYLESEARCH_TEST_SHOTS")  # a folder
STRICT = os.environ.get("STYLESEARCH_TEST_STRICT") == "1"

AnyReport = TypeVar("AnyReport", pytest.TestReport, pytest.CollectReport)


def _nothing_left_out(report: AnyReport) -> AnyReport:
    """Where nothing may be left out, what would be skipped fails with the reason."""
    if STRICT and report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"Left out, and STYLESEARCH_TEST_STRICT=1 allows no gaps. {reason}"
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a third of the time is waiting for browsers, servers and killed processes."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _nothing_left_out((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _nothing_left_out((yield))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Leaves a picture of where a journey of the page has ended, for people to look at."""
    try:
        return (yield)
    finally:
        journey, page = item.get_closest_marker("journey"), getattr(item, "funcargs", {}).get("page")
        if SHOTS and journey and page:
            variant = "".join(f" {one}" for one in item.name.rstrip("]").split("[")[1:])
            page.screenshot(path=Path(SHOTS) / f"{journey.args[0]}{variant}.png")


@pytest.fixture(autouse=True, scope="session")
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The user's cache folder is left alone."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[str]:
    """Folder of the socket of a PostgreSQL server that lives as long as the tests."""
    if postgres.find_programs() is None:
        pytest.skip("PostgreSQL's server (initdb, postgres) is not installed. Install it: apt-get install postgresql")
    with postgres.running_server() as server:
        yield str(server.socket)


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database, once on each engine."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/catalog.sqlite"
    else:
        socket = request.getfixturevalue("postgres_socket")
        with postgres.new_database(socket, f"catalog_{uuid.uuid4().hex}") as url:
            yield url


@pytest.fixture
def catalog(catalog_url: str) -> Iterator[Catalog]:
    """An empty catalog, once on each engine."""
    with Catalog.open(catalog_url) as opened:
        yield opened
