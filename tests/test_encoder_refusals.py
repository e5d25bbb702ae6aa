"""An encoder that gives no vector for a picture: the picture stays in the library, in every other space."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from catalog_records import live_vectors
from fakes import FakeEncoder
from indexing import SETTINGS, Bench, open_bench
from pictures import encode
from PIL import Image

from indexer.backfill import Unencoded
from indexer.report import Report
from indexer.run import index


class Afraid(FakeEncoder):
    """Has no vector for a black picture."""

    name = "fake:afraid"
    fingerprint = "af4a"

    def _embed(self, pixels: np.ndarray) -> np.ndarray:
        return super()._embed(pixels) - 1


class Brave(FakeEncoder):
    """Another space, for any picture."""

    name = "fake:brave"
    fingerprint = "b4a4e"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Four pictures, one of them black, in the space of an encoder that takes them all."""
    with open_bench(tmp_path) as opened:
        opened.draw("a.png", "b.png", "c.png")
        (opened.pictures / "black.png").write_bytes(encode(Image.new("RGB", (9, 9)), "PNG"))
        assert opened.index().encoded == 4
        yield opened


def fill(bench: Bench, encoder: FakeEncoder) -> Report:
    space_id = bench.catalog.ensure_space(encoder.space())
    missing = Unencoded(bench.catalog, space_id, SETTINGS.limits, threading.Event())
    return index(bench.catalog, encoder, [], thumbnails=bench.thumbnails, settings=SETTINGS, sources=[missing])


def test_a_picture_that_a_further_space_refuses_stays_in_all_others(bench: Bench) -> None:
    afraid = Afraid()
    report = fill(bench, afraid)
    assert (report.encoded, report.refused) == (3, 1)
    assert "no usable vector" in bench.refusals()["black.png"].message
    assert len(bench.located()) == 4
    assert live_vectors(bench.catalog, bench.encoder.space()) == 4
    assert live_vectors(bench.catalog, afraid.space()) == 3
    assert (bench.catalog.counts().assets, bench.catalog.counts().gone) == (4, 0)

    report = fill(bench, afraid)
    assert (report.still_refused, report.refused, report.encoded) == (1, 0, 0), "it is not tried again"
    report = bench.index()
    assert (report.unchanged, report.still_refused, report.gone) == (4, 0, 0)
    assert fill(bench, Brave()).encoded == 4, "another encoder may take it"
    assert len(bench.located()) == 4


def test_it_is_tried_again_once_the_space_is_cleared_or_the_file_has_changed(bench: Bench) -> None:
    afraid = Afraid()
    fill(bench, afraid)
    assert bench.catalog.drop_vectors(bench.catalog.ensure_space(afraid.space())) == 3
    assert (bench.refusals(), bench.catalog.counts().refused) == ({}, 0)
    assert fill(bench, afraid).refused == 1
    (bench.pictures / "black.png").write_bytes(encode(Image.new("RGB", (9, 9), "red"), "PNG"))
    bench.index()
    assert (bench.refusals(), fill(bench, afraid).encoded) == ({}, 1)


def test_it_comes_and_goes_with_its_file(bench: Bench) -> None:
    fill(bench, Afraid())
    (bench.pictures / "black.png").rename(bench.folder / "away.png")
    assert bench.index().gone == 1
    assert (len(bench.located()), bench.refusals()) == (3, {})
    (bench.folder / "away.png").rename(bench.pictures / "black.png")
    assert bench.index().encoded == 0
    assert len(bench.located()) == 4
    assert live_vectors(bench.catalog, bench.encoder.space()) == 4


def test_a_picture_that_the_first_space_refuses_can_be_browsed_and_is_taken_by_the_next(tmp_path: Path) -> None:
    with open_bench(tmp_path) as bench:
        bench.encoder = Afraid()
        bench.draw("a.png")
        (bench.pictures / "black.png").write_bytes(encode(Image.new("RGB", (9, 9)), "PNG"))
        (bench.pictures / "copy.png").write_bytes((bench.pictures / "black.png").read_bytes())
        report = bench.index()
        assert (report.new, report.refused, report.encoded) == (1, 2, 1)
        assert sorted(bench.located()) == ["a.png", "black.png", "copy.png"]
        assert sorted(bench.refusals()) == ["black.png", "copy.png"]
        assert bench.index().still_refused == 2
        assert fill(bench, Brave()).encoded == 2


def test_a_file_that_is_damaged_leaves_all_spaces(bench: Bench) -> None:
    (bench.pictures / "black.png").write_bytes(b"damaged since")
    report = fill(bench, Brave())
    assert (report.encoded, report.refused) == (3, 1)
    assert sorted(bench.located()) == ["a.png", "b.png", "c.png"]
    assert live_vectors(bench.catalog, bench.encoder.space()) == 3
