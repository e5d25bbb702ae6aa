"""The report of a benchmark: complete, self-contained, and harmless whatever files are called."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser import running_chromium
from studio import SHAPES, STYLES, draw

from benchmarks.report import write_report
from benchmarks.report.baseline import Comparison, compare, read_baseline
from benchmarks.report.definitions import METRICS, PROTOCOLS
from benchmarks.report.gate import judge, parse_floor
from benchmarks.report.html import page
from benchmarks.report.tables import COLUMNS, escape, to_csv, to_latex
from benchmarks.retrieval import Config, run
from benchmarks.retrieval.run import Run
from benchmarks.retrieval.scoring import columns_of
from benchmarks.retrieval.tasks import PROTOCOLS as ALL_PROTOCOLS
from stylesearch.errors import UsageError

HOSTILE = "<script>document.title='owned'<|script> & $x_1$ #100%"  # as close to a closing tag as a file name can be
ENCODERS = ("descriptors:lab-gradient", "compact:v3")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """A run over a drawn set, with CSLS and approximate search, and the folder of its report."""
    folder = tmp_path_factory.mktemp("report")
    for style in STYLES:
        name = HOSTILE if style == "moss" else style
        (folder / "pictures" / name).mkdir(parents=True)
        for shape in SHAPES:
            draw(style, shape).save(folder / "pictures" / name / f"{shape}<b>.png")
    config = Config(ENCODERS, (f"drawn={folder / 'pictures'}",), folder / "out", csls=True, resamples=200)
    found = run(config)
    write_report(found, folder / "out")
    return found, folder / "out"


def test_every_metric_and_protocol_is_defined() -> None:
    assert {metric for metric, _ in columns_of((1,))} == METRICS.keys()
    assert {protocol.name for protocol in ALL_PROTOCOLS} == PROTOCOLS.keys()
    assert "mAP@k" in METRICS["mean_precision"].meaning and "Recall@k" in METRICS["hit_rate"].meaning


def test_page_is_self_contained_and_escapes(made: tuple[Run, Path]) -> None:
    text = (made[1] / "report.html").read_text(encoding="utf-8")
    without_pictures = re.sub(r"data:image/webp;base64,[A-Za-z0-9+/=]+", "", text)
    assert not re.findall(r"https?:|//[a-z]|@import|url\((?!#)", without_pictures)
    assert "<script" not in text.lower() and "&lt;script&gt;" in text and "<b>.png" not in text
    for part in ("seed 0", made[0].result.sets[0].digest, made[0].result.encoders[1].fingerprint, "mP@k", "CSLS"):
        assert part in text
    identifiers = re.findall(r'<section id="([a-z]+)"', text)
    assert set(re.findall(r'href="#([a-z]+)"', text)) <= set(identifiers)


def test_page_in_a_browser(made: tuple[Run, Path]) -> None:
    with running_chromium() as browser:
        for scheme, width in (("light", 1280), ("dark", 1280), ("light", 420)):
            context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})
            tab = context.new_page()
            messages: list[str] = []
            requests: list[str] = []
            tab.on("console", lambda message: messages.append(message.text))  # noqa: B023 - of this tab
            tab.on("pageerror", lambda error: messages.append(str(error)))  # noqa: B023
            tab.on("request", lambda request: requests.append(request.url))  # noqa: B023
            tab.goto((made[1] / "report.html").resolve().as_uri())
            tab.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
            loaded = tab.evaluate(
                """async () => { for (const each of document.images) { each.loading = "eager"; await each.decode(); }
                return [...document.images].every((each) => each.naturalWidth > 0) && document.images.length; }"""
            )
            assert loaded > 50
            assert tab.title().startswith("Style retrieval") and messages == []
            assert [url for url in requests if not url.startswith("data:")] == [tab.url]
            assert tab.locator("svg text", has_text="drawn").count() > 0
            context.close()


def test_a_set_may_be_called_like_a_colour(made: tuple[Run, Path], tmp_path: Path) -> None:
    """Plots are drawn in colours that stand for others; names are left alone."""
    result = made[0].result
    names = ("#0102ff", "#010203")
    renamed = [replace(result.evaluations[0], set=name, gallery_set=name) for name in names]
    text = page(replace(result, evaluations=tuple(renamed), differences=(), examples=()), None, None, ())
    svg = text[text.index("<svg") :]
    assert "#0102ff" in svg and "#010203" in svg and "var(--series-0)" in svg


def test_page_without_pictures_holds_none(made: tuple[Run, Path]) -> None:
    text = page(made[0].result, None, None, ())
    assert "data:image" not in text and 'id="pictures"' not in text


def test_csv_has_a_line_for_each_score(made: tuple[Run, Path]) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(made[0].result))))
    assert tuple(rows[0]) == COLUMNS
    plain = [row for row in rows if row["csls"] == "0" and row["encoder"] == "compact:v3"]
    one = next(row for row in plain if (row["protocol"], row["metric"], row["k"]) == ("leave_one_out", "recall", "10"))
    score = next(
        each for each in made[0].result.evaluations if (each.encoder, each.protocol) == ("compact:v3", one["protocol"])
    ).score("recall", 10)
    assert score and float(one["value"]) == pytest.approx(score.value, abs=1e-6)
    assert (one["set"], one["n"]) == ("drawn", "16") and float(one["low"]) <= float(one["value"])


def test_latex_escapes_and_balances(made: tuple[Run, Path]) -> None:
    assert escape(r"a_b & 50% #1 {x} ~^\ $") == (
        r"a\_b \& 50\% \#1 \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{} \$"
    )
    table = to_latex(made[0].result)
    assert table.count(r"\begin{tabular}") == table.count(r"\end{tabular}") == 2
    for line in table.splitlines():
        if line.startswith(("descriptors", "compact", "Encoder")):
            assert line.count(" & ") == 4 and line.endswith(r"\\")
    unescaped = re.sub(r"\\[&%$#_{}]", "", table)
    assert "_" not in unescaped and unescaped.count("{") == unescaped.count("}")


def test_baseline_pairs_queries_where_it_can(made: tuple[Run, Path], tmp_path: Path) -> None:
    found, out = made
    same = compare(found.result, found.measured, read_baseline(out / "result.json"), seed=0)
    assert same.remarks == () and len(same.differences) == 2 * 2 * 6
    assert all(each.paired and each.mean == 0 and not each.significant for each in same.differences)
    (tmp_path / "result.json").write_bytes((out / "result.json").read_bytes())
    alone = compare(found.result, found.measured, read_baseline(tmp_path / "result.json"), seed=0)
    assert not any(each.paired for each in alone.differences)
    assert all(each.low is not None and each.low <= 0 <= (each.high or 0) for each in alone.differences)
    assert "as if they were independent" in page(found.result, None, alone, ())


def test_baseline_of_other_data_is_not_compared(made: tuple[Run, Path], tmp_path: Path) -> None:
    found, _ = made
    other = replace(found.result, sets=(replace(found.result.sets[0], digest="0" * 64),))
    (tmp_path / "result.json").write_text(other.to_json(), encoding="utf-8")
    told = compare(found.result, found.measured, read_baseline(tmp_path / "result.json"), seed=0)
    assert told.differences == () and "holds other data" in told.remarks[0]
    assert told.remarks[0].replace("'", "&#39;") in page(found.result, None, told, ())


def test_baseline_that_cannot_be_read(made: tuple[Run, Path], tmp_path: Path) -> None:
    text = (made[1] / "result.json").read_text(encoding="utf-8")
    wrong = {
        "not JSON": "{",
        "another version": text.replace("stylesearch-retrieval/1", "stylesearch-retrieval/9"),
        "something else": json.dumps({"schema": "stylesearch-retrieval/1"}),
    }
    for words in wrong.values():
        (tmp_path / "result.json").write_text(words, encoding="utf-8")
        with pytest.raises(UsageError, match=r"result\.json"):
            read_baseline(tmp_path / "result.json")
    with pytest.raises(UsageError, match="cannot be read"):
        read_baseline(tmp_path)
    (tmp_path / "result.json").write_text(text, encoding="utf-8")
    (tmp_path / "per-query.npz").write_bytes(b"PK\x03\x04 damaged")
    with pytest.raises(UsageError, match="damaged"):
        read_baseline(tmp_path / "result.json")
    np.savez(tmp_path / "per-query.npz", result=np.array([object()], dtype=object))
    with pytest.raises(UsageError, match="damaged"):
        read_baseline(tmp_path / "result.json")  # pickle is never read


def test_gate(made: tuple[Run, Path]) -> None:
    result = made[0].result
    floors = [
        parse_floor(text) for text in ("p1=0", "hit@10=1.0", "drawn:mean_precision@10=1", "map_at_r=0", "mrr=0.99")
    ]
    assert [(floor.metric, floor.k, floor.set) for floor in floors] == [
        ("precision", 1, None),
        ("hit_rate", 10, None),
        ("mean_precision", 10, "drawn"),
        ("map_at_r", None, None),
        ("reciprocal_rank", None, None),
    ]
    verdicts = judge(result, floors)
    assert len(verdicts) == 5 * 4  # two encoders under two protocols
    assert all(each.passed for each in verdicts if each.floor.share == 0)
    # Three right answers at most stand among ten.
    assert not any(each.passed for each in verdicts if each.floor.metric == "mean_precision")
    text = page(result, None, Comparison("x", (), ()), verdicts)
    assert "Gate:" in text and "below drawn:mean_precision@10=1" in text
    for wrong in ("p1", "p=0.4", "mrr@3=0.1", "speed@1=0.4", "p1=40", "p1=nan", "=0.4"):
        with pytest.raises(UsageError):
            parse_floor(wrong)
    with pytest.raises(UsageError, match="drawn"):
        judge(result, [parse_floor("other:p1=0")])
    with pytest.raises(UsageError, match="--k 7"):
        judge(result, [parse_floor("p7=0")])
