"""The report of a run: one HTML file for people, JSON and CSV for programs, beside the pictures themselves."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from benchmarks.datasets import StyleSet
from benchmarks.report.html import TEMPLATES, interval, p_value, percent
from benchmarks.transfer.definitions import MEASURES, SHARES
from benchmarks.transfer.results import Difference, Evaluation, Picture, Result, Score
from benchmarks.transfer.run import Run
from stylesearch.errors import ImageError, UsageError
from stylesearch.images import read_image, thumbnail
from stylesearch.uris import printable

REPORT, RESULT, TABLE = "report.html", "result.json", "scores.csv"

_SIDE = 144  # pixels of a picture on the page
_ROWS, _COLUMNS = 12, 6  # of references and subjects on the page, for each backend
_OF_STYLE = ("style", "attributed", "gain")


def write_report(run: Run, folder: Path, *, pictures: bool = True) -> Path:
    """Writes report.html, result.json and scores.csv.

    Args:
        pictures: put small copies of pictures into the page; without them it shows nobody's work.

    Returns:
        path of the page.

    Raises:
        UsageError: the operating system refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RESULT).write_text(run.result.to_json(), encoding="utf-8")
        (folder / TABLE).write_text(to_csv(run.result), encoding="utf-8")
        (folder / REPORT).write_text(page(run, folder if pictures else None), encoding="utf-8")
    except OSError as exc:
        raise UsageError(f"'{folder}' cannot be written ({exc.strerror}). Name another folder with: --out DIR") from exc
    return folder / REPORT


def to_csv(result: Result) -> str:
    """One line for each score."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("backend", "encoder", "set", "metric", "value", "low", "high", "beside", "pictures", "styles"))
    for each in result.evaluations:
        encoder = each.encoder or result.content_encoder
        for score in each.scores:
            numbers = (score.value, score.low, score.high, score.beside)
            texts = ["" if number is None else f"{number:.6f}" for number in numbers]
            writer.writerow([each.backend, encoder, result.set.name, score.metric, *texts, each.pictures, each.styles])
    return buffer.getvalue()


def page(run: Run, folder: Path | None) -> str:
    """The report; `folder` holds the pictures, None: a report without them."""
    result = run.result
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "interval": interval, "p_value": p_value, "bounds": bounds}
    style_encoders = list(dict.fromkeys(each.encoder for each in result.evaluations if each.encoder))
    of_style = {encoder: _measured(result, encoder, _OF_STYLE) for encoder in style_encoders}
    sheets = [] if folder is None else list(_sheets(run, folder, style_encoders[0]))
    return environment.get_template("transfer.html").render(
        result=result,
        measures=MEASURES,
        shares=SHARES,
        style_encoders=style_encoders,
        of_style=of_style,
        of_content=_measured(result, "", tuple(metric for metric in MEASURES if metric not in _OF_STYLE)),
        sheets=sheets,
        columns=max((len(row["pictures"]) for sheet in sheets for row in sheet["rows"]), default=1),
        style=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
    )


def bounds(score: Score | Difference) -> str:
    """An interval of cosines; "" where there is none."""
    if score.low is None or score.high is None:
        return ""
    return f"{score.low:.3f} to {score.high:.3f}".replace("-", "−")


def _measured(result: Result, encoder: str, metrics: tuple[str, ...]) -> list[str]:
    """Of these measures, those that some backend has."""
    some: list[Evaluation] = [each for each in result.evaluations if each.encoder == encoder]
    return [metric for metric in metrics if any(each.score(metric) for each in some)]


def _sheets(run: Run, folder: Path, encoder: str) -> Iterator[dict[str, Any]]:
    for backend in run.result.backends:
        by_reference: dict[tuple[str, str], list[Picture]] = {}
        for one in run.result.pictures:
            if one.backend == backend.name:
                by_reference.setdefault((one.style, one.reference), []).append(one)
        rows: list[dict[str, Any]] = [
            {
                "style": style,
                "name": name,
                "reference": _of_set(run.references, name),
                "pictures": [
                    {"uri": _uri(folder / one.file), "cosine": one.cosines[encoder], "shows": one.shows}
                    for one in some[:_COLUMNS]
                ],
            }
            for (style, name), some in list(by_reference.items())[:_ROWS]
        ]
        subjects = [_content(run, one["shows"]) for one in rows[0]["pictures"]] if backend.shows == "contents" else []
        yield {"backend": backend.name, "rows": rows, "subjects": subjects}


def _content(run: Run, name: str) -> dict[str, str]:
    return {"name": name, "uri": _of_set(run.contents, name) if run.contents else ""}


def _of_set(pictures: StyleSet, name: str) -> str:
    row = [printable(each) for each in pictures.names].index(name)
    return _data(thumbnail(pictures.image(row), _SIDE))


def _uri(path: Path) -> str:
    try:
        return _data(thumbnail(read_image(path), _SIDE))
    except ImageError:  # gone since
        return ""


def _data(webp: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(webp).decode()
