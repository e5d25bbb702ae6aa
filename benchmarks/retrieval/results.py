"""What a run of the retrieval benchmark finds: plain values, and the JSON file that holds them.

Shares are in [0, 1], intervals are at 95 % by resampling styles, cosines are in [-1, 1]. Two runs over the same data
with the same seed have all in common but `times` and `approximations`: engines are timed, and build their graphs in
several threads.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from benchmarks.approximation import Loss
from stylesearch.errors import UsageError

SCHEMA = "stylesearch-retrieval/1"


def finite(number: float) -> float | None:
    """The number; None for one that is none, such as a bound that does not exist."""
    return float(number) if math.isfinite(number) else None


HEADLINE: tuple[tuple[str, int | None], ...] = (
    ("precision", 1),
    ("hit_rate", 10),
    ("mean_precision", 10),
    ("average_precision", 10),
    ("map_at_r", None),
    ("reciprocal_rank", None),
)
"""What the first table shows; the differences between encoders are tested on these."""


@dataclass(frozen=True)
class Score:
    """The mean of one metric over the queries.

    Attributes:
        metric: key of `benchmarks.report.definitions.METRICS`.
        k: how many answers count; None where the metric has no cut-off.
        low, high: None where there is no interval, because all queries are of one style.
        chance: what a random ranking gets; None where there is no closed form.
    """

    metric: str
    k: int | None
    value: float
    low: float | None
    high: float | None
    chance: float | None = None


@dataclass(frozen=True)
class StyleScore:
    """One style.

    Attributes:
        queries: its answerable queries.
        gallery: its pictures in the gallery.
        precision_1, hit_rate_10, mean_precision_10: means over its queries.
    """

    style: str
    queries: int
    gallery: int
    precision_1: float
    hit_rate_10: float
    mean_precision_10: float


@dataclass(frozen=True)
class Picture:
    """A picture of a set: its row there, and what the set says about it."""

    set: str
    row: int
    name: str
    style: str
    content: str | None


@dataclass(frozen=True)
class Hit:
    """An answer to a query."""

    picture: Picture
    cosine: float
    same_style: bool


@dataclass(frozen=True)
class Confusion:
    """Queries of `style` whose nearest picture is of the style `taken_for`.

    Attributes:
        queries: answerable queries of `style`.
        count: how many of them are answered so.
        query, hit: the closest such pair.
    """

    style: str
    taken_for: str
    queries: int
    count: int
    query: Picture
    hit: Hit


@dataclass(frozen=True)
class WorstStyle:
    """A style that is found badly: its score, and some of its queries with their nearest pictures."""

    score: StyleScore
    answers: tuple[tuple[Picture, Hit], ...]


@dataclass(frozen=True)
class GrowthPoint:
    """Expected precision at 1 where the gallery holds `styles` styles, drawn at random, one of them the query's."""

    styles: int
    precision_1: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Evaluation:
    """One encoder on one set under one protocol.

    Attributes:
        set: name of the set; of the queries, where the gallery is another.
        gallery_set: name of the set that the gallery comes from; mostly the same.
        protocol: key of `benchmarks.report.definitions.PROTOCOLS`.
        csls: whether cosines were corrected for hubs (CSLS) before ranking.
        queries: queries with a possible answer; the scores are means over these.
        unanswerable: queries without one, in no score.
        gallery: pictures of the gallery.
        styles: styles among the queries; these are resampled.
        scores: empty where no query has a possible answer.
        curve: precision at a row of depths, for the plot.
        growth: see `GrowthPoint`.
        per_style: every style, worst first.
        worst: the worst styles with pictures.
        confusions: most frequent first.
        leak: share of all queries whose nearest picture shows their content in another style; None where contents
            are unknown or the query's content is left out.
    """

    encoder: str
    set: str
    gallery_set: str
    protocol: str
    csls: bool
    queries: int
    unanswerable: int
    gallery: int
    styles: int
    scores: tuple[Score, ...] = ()
    curve: tuple[Score, ...] = ()
    growth: tuple[GrowthPoint, ...] = ()
    per_style: tuple[StyleScore, ...] = ()
    worst: tuple[WorstStyle, ...] = ()
    confusions: tuple[Confusion, ...] = ()
    leak: Score | None = None

    @property
    def task(self) -> tuple[str, str, str]:
        """Set, gallery and protocol: evaluations of one task are comparable."""
        return self.set, self.gallery_set, self.protocol

    @property
    def label(self) -> str:
        """The set, or where queries and gallery differ "queries -> gallery"."""
        return self.set if self.set == self.gallery_set else f"{self.set} → {self.gallery_set}"

    def score(self, metric: str, k: int | None = None) -> Score | None:
        """The score of that name, None where there is none."""
        return next((score for score in self.scores if (score.metric, score.k) == (metric, k)), None)


@dataclass(frozen=True)
class Difference:
    """Encoder minus `other` on the same queries.

    Attributes:
        p: two-sided, from the paired bootstrap over styles; None for a comparison by intervals, or of a single style.
        p_holm: the same, adjusted for the number of pairs (Holm 1979) within the task and metric.
        paired: whether the two were compared query by query.
        csls: whether `encoder` ranks by CSLS, and `other`, the same encoder, by cosine.
    """

    encoder: str
    other: str
    set: str
    gallery_set: str
    protocol: str
    metric: str
    k: int | None
    mean: float
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    paired: bool = True
    csls: bool = False

    @property
    def significant(self) -> bool:
        """At 5 %, after the adjustment; by intervals, whether that of the difference leaves out zero."""
        if self.p_holm is not None:
            return self.p_holm < 0.05
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high

    @property
    def task(self) -> tuple[str, str, str]:
        """See `Evaluation.task`."""
        return self.set, self.gallery_set, self.protocol


@dataclass(frozen=True)
class Answers:
    """The best answers of one encoder; `first` is the rank, from 1, of the first one with the query's style."""

    encoder: str
    first: int
    hits: tuple[Hit, ...]


@dataclass(frozen=True)
class Example:
    """One query, answered by every encoder."""

    set: str
    gallery_set: str
    protocol: str
    query: Picture
    answers: tuple[Answers, ...]


@dataclass(frozen=True)
class Approximation:
    """What one way to search loses against exact search, on one set with one encoder."""

    encoder: str
    set: str
    loss: Loss


@dataclass(frozen=True)
class Trouble:
    """Something that the reader of a number has to know; `where` names the set or the encoder."""

    where: str
    kind: str
    message: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class SetInfo:
    """A set, as it was ranked."""

    name: str
    source: str
    pictures: int
    styles: int
    contents: int
    digest: str
    licence: str | None


@dataclass(frozen=True)
class EncoderInfo:
    """An encoder build."""

    name: str
    dim: int
    dtype: str
    fingerprint: str
    preprocessing: str


@dataclass(frozen=True)
class Provenance:
    """What it takes to get the same numbers again."""

    command: str
    commit: str
    machine: dict[str, str]
    versions: dict[str, str]
    seed: int
    resamples: int
    neighbours: int


@dataclass(frozen=True)
class EncodeSpeed:
    """Median pictures a second, decoded beforehand, over the batches; 0 where nothing was to encode."""

    encoder: str
    set: str
    pictures: int
    pictures_per_second: float


@dataclass(frozen=True)
class Times:
    """Everything else that depends on the clock.

    Attributes:
        started: date and time in UTC, ISO 8601.
        seconds: of the whole run.
        encoded: pictures that went through an encoder; those of an earlier run came from disk.
    """

    started: str = ""
    seconds: float = 0.0
    encoded: int = 0
    encode: tuple[EncodeSpeed, ...] = ()


@dataclass(frozen=True)
class Result:
    """Everything that the report shows."""

    provenance: Provenance
    sets: tuple[SetInfo, ...]
    encoders: tuple[EncoderInfo, ...]
    evaluations: tuple[Evaluation, ...]
    differences: tuple[Difference, ...] = ()
    examples: tuple[Example, ...] = ()
    approximations: tuple[Approximation, ...] = ()
    problems: tuple[Trouble, ...] = ()
    times: Times = field(default_factory=Times)
    schema: str = SCHEMA

    def to_json(self) -> str:
        """Keys in the order of the fields, two spaces a level, a new line at the end."""
        text: bytes = _ADAPTER.dump_json(self, indent=2)
        return text.decode() + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, name: str | Path) -> Result:
        """Raises UsageError where the text is not that of a run, or of another version; `name` is for the message."""
        try:
            head = _SCHEMA_ONLY.validate_json(text)
            if head.get("schema") != SCHEMA:
                raise UsageError(
                    f"'{name}' has the schema '{head.get('schema')}'; this version reads '{SCHEMA}'. "
                    "Make it again with: stylesearch bench retrieval"
                )
            return _ADAPTER.validate_json(text)
        except ValidationError as exc:
            first = exc.errors()[0]
            where = ".".join(map(str, first["loc"])) or "its beginning"
            raise UsageError(
                f"'{name}' is no result of 'stylesearch bench retrieval' ({where}: {first['msg']}). "
                "Name the result.json in the folder of a run."
            ) from exc

    def reproducible(self) -> dict[str, Any]:
        """What two runs over the same data with the same seed have in common."""
        varying = ("times", "approximations")
        return {name: value for name, value in asdict(self).items() if name not in varying}


_ADAPTER: TypeAdapter[Result] = TypeAdapter(Result)
_SCHEMA_ONLY: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
