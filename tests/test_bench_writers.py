"""The measurement of several writers, small."""

from __future__ import annotations

import pytest

from benchmarks import writers
from stylesearch.catalog import Catalog


def test_writers_lose_nothing_and_do_not_fail(catalog_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert writers.compete(catalog_url, processes=3, seconds=1.5) == 0
    printed = capsys.readouterr().out
    assert "transactions/s" in printed and "OK: " in printed


def test_what_is_missing_is_said(catalog_url: str) -> None:
    Catalog.open(catalog_url).close()
    written = [writers.Written(["/writer-0/1/x.png"], [], [0.1])]
    assert writers._missing(catalog_url, written) == ["1 files that writer 0 has written are not there"]
