"""The scores as CSV for programs and as LaTeX for papers."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from benchmarks.report.definitions import METRICS, PROTOCOLS
from benchmarks.retrieval.results import Evaluation, Result, Score

COLUMNS = (
    "encoder", "set", "protocol", "metric", "k", "value", "low", "high", "n", "gallery_set", "csls", "chance",
)  # fmt: skip
_SHOWN = (("precision", 1), ("hit_rate", 10), ("mean_precision", 10), ("map_at_r", None))
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "→": r"$\rightarrow$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
} | {letter: f"\\{letter}" for letter in "&%$#_{}"}


def to_csv(result: Result) -> str:
    """One line for each score, in shares: `COLUMNS`; n is the number of queries."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in result.evaluations:
        for score in each.scores + ((each.leak,) if each.leak else ()):
            bounds = [_six(number) for number in (score.value, score.low, score.high)]
            k = "" if score.k is None else score.k
            rest = each.queries, each.gallery_set, int(each.csls), _six(score.chance)
            writer.writerow([each.encoder, each.set, each.protocol, score.metric, k, *bounds, *rest])
    return buffer.getvalue()


def to_latex(result: Result) -> str:
    """A table (packages booktabs, and textcomp before 2020) for each protocol: encoders by sets, with intervals."""
    plain = [each for each in result.evaluations if not each.csls and each.scores]
    tables = [
        _table([each for each in plain if each.protocol == protocol], protocol)
        for protocol in dict.fromkeys(each.protocol for each in plain)
    ]
    return "% Needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}\n" + "\n".join(tables)


def escape(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_SPECIAL.get(letter, letter) for letter in text)


def _table(evaluations: Sequence[Evaluation], protocol: str) -> str:
    sets = list(dict.fromkeys(each.label for each in evaluations))
    encoders = list(dict.fromkeys(each.encoder for each in evaluations))
    by_cell = {(each.encoder, each.label): each for each in evaluations}
    width = len(_SHOWN)
    groups = " & ".join(rf"\multicolumn{{{width}}}{{c}}{{{escape(name)}}}" for name in sets)
    rules = "".join(rf"\cmidrule(lr){{{2 + width * i}-{1 + width * (i + 1)}}}" for i in range(len(sets)))
    symbols = " & ".join(escape(METRICS[metric].at(k)) for metric, k in _SHOWN)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{Style retrieval, {escape(PROTOCOLS[protocol][0].lower())}: per cent, with 95\,\% intervals from "
        r"resampling styles. mP@10 is what CSD and MegaStyle call mAP@10, Hit@10 what they call Recall@10.}",
        rf"\begin{{tabular}}{{l{'r' * (width * len(sets))}}}",
        r"\toprule",
        rf" & {groups} \\",
        rules,
        "Encoder & " + " & ".join([symbols] * len(sets)) + r" \\",
        r"\midrule",
    ]
    for encoder in encoders:
        found = [by_cell.get((encoder, name)) for name in sets]
        cells = [_cell(each.score(metric, k) if each else None) for each in found for metric, k in _SHOWN]
        lines.append(f"{escape(encoder)} & " + " & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _cell(score: Score | None) -> str:
    if score is None:
        return "--"
    value = f"{100 * score.value:.1f}"
    if score.low is None or score.high is None:
        return value
    return rf"{value}\,{{\scriptsize[{100 * score.low:.1f}, {100 * score.high:.1f}]}}"


def _six(number: float | None) -> str:
    return "" if number is None else f"{number:.6f}"
