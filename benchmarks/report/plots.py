"""The plots: SVG to put into the page, in whose colours and font they are drawn."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.report.definitions import METRICS, PROTOCOLS
from benchmarks.retrieval.results import Approximation, Evaluation, GrowthPoint, Score
from stylesearch.errors import MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Matplotlib draws with colours that stand for variables of the page's style sheet, which knows light from dark.
_INK, _QUIET, _LINE = "#010203", "#010204", "#010205"
SERIES = 8  # colours that the style sheet has; a ninth encoder looks like the first
_COLOURS = [f"#0102{16 + number:02x}" for number in range(SERIES)]
_VARIABLES = {_INK: "--ink", _QUIET: "--quiet", _LINE: "--line"} | {
    colour: f"--series-{number}" for number, colour in enumerate(_COLOURS)
}
_MARKERS = "os^DvPX*"  # shapes tell encoders apart where colours do not
_WIDTH = 10.0  # inches; 72 units each in the SVG
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "stylesearch",
    "text.parse_math": False,  # a name may hold a dollar sign
    "font.size": 10.5,
    "text.color": _INK,
    "axes.labelcolor": _QUIET,
    "axes.edgecolor": _LINE,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.color": _QUIET,
    "ytick.color": _QUIET,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
}

Task = list[Evaluation]
"""Evaluations of one task, one for each encoder."""


def require_matplotlib() -> None:
    """Raises MissingDependencyError where it is not installed: to be known before hours of encoding."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as exc:
        raise MissingDependencyError("matplotlib", "bench", "to draw the plots of the report") from exc


def overview(tasks: Sequence[Task], encoders: Sequence[str]) -> str:
    """Three headline metrics with intervals, all tasks and encoders; a tick where chance is."""
    shown = (("precision", 1), ("hit_rate", 10), ("mean_precision", 10))
    height = 0.7 + sum(0.3 + 0.2 * len(task) for task in tasks)
    with _figure(_WIDTH, height) as (figure, finish):
        panels = figure.subplots(1, len(shown), sharey=True)
        for axes, (metric, k) in zip(panels, shown, strict=True):
            places, labels, top = [], [], 0.0
            for task in tasks:
                places.append(top)
                labels.append(f"{task[0].label}\n{PROTOCOLS[task[0].protocol][0].lower()}")
                for number, evaluation in enumerate(task):
                    score = evaluation.score(metric, k)
                    if score is None:
                        continue
                    place = top + 0.31 * (number - (len(task) - 1) / 2)
                    series = encoders.index(evaluation.encoder)
                    axes.plot([*_bounds(score)], [place] * 2, color=_COLOURS[series % SERIES])
                    axes.plot(100 * score.value, place, _MARKERS[series % SERIES], color=_COLOURS[series % SERIES])
                    if score.chance is not None:
                        axes.plot(100 * score.chance, place, "|", color=_QUIET, markersize=9)
                top += 0.9 + 0.3 * len(task)
            axes.set(title=f"{METRICS[metric].at(k)}, %", xlim=(0, 100), yticks=places, ylim=(top - 0.9, -0.9))
            axes.set_xticks([0, 25, 50, 75, 100])
            axes.set_yticklabels(labels)
            axes.grid(axis="y", visible=False)
        return finish()


def curves(tasks: Sequence[Task], encoders: Sequence[str]) -> str:
    """Precision at k over k, with bands; dashed: chance."""

    def draw(axes: Axes, task: Task) -> None:
        for evaluation in task:
            points = evaluation.curve
            depths = [point.k or 1 for point in points]
            colour = _COLOURS[encoders.index(evaluation.encoder) % SERIES]
            _band(axes, depths, points, colour)
            axes.plot(depths, [100 * point.value for point in points], color=colour)
        chance = [100 * (point.chance or 0) for point in task[0].curve]
        axes.plot(depths, chance, color=_QUIET, linewidth=1, linestyle=(0, (4, 3)))
        axes.set(xscale="log", xlabel="k", ylim=(0, 100))
        ticks = [k for k in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if k <= depths[-1]]
        axes.set_xticks(ticks, [str(k) for k in ticks])
        axes.set_xticks([], minor=True)
        _per_cent(axes.yaxis)

    return _grid([task for task in tasks if task[0].curve], draw)


def by_style(tasks: Sequence[Task], encoders: Sequence[str]) -> str:
    """mP@10 of each style, worst to best: how even an encoder is."""

    def draw(axes: Axes, task: Task) -> None:
        for evaluation in task:
            values = 100 * np.sort([style.mean_precision_10 for style in evaluation.per_style])
            share = 100 * (np.arange(len(values)) + 0.5) / len(values)
            some = np.unique(np.linspace(0, len(values) - 1, min(len(values), 200)).astype(int))
            series = encoders.index(evaluation.encoder) % SERIES
            marker = _MARKERS[series] if len(values) <= 40 else ""
            axes.plot(share[some], values[some], color=_COLOURS[series], marker=marker, markersize=4)
        axes.set(xlabel="share of the styles, worst first", xlim=(0, 100), ylim=(0, 102))
        _per_cent(axes.xaxis)
        _per_cent(axes.yaxis)

    return _grid([task for task in tasks if task[0].per_style], draw)


def growth(tasks: Sequence[Task], encoders: Sequence[str]) -> str:
    """Expected P@1 over the number of styles in the gallery."""

    def draw(axes: Axes, task: Task) -> None:
        for evaluation in task:
            points = evaluation.growth
            styles = [point.styles for point in points]
            series = encoders.index(evaluation.encoder) % SERIES
            _band(axes, styles, points, _COLOURS[series])
            values = [100 * point.precision_1 for point in points]
            axes.plot(styles, values, color=_COLOURS[series], marker=_MARKERS[series], markersize=4)
        axes.set(xscale="log", xlabel="styles in the gallery", ylim=(0, 102))
        ticks = sorted({*styles[:: max(1, len(styles) // 6)], styles[-1]})
        axes.set_xticks(ticks, [f"{count:,}" for count in ticks])
        axes.set_xticks([], minor=True)
        _per_cent(axes.yaxis)

    return _grid([task for task in tasks if task[0].growth], draw)


def approximation(rows: Sequence[Approximation], dims: Mapping[str, int]) -> str:
    """What each way of searching loses in P@1, over all sets and encoders; `dims` are the lengths of their vectors."""
    encoders = list(dims)
    if not rows:
        return ""
    names = [_kind(row.loss.what, dims[row.encoder]) for row in rows]
    kinds = list(dict.fromkeys(names))
    with _figure(_WIDTH, 0.9 + 0.32 * len(kinds)) as (figure, finish):
        axes = figure.subplots()
        for row, name in zip(rows, names, strict=True):
            number = encoders.index(row.encoder)
            series = number % SERIES
            place = kinds.index(name) + 0.12 * (number - (len(encoders) - 1) / 2)
            axes.plot(100 * row.loss.precision_1_change, place, _MARKERS[series], color=_COLOURS[series], alpha=0.85)
        axes.axvline(0, color=_QUIET, linewidth=1)
        axes.set(xlabel="change of P@1 against exact search, in points", ylim=(len(kinds) - 0.5, -0.5))
        axes.set_yticks(range(len(kinds)), kinds)
        return finish()


def _kind(what: str, dim: int) -> str:
    """The name of a way to search; how many numbers are kept as a share, which encoders have in common."""
    way, _, kept = what.partition(":")
    return f"{way} 1/{dim // int(kept)}" if kept.isdecimal() else what


def _grid(tasks: Sequence[Task], draw: Callable[[Axes, Task], None]) -> str:
    """A panel for each task, two in a row; empty where there is no task."""
    if not tasks:
        return ""
    rows = (len(tasks) + 1) // 2
    with _figure(_WIDTH, 2.9 * rows + 0.2) as (figure, finish):
        panels = figure.subplots(rows, 2, squeeze=False).ravel()
        for axes, task in zip(panels, tasks, strict=False):
            draw(axes, task)
            axes.set_title(f"{task[0].label} · {PROTOCOLS[task[0].protocol][0].lower()}")
        for axes in panels[len(tasks) :]:
            axes.set_axis_off()
        return finish()


def _band(axes: Axes, across: Sequence[int], points: Sequence[Score] | Sequence[GrowthPoint], colour: str) -> None:
    low, high = np.array([_bounds(point) for point in points]).T
    axes.fill_between(across, low, high, color=colour, alpha=0.15, linewidth=0)


def _bounds(estimate: Score | GrowthPoint) -> tuple[float, float]:
    """In per cent; the value itself where there is no interval."""
    value = estimate.value if isinstance(estimate, Score) else estimate.precision_1
    low, high = (value if bound is None else bound for bound in (estimate.low, estimate.high))
    return 100 * low, 100 * high


def _per_cent(axis: Any) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    axis.set_major_locator(MaxNLocator(5))
    axis.set_major_formatter(PercentFormatter(decimals=0, symbol=" %"))


@contextmanager
def _figure(width: float, height: float) -> Iterator[tuple[Figure, Callable[[], str]]]:
    """A figure, and the function that turns it into SVG; no state of Matplotlib's is left changed."""
    require_matplotlib()
    import matplotlib as mpl
    from matplotlib.figure import Figure

    def finish() -> str:
        buffer = io.StringIO()
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=no_metadata)
        return _for_the_page(buffer.getvalue())

    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # The page's font draws the text; that Matplotlib's own lacks a letter of a name only makes its width a guess.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, finish


def _for_the_page(svg: str) -> str:
    """Only the drawing: no prologue, no addresses of namespaces, no fixed size, no font and no fixed colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg, count=2)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*pt"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*pt"', r"\1", svg, count=1)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)  # would be there twice with two plots in a page
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;\"]*; ", "", svg)
    colours = f"(?<=: )(?:{'|'.join(_VARIABLES)})"  # in a style, and not in a name
    return re.sub(colours, lambda found: f"var({_VARIABLES[found[0]]})", svg).replace("xlink:href", "href")
