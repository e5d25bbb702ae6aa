"""The retrieval benchmark over drawn pictures: it goes on where it was killed, and names what is wrong with sets."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from studio import SHAPES, STYLES, draw
from typer.testing import CliRunner

from benchmarks.datasets import open_set
from benchmarks.ranking import LEAVE_ONE_OUT, OWN_CONTENT_LEFT_OUT, Labels, rank
from benchmarks.report import write_report
from benchmarks.retrieval import Config, Result, growth, run
from benchmarks.retrieval.comparison import holm
from benchmarks.retrieval.embeddings import embed_set
from benchmarks.retrieval.run import Run
from stylesearch import encoders
from stylesearch.cli import app
from stylesearch.encoders import load_encoder
from stylesearch.encoders.descriptors import LabGradientEncoder
from stylesearch.errors import EncoderError, UsageError

ENCODERS = ("descriptors:lab-gradient", "compact:v3")


def draw_set(folder: Path, seeds: int = 2) -> Path:
    """Four styles over four shapes, each twice: STYLE/SHAPE-SEED.png, of which only the shape is no content."""
    for style in STYLES:
        (folder / style).mkdir(parents=True)
        for shape in SHAPES:
            for seed in range(seeds):
                draw(style, shape, seed).save(folder / style / f"{shape}-{seed}.png")
    return folder


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_set(tmp_path_factory.mktemp("sets") / "studio")


def config(out: Path, *sets: Path | str, **more: object) -> Config:
    chosen: dict[str, object] = {"encoders": ENCODERS[:1], "approximate": False, "resamples": 200}
    return Config(sets=tuple(map(str, sets)), out=out, **(chosen | more))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, drawn: Path) -> Run:
    return run(config(tmp_path_factory.mktemp("out"), drawn, encoders=ENCODERS, csls=True, workers=2))


def test_every_protocol_metric_and_encoder_is_there(first: Run) -> None:
    result = first.result
    assert [each.name for each in result.encoders] == list(ENCODERS)
    keys = {(each.encoder, each.protocol, each.csls) for each in result.evaluations}
    protocols = ("leave_one_out", "own_content_left_out")
    assert keys == {(name, protocol, csls) for name in ENCODERS for protocol in protocols for csls in (False, True)}
    for each in result.evaluations:
        assert (each.queries, each.unanswerable, each.gallery, each.styles) == (32, 0, 32, 4)
        assert len(each.scores) == 6 * 3 + 2 and len(each.per_style) == 4
        for score in each.scores:
            assert score.low is not None and score.high is not None and score.chance is not None
            assert 0 <= score.low <= score.value + 1e-12 and score.value <= score.high + 1e-12 and score.high <= 1
        assert (each.leak is None) == (each.protocol == "own_content_left_out")
    # Styles of the studio differ in colour, which is what the descriptors describe.
    best = result.evaluations[0].score("precision", 1)
    assert best and best.chance and best.value == 1 and best.chance == pytest.approx(7 / 31)
    assert result.provenance.seed == 0 and result.sets[0].digest and result.times.encoded == 64
    assert {(each.encoder, each.other) for each in result.differences if not each.csls} <= {ENCODERS, ENCODERS[::-1]}


def test_json_round_trip(first: Run) -> None:
    assert Result.from_json(first.result.to_json(), "it") == first.result


def test_second_run_encodes_nothing_and_says_the_same(drawn: Path, tmp_path: Path) -> None:
    one = run(config(tmp_path, drawn))
    two = run(config(tmp_path, drawn, workers=2))
    assert (one.result.times.encoded, two.result.times.encoded) == (32, 0)
    assert one.result.reproducible() == two.result.reproducible()


def test_killed_run_goes_on_and_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = draw_set(tmp_path / "studio", seeds=20)  # 320, more than a shard
    arguments = ["--encoder", ENCODERS[0], "--no-approximate", "--workers", "1", "--json"]
    command = [sys.executable, "-m", "stylesearch", "bench", "retrieval", str(pictures), *arguments]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = subprocess.Popen([*command, "--out", str(killed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(killed.glob("embeddings/*/00000000-*.safetensors")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (killed / "result.json").exists()
    shard = next(killed.glob("embeddings/*/00000000-*.safetensors"))
    written = shard.stat().st_mtime_ns
    summaries = []
    for out in (killed, whole):
        done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        summaries.append(json.loads(done.stdout))
    assert shard.stat().st_mtime_ns == written
    assert summaries[0]["encoded"] < summaries[1]["encoded"] == 320
    one, other = (Result.from_json((out / "result.json").read_bytes(), out).reproducible() for out in (killed, whole))
    for each in (one, other):
        del each["provenance"]["command"], each["provenance"]["commit"]  # one may be made while this runs
    assert one == other


def test_damaged_shard_is_made_again(drawn: Path, tmp_path: Path) -> None:
    one = run(config(tmp_path, drawn))
    shard = next(tmp_path.glob("embeddings/*/*.safetensors"))
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    two = run(config(tmp_path, drawn))
    assert two.result.times.encoded == 32 and one.result.reproducible() == two.result.reproducible()


def test_bad_input_is_named_and_in_no_score(tmp_path: Path) -> None:
    pictures = draw_set(tmp_path / "studio", seeds=1)
    (pictures / "ink" / "cut.png").write_bytes((pictures / "ink" / "disc-0.png").read_bytes()[:2000])
    (pictures / "moss" / "twice.png").write_bytes((pictures / "night" / "ring-0.png").read_bytes())
    (pictures / "alone").mkdir()
    Image.new("RGB", (50, 50), "red").save(pictures / "alone" / "red.png")
    found = run(config(tmp_path / "out", pictures)).result
    problems = {each.kind: each for each in found.problems}
    assert problems["unreadable"].names == ("ink/cut.png",)
    assert set(problems["conflicting_duplicate"].names) == {"moss/twice.png", "night/ring-0.png"}
    assert problems["single_picture_style"].names == ("alone",)
    assert "1 of 16 queries" in problems["unanswerable"].message
    assert {each.queries for each in found.evaluations} == {15}


class HalfBlind(LabGradientEncoder):
    """Gives NaN for light pictures."""

    name = "half:blind"
    fingerprint = "b11d"

    def _embed(self, pixels: np.ndarray) -> np.ndarray:
        vectors = super()._embed(pixels)
        vectors[pixels.mean((1, 2, 3)) > 190] = np.nan
        return vectors


def test_vectors_that_are_not_numbers_are_left_out_for_every_encoder(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(encoders._FAMILIES, "half", lambda name, dtype: HalfBlind())
    found = run(config(tmp_path, drawn, encoders=("half:blind", ENCODERS[0]))).result
    problem = next(each for each in found.problems if each.kind == "no_vector")
    assert "half:blind gives no vector" in problem.message and 0 < len(problem.names) < 16
    assert {name.partition("/")[0] for name in problem.names} <= {"ink", "riso"}
    assert {(each.queries, each.gallery) for each in found.evaluations} == {(32 - len(problem.names),) * 2}


def test_encoder_that_gives_nothing_is_an_error(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HalfBlind, "_embed", lambda self, pixels: np.full((len(pixels), self.dim), np.nan))
    monkeypatch.setitem(encoders._FAMILIES, "quite", lambda name, dtype: HalfBlind())
    with pytest.raises(EncoderError, match="half:blind"):
        run(config(tmp_path, drawn, encoders=("quite:blind",)))


def test_one_style_has_no_interval_and_says_so(tmp_path: Path) -> None:
    pictures = tmp_path / "one"
    draw_set(pictures)
    for style in ("riso", "night", "moss"):
        for path in (pictures / style).iterdir():
            path.unlink()
        (pictures / style).rmdir()
    found = run(config(tmp_path / "out", pictures))
    score = found.result.evaluations[0].score("precision", 1)
    assert score and (score.value, score.low, score.high, score.chance) == (1, None, None, 1)
    assert "single_style" in {each.kind for each in found.result.problems}
    write_report(found, tmp_path / "out")


def test_shuffled_labels_are_told_from_none_better_than_chance(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    styles = list(STYLES)
    for number in range(80):
        path = tmp_path / "shuffled" / f"s{rng.integers(8)}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(styles[number % 4], SHAPES[number // 4 % 4], number).save(path)
    found = run(config(tmp_path / "out", tmp_path / "shuffled")).result
    assert "chance" in {each.kind for each in found.problems}


def test_cross_source_and_roles(drawn: Path, tmp_path: Path) -> None:
    other = draw_set(tmp_path / "other", seeds=3)
    for path in (other / "moss").iterdir():
        path.unlink()
    (other / "moss").rmdir()
    found = run(config(tmp_path / "out", queries=str(drawn), gallery=str(other))).result
    (each,) = found.evaluations
    assert (each.protocol, each.label, each.queries, each.unanswerable) == ("cross_source", "studio → other", 24, 8)
    assert {each.kind: len(each.names) for each in found.problems}["shared"] == 24
    queries = tmp_path / "queries.txt"
    queries.write_text("ink/disc-0.png\nmoss/ring-1.png\n")
    (each,) = run(config(tmp_path / "out", f"{drawn}#queries={queries}")).result.evaluations
    assert (each.protocol, each.queries, each.gallery) == ("query_gallery", 2, 30)


def test_copies_in_another_set_answer_no_query(drawn: Path, tmp_path: Path) -> None:
    """Whatever is in both sets must score as if it were one set."""
    other = tmp_path / "copies"
    shutil.copytree(drawn, other)
    alone = run(config(tmp_path / "out", drawn, protocols=("leave_one_out",))).result
    across = run(config(tmp_path / "out", queries=str(drawn), gallery=str(other))).result
    assert alone.evaluations[0].scores == across.evaluations[0].scores

    (other / "ink" / "disc-0.png").rename(other / "moss" / "moved.png")  # one picture, two styles
    across = run(config(tmp_path / "out", queries=str(drawn), gallery=str(other))).result
    assert (across.evaluations[0].queries, across.evaluations[0].gallery) == (31, 31)
    problems = {each.kind: each for each in across.problems}
    assert problems["conflicting_duplicate"].names == ("ink/disc-0.png",) and len(problems["shared"].names) == 31


def test_what_cannot_be_asked_is_told_before_anything_is_encoded(drawn: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["bench", "retrieval", str(drawn), "--encoder", ENCODERS[0], "--out", str(out)]
    for more, words in (
        (["--fail-under", "stdio:p1=0.4"], "stdio"),
        (["--protocol", "query_gallery"], "No set allows"),
        (["--encoder", "nobody:v1"], "nobody"),
    ):
        told = CliRunner().invoke(app, [*arguments, *more])
        assert told.exit_code in (1, 2) and words in told.stderr
        assert not out.exists()


@pytest.mark.parametrize("package", ["matplotlib", "pyarrow"])
def test_a_missing_package_is_told_before_anything_is_encoded(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (package, "pyarrow.parquet", "matplotlib.figure"):
        if name.startswith(package):
            monkeypatch.setitem(sys.modules, name, None)
    rendered = ["rendered:styles=2,contents=2,size=32", "--cache", str(tmp_path / "cache")]
    arguments = ["bench", "retrieval", *rendered, "--encoder", ENCODERS[0], "--out", str(tmp_path / "out")]
    told = CliRunner().invoke(app, arguments)
    assert told.exit_code == 1 and package in told.stderr and "stylesearch[bench]" in told.stderr
    assert not any(tmp_path.iterdir())


def test_a_set_that_no_protocol_fits_is_named(drawn: Path, tmp_path: Path) -> None:
    queries = tmp_path / "queries.txt"
    queries.write_text("ink/disc-0.png\n")
    sets = (str(drawn), f"split={drawn}#queries={queries}")
    found = run(config(tmp_path / "out", *sets, protocols=("query_gallery",))).result
    assert [each.set for each in found.evaluations] == ["split"]
    assert [(each.where, each.kind) for each in found.problems if each.kind == "no_protocol"] == [
        ("studio", "no_protocol")
    ]


def test_wrong_requests_are_told(drawn: Path, tmp_path: Path) -> None:
    for wrong, words in (
        ({"encoders": ()}, "--encoder"),
        ({"encoders": ENCODERS[:1] * 2}, "twice"),
        ({"protocols": ("leave_two_out",)}, "leave_one_out"),
        ({"protocols": ("cross_source",)}, "--queries"),
        ({"queries": "here"}, "--gallery"),
        ({"ks": (0,)}, "at least 1"),
    ):
        with pytest.raises(UsageError, match=words):
            run(config(tmp_path, drawn, **wrong))
    with pytest.raises(UsageError, match="set is named twice"):
        config(tmp_path, drawn, drawn)
    with pytest.raises(UsageError, match="NAME=SET"):
        run(config(tmp_path, drawn, f"studio={drawn}"))
    with pytest.raises(UsageError, match="No set"):
        config(tmp_path)


def test_growth_equals_the_mean_over_all_galleries() -> None:
    rng = np.random.default_rng(3)
    styles = np.repeat(list("abcde"), 3)
    contents = np.array([0, 1, 2] * 5, dtype=object).astype(str).astype(object)
    vectors = rng.normal(size=(15, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels, own = Labels(styles, contents), np.arange(15)
    for depth in (1, 14):  # the deep ones come from a pass of their own
        for ranking in rank(vectors, labels, vectors, labels, own_rows=own, depth=depth):
            ahead = growth.styles_ahead(ranking, vectors, labels, vectors, labels, own)
            expected = growth.expected_precision(ahead, 5)
            assert growth.sizes(5).tolist() == [2, 4, 5]
            for column, size in enumerate((2, 4, 5)):
                for at, query in enumerate(ranking.queries):
                    right = []
                    for chosen in combinations(sorted(set(styles) - {styles[query]}), size - 1):
                        allowed = np.isin(styles, [*chosen, styles[query]]) & (own != query)
                        if ranking.protocol is OWN_CONTENT_LEFT_OUT:
                            allowed &= contents != contents[query]
                        nearest = np.where(allowed, vectors @ vectors[query], -np.inf).argmax()
                        right.append(styles[nearest] == styles[query])
                    assert expected[at, column] == pytest.approx(np.mean(right)), (ranking.protocol, size)


def test_growth_of_an_encoder_that_sees_nothing_ends_at_its_precision() -> None:
    styles = np.repeat(list("abcd"), 30)
    vectors, own = np.tile(np.array([0.6, 0.8], np.float32), (120, 1)), np.arange(120)
    labels = Labels(styles)
    for depth in (5, 100):  # the right answers of b, c and d lie behind 30, 60 and 90 equal ones
        (ranking,) = rank(vectors, labels, vectors, labels, own_rows=own, protocols=[LEAVE_ONE_OUT], depth=depth)
        ahead = growth.styles_ahead(ranking, vectors, labels, vectors, labels, own)
        assert ahead.tolist() == np.repeat(np.arange(4), 30).tolist()
        assert growth.expected_precision(ahead, 4)[:, -1].mean() == 0.25


def test_holm_on_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]


def test_embeddings_are_those_of_the_encoder(drawn: Path, tmp_path: Path) -> None:
    pictures, encoder = open_set(str(drawn)), load_encoder(ENCODERS[0])
    embedded = embed_set(pictures, encoder, tmp_path, workers=3)
    np.testing.assert_array_equal(embedded.vectors, encoder.embed_batch([pictures.image(row) for row in range(32)]))


def test_command_line(drawn: Path, tmp_path: Path) -> None:
    arguments = ["bench", "retrieval", str(drawn), "-e", ENCODERS[0], "--out", str(tmp_path), "--no-approximate"]
    invoke = CliRunner().invoke
    shown = invoke(app, [*arguments, "--fail-under", "p1=0.5", "--fail-under", "studio:mp@5=0.5"])
    assert shown.exit_code == 0 and "studio\tleave_one_out\tdescriptors:lab-gradient\t100.0" in shown.stdout
    below = invoke(app, [*arguments, "--fail-under", "recall@100=1", "--fail-under", "recall@1=0.99"])
    assert below.exit_code == 4 and "FAILED: descriptors:lab-gradient on studio" in below.stderr
    summary = json.loads(invoke(app, [*arguments, "--json"]).stdout)
    assert summary["encoded"] == 0 and summary["evaluations"][0]["scores"]["P@1"] == 1
    assert {path.name for path in tmp_path.iterdir()} == {
        "embeddings",
        "per-query.npz",
        "report.html",
        "result.json",
        "scores.csv",
        "scores.tex",
    }
    for wrong, words in (
        (["--fail-under", "p1"], "is no floor"),
        (["--fail-under", "elsewhere:p1=0.1"], "elsewhere"),
        (["--baseline", str(tmp_path / "nothing.json")], "cannot be read"),
        (["-e", "unknown:x"], "unknown:x"),
    ):
        told = invoke(app, [*arguments, *wrong])
        assert told.exit_code in (1, 2) and words in told.stderr and "Traceback" not in told.output
