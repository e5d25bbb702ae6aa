"""`--fail-under`: the least that a score must be, for continuous integration."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from benchmarks.report.definitions import METRICS
from benchmarks.retrieval.results import Evaluation, Result
from stylesearch.errors import UsageError

# What people type, beside the names of `METRICS`.
_SHORT = {
    "p": "precision",
    "hit": "hit_rate",
    "mp": "mean_precision",
    "ap": "average_precision",
    "map@r": "map_at_r",
    "mrr": "reciprocal_rank",
}
_SPEC = re.compile(r"(?:(?P<set>.+):)?(?P<metric>[a-z_@]+?)(?:@?(?P<k>[0-9]+))?=(?P<share>[^=]+)", re.IGNORECASE)
_EXAMPLES = "p1=0.4, hit@10=0.8, mean_precision@10=0.3, map_at_r=0.2, icons:p1=0.5"


@dataclass(frozen=True)
class Floor:
    """The least that a metric must reach.

    Attributes:
        text: as it was given.
        set: name of the set; None: every set.
        metric, k: see `benchmarks.retrieval.results.Score`.
        share: in [0, 1].
    """

    text: str
    set: str | None
    metric: str
    k: int | None
    share: float


@dataclass(frozen=True)
class Verdict:
    """One evaluation against one floor; `value` is None where it has no such score, which fails."""

    floor: Floor
    evaluation: Evaluation
    value: float | None

    @property
    def passed(self) -> bool:
        """Whether the score is there and not below the floor."""
        return self.value is not None and self.value >= self.floor.share

    @property
    def sentence(self) -> str:
        """For people."""
        each, floor = self.evaluation, self.floor
        found = "no score" if self.value is None else f"{self.value:.3f}"
        relation = "at least" if self.passed else "below"
        return f"{each.encoder} on {each.label}, {each.protocol}: {found}, {relation} {floor.text}"


def parse_floor(text: str) -> Floor:
    """Reads [SET:]METRIC[@K]=SHARE.

    Raises:
        UsageError: it cannot be read.
    """
    found = _SPEC.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"'{text}' is no floor. Write for example: {_EXAMPLES}.")
    name = found["metric"].lower()
    metric = _SHORT.get(name, name)
    if metric not in METRICS:
        raise UsageError(f"There is no metric '{name}' ('{text}'). There are: {', '.join([*METRICS, *_SHORT])}.")
    at_k = "{k}" in METRICS[metric].symbol
    if at_k != (found["k"] is not None):
        raise UsageError(f"'{text}': {name} {'needs' if at_k else 'takes no'} cut-off. Write for example: {_EXAMPLES}.")
    try:
        share = float(found["share"])
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        raise UsageError(f"'{text}': the share is '{found['share']}'; it must be between 0 and 1.")
    return Floor(text, found["set"], metric, int(found["k"]) if found["k"] else None, share)


def check_sets(floors: Sequence[Floor], names: Collection[str]) -> None:
    """Raises UsageError for a floor that speaks of a set which is not among the names."""
    for floor in floors:
        if floor.set is not None and floor.set not in names:
            raise UsageError(f"'{floor.text}' speaks of the set '{floor.set}'. There are: {', '.join(sorted(names))}.")


def judge(result: Result, floors: Sequence[Floor]) -> list[Verdict]:
    """Every encoder, by cosine, under every protocol of the sets that a floor speaks of.

    Raises:
        UsageError: a floor speaks of a set or a cut-off that the run does not have.
    """
    verdicts = []
    plain = [each for each in result.evaluations if not each.csls]
    check_sets(floors, {name for each in plain for name in (each.set, each.label)})
    for floor in floors:
        for each in (one for one in plain if floor.set in (None, one.set, one.label)):
            score = each.score(floor.metric, floor.k)
            if score is None and each.scores:
                raise UsageError(f"'{floor.text}': nothing was measured at {floor.k}. Add: --k {floor.k}")
            verdicts.append(Verdict(floor, each, score.value if score else None))
    return verdicts
