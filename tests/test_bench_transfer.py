"""`bench transfer` on backends whose pictures are known: one does it right, one copies, one does nothing."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from studio import SHAPES, STYLES, draw
from typer.testing import CliRunner

from benchmarks.datasets import open_set
from benchmarks.transfer import Config, Run, run, scoring
from benchmarks.transfer.config import PROMPTS
from benchmarks.transfer.definitions import MEASURES
from benchmarks.transfer.grid import grid, references
from benchmarks.transfer.report import write_report
from stylesearch.cli import app
from stylesearch.errors import TransferError, UsageError
from stylesearch.transfer.base import (
    Capabilities,
    LicenceNote,
    ModelUsed,
    Report,
    TransferBackend,
    TransferRequest,
    TransferResult,
)

ENCODER = "descriptors:lab-gradient"
Draw = Callable[[TransferRequest, int], Image.Image]


class Drawing(TransferBackend):
    """Answers with drawings of the studio. `calls` counts requests over all of its instances."""

    licence = LicenceNote("Drawn for a test.", True)
    calls = 0

    def __init__(self, name: str, how: Draw, capabilities: Capabilities) -> None:
        self.name, self._how, self.capabilities = name, how, capabilities

    def _run(self, request: TransferRequest, report: Report, cancel: threading.Event) -> list[TransferResult]:
        type(self).calls += 1
        seeds = range(request.seed, request.seed + request.count)
        models = (ModelUsed("pen", "ab" * 32, "CC0"),)
        return [TransferResult(self._how(request, seed), seed, 0.5 + seed, models) for seed in seeds]


def right(request: TransferRequest, seed: int) -> Image.Image:
    return draw(request.references[0].name.split("/")[0], request.prompt, seed)


def copying(request: TransferRequest, seed: int) -> Image.Image:
    return request.references[0].picture.copy()


def idle(request: TransferRequest, seed: int) -> Image.Image:
    return draw("riso", request.prompt, seed)


def showing_content(request: TransferRequest, seed: int) -> Image.Image:
    assert request.content is not None
    return Image.blend(request.content.resize((96, 96)), request.references[0].picture.resize((96, 96)), 0.5)


TEXT = Capabilities(references=1, content=False, text=True, weights=False)
CONTENT = Capabilities(references=1, content=True, text=False, weights=False, needs_content=True)
HOW: dict[str, tuple[Draw, Capabilities]] = {
    "right": (right, TEXT),
    "copying": (copying, TEXT),
    "idle": (idle, TEXT),
    "content": (showing_content, CONTENT),
}


@pytest.fixture(autouse=True)
def backends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Drawing, "calls", 0)
    monkeypatch.setattr(sys.modules["benchmarks.transfer.run"], "load_backend", lambda name: Drawing(name, *HOW[name]))


@pytest.fixture
def paintings(tmp_path: Path) -> str:
    """STYLE/SHAPE.png for every style and shape."""
    for style in STYLES:
        (tmp_path / "paintings" / style).mkdir(parents=True)
        for shape in SHAPES:
            draw(style, shape).save(tmp_path / "paintings" / style / f"{shape}.png")
    return str(tmp_path / "paintings")


def measured(paintings: str, out: Path, *names: str, **options: Any) -> Run:
    given: dict[str, Any] = {
        "encoders": (ENCODER,),
        "prompts": SHAPES,
        "subjects": 2,
        "size": 64,
        "resamples": 200,
    } | options
    return run(Config(set=paintings, backends=names, out=out, **given))


def value(found: Run, backend: str, metric: str, encoder: str = ENCODER) -> float:
    evaluation = found.result.evaluation(backend, encoder if metric in ("style", "attributed", "gain") else "")
    score = evaluation and evaluation.score(metric)
    assert score and score.low is not None and score.high is not None and score.low <= score.value <= score.high
    return score.value


def test_measures_tell_the_backends_apart(paintings, tmp_path):
    found = measured(paintings, tmp_path / "out", "right", "copying", "idle")
    style = {name: value(found, name, "style") for name in ("right", "copying", "idle")}
    assert style["copying"] == pytest.approx(1, abs=1e-3) and style["idle"] < style["right"] <= style["copying"]
    assert value(found, "right", "attributed") == value(found, "copying", "attributed") == 1
    assert value(found, "idle", "attributed") == pytest.approx(1 / len(STYLES))  # riso is what it always draws
    leak = {name: value(found, name, "leak") for name in ("right", "copying")}
    assert leak["copying"] > 2 * abs(leak["right"])
    assert value(found, "copying", "layout") > 0.9 > value(found, "right", "layout")
    assert value(found, "copying", "diversity") == pytest.approx(0, abs=1e-6)
    assert value(found, "right", "diversity") > 0.01
    first, *_ = found.result.differences
    assert (first.backend, first.other) == ("copying", "right") and len(found.result.differences) == 3
    assert all(
        each.p_holm is not None and each.p is not None and each.p_holm >= each.p for each in found.result.differences
    )


def test_what_the_references_get_stands_beside_the_leak(paintings, tmp_path):
    found = measured(paintings, tmp_path / "out", "copying")
    evaluation = found.result.evaluation("copying", "")
    leak = evaluation and evaluation.score("leak")
    assert leak and leak.beside == pytest.approx(leak.value, abs=0.01)


def test_prompts_are_measured_by_a_content_encoder_with_a_text_tower(paintings, tmp_path):
    few = {"styles": 2, "encoders": ("compact:v3",), "prompts": ("disc", "ring")}  # words that it knows
    found = measured(paintings, tmp_path / "out", "right", content_encoder="compact:v3", **few)
    evaluation = found.result.evaluation("right", "")
    assert evaluation and evaluation.score("text")
    prompted = evaluation.score("prompted")
    assert prompted and prompted.beside == pytest.approx(1 / 2)
    without = measured(paintings, tmp_path / "out", "right", **few).result.evaluation("right", "")
    assert without and without.score("text") is None


def test_contents_are_shown_to_backends_that_take_them(paintings, tmp_path):
    found = measured(paintings, tmp_path / "out", "content", contents=paintings)
    assert value(found, "content", "gain") > 0
    (info,) = found.result.backends
    page = write_report(found, tmp_path / "out").read_text(encoding="utf-8")
    assert page.count("data:image") == 2 + 4 * 3 and page.count('alt="to be shown: ') == 2
    assert info.shows == "contents" and {one.shows.rpartition("/")[2] for one in found.result.pictures} <= {
        f"{shape}.png" for shape in SHAPES
    }


def test_costs_are_told(paintings, tmp_path):
    (info,) = measured(paintings, tmp_path / "out", "right", count=2).result.backends
    assert (info.made, info.new, info.failed) == (16, 16, 0)
    assert info.seconds == pytest.approx(np.median([0.5 + seed for seed in range(4)]))
    assert info.models[0].name == "pen" and info.licence == "Drawn for a test."
    assert info.memory is None or info.memory > 1e7


def test_a_run_goes_on_where_it_stopped(paintings, tmp_path, monkeypatch):
    def stopping(request: TransferRequest, seed: int) -> Image.Image:
        if Drawing.calls == 5:
            raise KeyboardInterrupt
        return right(request, seed)

    with monkeypatch.context() as patch:
        patch.setitem(HOW, "right", (stopping, TEXT))
        with pytest.raises(KeyboardInterrupt):
            measured(paintings, tmp_path / "out", "right")
    assert len(list((tmp_path / "out" / "pictures").glob("*.json"))) == 4
    found = measured(paintings, tmp_path / "out", "right")
    assert Drawing.calls == 5 + 4 and found.result.backends[0].new == 4 and found.result.backends[0].made == 8
    whole = measured(paintings, tmp_path / "other", "right")
    assert [one.cosines for one in found.result.pictures] == [one.cosines for one in whole.result.pictures]
    assert found.result.evaluations == whole.result.evaluations


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_what_is_not_whole_is_made_again(paintings, tmp_path, damage):
    measured(paintings, tmp_path / "out", "right")
    kept = sorted((tmp_path / "out" / "pictures").iterdir())
    if damage == "gone":
        next(path for path in kept if path.suffix == ".png").unlink()
    else:
        next(path for path in kept if path.suffix == ".json").write_text("[{")
    assert measured(paintings, tmp_path / "out", "right").result.backends[0].new == 1


def test_a_request_that_fails_is_told_and_left_out(paintings, tmp_path, monkeypatch):
    def failing(request: TransferRequest, seed: int) -> Image.Image:
        if request.prompt == "bars":
            raise TransferError("No more ink.")
        return right(request, seed)

    monkeypatch.setitem(HOW, "right", (failing, TEXT))
    found = measured(paintings, tmp_path / "out", "right")
    assert (found.result.backends[0].made, found.result.backends[0].failed) == (4, 4)
    assert "prompt 'bars': No more ink." in found.result.problems[0].message


def test_a_backend_that_fails_again_and_again_ends_the_run(paintings, tmp_path, monkeypatch):
    def failing(request: TransferRequest, seed: int) -> Image.Image:
        raise TransferError("No more ink.")

    monkeypatch.setitem(HOW, "right", (failing, TEXT))
    with pytest.raises(TransferError, match="No more ink"):
        measured(paintings, tmp_path / "out", "right")
    assert Drawing.calls == 3


def test_every_backend_is_asked_for_the_same(paintings, tmp_path):
    config = Config(paintings, ("right",), (ENCODER,), tmp_path, styles=3, subjects=2, count=4, seed=5)
    pictures = open_set(paintings)
    chosen = references(pictures, config)
    assert chosen == references(pictures, config) and len({pictures.styles[row] for row in chosen}) == 3
    cells = grid(config, TEXT, chosen, None, "right")
    assert [(cell.prompt, cell.seed) for cell in cells[:2]] == [(PROMPTS[0], 5), (PROMPTS[1], 9)] and len(cells) == 6
    shown = grid(config, CONTENT, chosen, pictures, "content")
    assert len({cell.content for cell in shown}) == 2 and all(not cell.prompt for cell in shown)
    nothing = Capabilities(references=1, content=False, text=False, weights=False)
    assert {(cell.prompt, cell.content) for cell in grid(config, nothing, chosen, None, "x")} == {("", None)}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"backends": ()}, "No backend is named"),
        ({"encoders": ()}, "No encoder is named"),
        ({"backends": ("right", "right")}, "backend is named twice: right, right"),
        ({"styles": 1}, "takes 2 to tell"),
        ({"subjects": 0}, "at least 1 of both"),
        ({"prompts": (" ",)}, "no prompt"),
    ],
)
def test_what_cannot_be_measured_is_refused_first(options, words):
    given: dict[str, Any] = {"set": "x", "backends": ("right",), "encoders": (ENCODER,), "out": Path("x")} | options
    with pytest.raises(UsageError, match=words):
        Config(**given)


def test_backends_that_do_not_fit_are_refused(paintings, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"needs pictures that say what to show.*--contents SET"):
        measured(paintings, tmp_path / "out", "content")
    monkeypatch.setitem(HOW, "none", (right, Capabilities(references=0, content=False, text=True, weights=False)))
    with pytest.raises(UsageError, match="takes no references"):
        measured(paintings, tmp_path / "out", "none")


def test_style_equals_what_one_writes_down_at_once():
    rng = np.random.default_rng(0)
    vectors, kinds, own = unit(rng, 20), unit(rng, 5), rng.integers(0, 5, 20)
    found = scoring.style(vectors, kinds, own)
    for row in range(20):
        cosines = [float(vectors[row] @ kind) for kind in kinds]
        others = [cosine for number, cosine in enumerate(cosines) if number != own[row]]
        assert found["style"][0][row] == pytest.approx(cosines[own[row]], abs=1e-6)
        assert found["style"][1][row] == pytest.approx(np.mean(others), abs=1e-6)
        assert found["attributed"][0][row] == (cosines[own[row]] > max(others))


def test_leak_equals_what_one_writes_down_at_once():
    rng = np.random.default_rng(1)
    shown = [(style, content) for style in "abc" for content in "xyz"]
    gallery, labels = unit(rng, 9), [("a", "x"), ("b", "q"), ("c", None)]
    vectors, kinds, own = unit(rng, 6), unit(rng, 3), np.array([0, 0, 1, 1, 2, 2])
    values, beside = scoring.leak(vectors, own, kinds, labels, gallery, shown)
    for row in (0, 1):
        each = []
        for style in "bc":
            same = gallery[shown.index((style, "x"))]
            rest = [gallery[shown.index((style, content))] for content in "yz"]
            each.append(vectors[row] @ same - np.mean([vectors[row] @ other for other in rest]))
        assert values[row] == pytest.approx(np.mean(each), abs=1e-6)
    assert np.isnan(values[2:]).all() and np.isfinite(beside[:2]).all()


def test_diversity_equals_what_one_writes_down_at_once():
    rng = np.random.default_rng(2)
    vectors, own = unit(rng, 7), np.array([0, 0, 0, 1, 1, 2, 0])
    found = scoring.diversity(vectors, own)
    for row in range(7):
        others = [1 - vectors[row] @ vectors[at] for at in range(7) if at != row and own[at] == own[row]]
        assert np.isnan(found[row]) if not others else found[row] == pytest.approx(np.mean(others), abs=1e-6)


def unit(rng: np.random.Generator, count: int) -> np.ndarray:
    vectors = rng.normal(size=(count, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_report_needs_nothing_else_and_escapes(tmp_path):
    hostile = "<script>alert(1)<|script>"
    for style in (hostile, "ink"):
        (tmp_path / "set" / style).mkdir(parents=True)
        for shape in SHAPES:
            draw("moss" if style == hostile else style, shape).save(tmp_path / "set" / style / f"{shape}<b>.png")
    found = measured(str(tmp_path / "set"), tmp_path / "out", "copying", prompts=("<i>disc", "ring"))
    text = write_report(found, tmp_path / "out").read_text(encoding="utf-8")
    assert (
        "<script" not in text.lower() and "&lt;script&gt;" in text and "<b>.png" not in text and "<i>disc" not in text
    )


def test_the_report_shows_every_number(paintings, tmp_path):
    found = measured(paintings, tmp_path / "out", "copying", "idle")
    page = write_report(found, tmp_path / "out")
    text = page.read_text(encoding="utf-8")
    bare = re.sub(r"data:image/webp;base64,[A-Za-z0-9+/=]+", "", text)
    assert not re.findall(r"https?:|//[a-z]|@import|url\(", bare) and text.count("data:image") == 4 * 3 * 2
    assert all(measure.title in text for measure in MEASURES.values())
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "scores.csv").read_text())))
    assert len(rows) == sum(len(each.scores) for each in found.result.evaluations)
    kept = json.loads((tmp_path / "out" / "result.json").read_text())
    assert kept["schema"] == "stylesearch-transfer/1" and len(kept["pictures"]) == 16
    assert all((tmp_path / "out" / one["file"]).is_file() for one in kept["pictures"])
    assert "data:image" not in write_report(found, tmp_path / "bare", pictures=False).read_text(encoding="utf-8")


def test_the_command_prints_and_says_where_the_report_is(paintings, tmp_path):
    (tmp_path / "prompts.txt").write_text("disc\n\n ring \n")
    command = [
        "bench",
        "transfer",
        paintings,
        "-b",
        "right",
        "-e",
        ENCODER,
        "--size",
        "64",
        "--out",
        str(tmp_path / "o"),
    ]
    done = CliRunner().invoke(app, [*command, "--prompts", str(tmp_path / "prompts.txt"), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["backends"] == [{"backend": "right", "made": 8, "failed": 0, "seconds": 1.0}]
    assert {score for each in told["evaluations"] for score in each["scores"]} >= {"style", "attributed", "layout"}
    assert Path(told["report"]).is_file()
    table = CliRunner().invoke(app, [*command, "--prompts", str(tmp_path / "prompts.txt")])
    assert table.exit_code == 0 and f"right\t{ENCODER}\tStyle\t" in table.stdout
    wrong = CliRunner().invoke(app, [*command, "--prompts", str(tmp_path / "none.txt")])
    assert wrong.exit_code == 2 and "cannot be read" in wrong.output
