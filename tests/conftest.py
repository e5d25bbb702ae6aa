"""Fixtures that many tests share."""

from __future__ import annotations

import os

# Before anything loads OpenMP: tests compute on small arrays, where more threads only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import uuid
from collections.abc import Iterator
from pathlib import Path

import postgres
import pytest

from stylesearch.catalog import Catalog


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[str]:
    """Folder of the socket of a PostgreSQL server that lives as long as the tests."""
    programs = postgres.find_programs()
    if programs is None:
        reason = "PostgreSQL's server (initdb, postgres) is not installed. Install it with: apt-get install postgresql"
        if os.environ.get("STYLESEARCH_TEST_STRICT") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with postgres.running_server(programs) as socket:
        yield socket


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
