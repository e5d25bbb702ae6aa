"""The report of a run: one HTML file for people, JSON and per-query values for programs, CSV, and LaTeX for papers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.report.baseline import Comparison
from benchmarks.report.gate import Verdict
from benchmarks.report.html import page
from benchmarks.report.pictures import Thumbnails
from benchmarks.report.plots import require_matplotlib
from benchmarks.report.tables import to_csv, to_latex
from benchmarks.retrieval.per_query import NAME, write_values
from benchmarks.retrieval.run import Run
from stylesearch.errors import UsageError

__all__ = ["REPORT", "RESULT", "require_matplotlib", "write_report"]

REPORT, RESULT = "report.html", "result.json"


def write_report(
    run: Run,
    folder: Path,
    *,
    pictures: bool = True,
    comparison: Comparison | None = None,
    verdicts: Sequence[Verdict] = (),
) -> Path:
    """Writes report.html, result.json, per-query.npz, scores.csv and scores.tex.

    Args:
        run: what was measured.
        folder: made where it is missing.
        pictures: put small copies of pictures into the page; without them it shows nobody's work.
        comparison: with a baseline.
        verdicts: of the gate.

    Returns:
        path of the page.

    Raises:
        UsageError: the operating system refuses.
        MissingDependencyError: Matplotlib is missing.
    """
    data = run.result.to_json().encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RESULT).write_bytes(data)  # first what took hours
        write_values(folder / NAME, data, run.measured)
        (folder / "scores.csv").write_text(to_csv(run.result), encoding="utf-8")
        (folder / "scores.tex").write_text(to_latex(run.result), encoding="utf-8")
        html = page(run.result, Thumbnails(run.sets) if pictures else None, comparison, verdicts)
        (folder / REPORT).write_text(html, encoding="utf-8")
    except OSError as exc:
        raise UsageError(f"'{folder}' cannot be written ({exc.strerror}). Name another folder with: --out DIR") from exc
    return folder / REPORT
