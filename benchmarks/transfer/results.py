"""What a run of the transfer benchmark finds: plain values, and the JSON file that holds them.

Cosines are in [-1, 1], shares in [0, 1], intervals are at 95 % by resampling styles.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter

from benchmarks.retrieval.results import EncoderInfo, Provenance, SetInfo, Trouble

SCHEMA = "stylesearch-transfer/1"


@dataclass(frozen=True)
class Score:
    """The mean of one measure over the pictures of a backend.

    Attributes:
        metric: key of `benchmarks.transfer.definitions.MEASURES`.
        low, high: None where there is no interval, because all pictures are of one style.
        beside: what to read it against, as the definition says; None where there is nothing.
    """

    metric: str
    value: float
    low: float | None
    high: float | None
    beside: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """One backend under one encoder; "" for what is measured without one."""

    backend: str
    encoder: str
    pictures: int
    styles: int
    scores: tuple[Score, ...]

    def score(self, metric: str) -> Score | None:
        """The score of that name, None where there is none."""
        return next((score for score in self.scores if score.metric == metric), None)


@dataclass(frozen=True)
class Difference:
    """Mean of `backend` minus that of `other`, style by style.

    Attributes:
        p, p_holm: two-sided, from the paired bootstrap; the second adjusted for the number of pairs (Holm 1979).
    """

    backend: str
    other: str
    encoder: str
    metric: str
    mean: float
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None


@dataclass(frozen=True)
class Model:
    """A model that took part."""

    name: str
    sha256: str | None
    licence: str | None


@dataclass(frozen=True)
class BackendInfo:
    """A backend, and what it cost.

    Attributes:
        licence: the terms that it shows before use.
        shows: what its pictures are to show: "prompts", "contents" or "nothing that is asked for".
        made: pictures in the scores; `new`: those made in this run, the others came from disk.
        failed: requests that failed.
        seconds: median of what a picture took; None where none was made.
        memory: bytes, peak of this process and its children while pictures were made; None where it is unknown.
        gpu_memory: bytes, peak of what torch took of a GPU in this process; None without one.
    """

    name: str
    licence: str
    models: tuple[Model, ...]
    shows: str
    made: int
    new: int
    failed: int
    seconds: float | None
    memory: int | None
    gpu_memory: int | None


@dataclass(frozen=True)
class Picture:
    """A picture that was made.

    Attributes:
        file: relative to the folder of the report.
        style, reference: of whose style it is to be, and which picture that was.
        shows: prompt, or name of the content.
        cosines: to its reference, by encoder.
    """

    backend: str
    file: str
    style: str
    reference: str
    shows: str
    seed: int
    seconds: float
    cosines: dict[str, float]


@dataclass(frozen=True)
class Times:
    """What depends on the clock: date and time in UTC (ISO 8601), and seconds of the whole run."""

    started: str
    seconds: float


@dataclass(frozen=True)
class Result:
    """Everything that the report shows."""

    provenance: Provenance
    set: SetInfo
    encoders: tuple[EncoderInfo, ...]
    content_encoder: str
    backends: tuple[BackendInfo, ...]
    evaluations: tuple[Evaluation, ...]
    differences: tuple[Difference, ...]
    pictures: tuple[Picture, ...]
    problems: tuple[Trouble, ...]
    times: Times
    schema: str = SCHEMA

    def evaluation(self, backend: str, encoder: str) -> Evaluation | None:
        """That of this backend under this encoder."""
        return next((each for each in self.evaluations if (each.backend, each.encoder) == (backend, encoder)), None)

    def to_json(self) -> str:
        """Keys in the order of the fields, two spaces a level, a new line at the end."""
        text: bytes = _ADAPTER.dump_json(self, indent=2)
        return text.decode() + "\n"


_ADAPTER: TypeAdapter[Result] = TypeAdapter(Result)
