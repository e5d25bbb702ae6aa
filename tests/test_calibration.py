"""Scores: neighbourhoods that are remembered, the logistic fit, and what a probability is worth on drawn pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from typer.testing import CliRunner

from indexer.run import index
from stylesearch import Library, Query, UsageError
from stylesearch.calibration import Calibration, calibration_error, fit_logistic, halves
from stylesearch.cli import app
from stylesearch.records import Changes
from stylesearch.scores import LocalScaling
from stylesearch.settings import Settings
from stylesearch.vectors import new_index

DIM = 8


def unit(rng: np.random.Generator, count: int) -> np.ndarray:
    vectors = rng.normal(size=(count, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_remembered_neighbourhoods_are_those_of_the_index_after_any_change() -> None:
    rng = np.random.default_rng(0)
    ours, scaling = new_index("exact", DIM), LocalScaling(5)
    held: dict[int, np.ndarray] = {}
    remembered = 0
    for step in range(40):
        ids = np.unique(rng.integers(1, 80, 6))
        live, vectors = rng.random(len(ids)) < 0.7, unit(rng, len(ids))
        changes = Changes(ids, vectors, live, step + 1, "token")
        ours.apply(changes)
        scaling.follow(changes)
        remembered += len(scaling._known)
        held |= {int(one): vector for one, vector, alive in zip(ids, vectors, live, strict=True) if alive}
        for gone in ids[~live].tolist():
            held.pop(gone, None)
        every = sorted(held)
        table = np.stack([held[one] for one in every])
        expected = LocalScaling(5).terms(every, table, ours)
        assert scaling.terms(every, table, ours) == pytest.approx(expected, abs=1e-6)
        cosines = table.astype(np.float64) @ table.T
        np.fill_diagonal(cosines, -np.inf)
        slow = [np.sort(row[row > -np.inf])[::-1][:5] for row in cosines]
        assert expected == pytest.approx([row.mean() if len(row) else 0 for row in slow], abs=1e-6)
    assert remembered > 100, "not all are forgotten every time"


def test_the_fit_finds_the_function_that_pairs_were_drawn_from() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(0.3, 0.5, 40_000)
    same = rng.random(len(scores)) < 1 / (1 + np.exp(-(4 * scores - 1)))
    slope, intercept = fit_logistic(scores[same], scores[~same])
    assert (slope, intercept) == pytest.approx((4, -1), abs=0.1)
    probabilities = Calibration(slope, intercept, 0, 0, 0, 0, "").probability(scores)
    assert calibration_error(probabilities, same) < 0.01
    assert calibration_error(probabilities**2, same) > 0.05


@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_the_fit_is_finite_where_nothing_overlaps(shift: float) -> None:
    slope, intercept = fit_logistic(np.array([0.9, 1.0]) + shift, np.array([0.0, 0.1]) + shift)
    read = Calibration(slope, intercept, 0, 0, 0, 0, "").probability(np.array([0.0, 0.5, 1.0]) + shift)
    assert read == pytest.approx([0.25, 0.5, 0.75], abs=0.06), "Platt's targets are 1/4 and 3/4"
    assert fit_logistic(np.ones(3), np.ones(3)) == pytest.approx((0, 0), abs=1e-6)


def test_halves_lie_side_by_side() -> None:
    wide = Image.new("RGB", (7, 3))
    wide.putpixel((0, 0), (9, 9, 9))
    assert [half.size for half in halves(wide)] == [(3, 3), (3, 3)]
    assert halves(wide)[0].getpixel((0, 0)) == (9, 9, 9) != halves(wide)[1].getpixel((0, 0))
    assert [half.size for half in halves(wide.rotate(90, expand=True))] == [(3, 3), (3, 3)]


STYLES = 24


def draw(style: int, content: int) -> Image.Image:
    """A picture of scattered shapes; the style decides the two colours, the grain and the size of shapes."""
    colours, rng = np.random.default_rng(style), np.random.default_rng([style, content])
    ground, figure = (tuple(colours.integers(0, 256, 3).tolist()) for _ in range(2))
    size, grain = int(colours.integers(6, 24)), float(colours.uniform(0, 40))
    image = Image.new("RGB", (128, 96), ground)
    pen = ImageDraw.Draw(image)
    for x, y in rng.integers(0, 128, (30, 2)).tolist():
        shape = pen.ellipse if content % 2 else pen.rectangle
        shape((x, y, x + size, y + size), fill=figure)
    noise = rng.normal(0, grain, (96, 128, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures in each of 24 styles."""
    folder = tmp_path_factory.mktemp("calibration")
    for style in range(STYLES):
        (folder / "pictures" / str(style)).mkdir(parents=True)
        for content in range(4):
            draw(style, content).save(folder / "pictures" / str(style) / f"{content}.png")
    with Library.create(folder / "library", encoder="descriptors:lab-gradient", index="exact") as made:
        settings = Settings.from_environment()
        index(made.catalog, made.encoder, [folder / "pictures"], thumbnails=made.thumbnails, settings=settings)
    return folder / "library"


def test_scores_want_a_calibration(library: Path) -> None:
    with Library.open(library) as opened, pytest.raises(UsageError, match="stylesearch calibrate"):
        opened.search(Query(1), min_score=0.5)


def test_probabilities_on_drawn_pictures_are_worth_something(library: Path) -> None:
    """Against labels that the calibration has not seen, and pictures of styles that the library does not have."""
    with Library.open(library) as opened:
        made = opened.calibrate()
        assert made.pictures == STYLES * 4
        assert made.found > 0.8 and made.mistaken < 0.2 and made.error < 0.15
        probabilities, same = [], []
        abstained = 0
        for style in range(STYLES):
            hits = opened.search(Query(draw(style, 9), k=12), min_score=0.0)
            cosines = [hit.cosine for hit in hits]
            assert cosines == sorted(cosines, reverse=True)
            probabilities += [hit.score for hit in hits]
            same += [Path(hit.path).parent.name == str(style) for hit in hits]
            kept = opened.search(Query(draw(style, 9), k=12), min_score=0.5)
            assert kept == [hit for hit in hits if hit.score is not None and hit.score >= 0.5]
            strange = Query(draw(1000 + style, 0), k=12)
            abstained += not opened.search(strange, min_score=0.5)
        read, is_same = np.array(probabilities, np.float64), np.array(same)
        assert read[is_same].mean() > read[~is_same].mean() + 0.2
        assert abstained >= STYLES / 2, "most of what has no style of the library is answered with nothing"


def test_scores_follow_the_library(library: Path, tmp_path: Path) -> None:
    with Library.open(library) as opened:
        opened.calibrate()
        query = Query(draw(3, 9), k=5)
        before = opened.search(query, min_score=0)
        near = tmp_path / "near"
        near.mkdir()
        for content in range(10, 14):
            draw(3, content).save(near / f"{content}.png")
        settings = Settings.from_environment()
        index(opened.catalog, opened.encoder, [near], thumbnails=opened.thumbnails, settings=settings)
        after = opened.search(query, min_score=0)
    with Library.open(library) as fresh:
        assert fresh.search(query, min_score=0) == after != before
        fresh.forget(near)
        assert fresh.search(query, min_score=0) == before


def test_the_commands(library: Path, tmp_path: Path) -> None:
    def run(*arguments: object) -> str:
        result = CliRunner().invoke(app, [*map(str, arguments), "-l", str(library)])
        assert result.exit_code == 0, result.output
        return result.output

    assert "At --min-score 0.5" in run("calibrate", "--pictures", 60)
    assert json.loads(run("calibrate", "--json"))["pictures"] == STYLES * 4
    draw(5, 9).save(tmp_path / "known.png")
    hits = json.loads(run("search", tmp_path / "known.png", "--min-score", 0.2, "--json"))
    assert all(0.2 <= hit["score"] <= 1 for hit in hits)
    Image.effect_noise((99, 99), 90).convert("RGB").save(tmp_path / "noise.png")
    assert "Nothing here has this style" in run("search", tmp_path / "noise.png", "--min-score", 0.99)


def test_too_few_pictures(tmp_path: Path) -> None:
    with (
        Library.create(tmp_path / "library", encoder="descriptors:lab-gradient") as empty,
        pytest.raises(UsageError, match="20 pictures"),
    ):
        empty.calibrate()
