"""What the reader of a number must know: what is in no score, and which scores must not be read as they stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.datasets import StyleSet
from benchmarks.datasets.base import listed
from benchmarks.retrieval.embeddings import Embedded
from benchmarks.retrieval.per_query import PerQuery
from benchmarks.retrieval.results import Trouble
from benchmarks.retrieval.tasks import PROTOCOL_NEEDS, Task, in_both
from stylesearch.encoders.base import Encoder
from stylesearch.uris import printable


def refused(encoder: Encoder, pictures: StyleSet, embedded: Embedded) -> Iterator[Trouble]:
    """What cannot be decoded is told in the same words for every encoder, and so once."""
    what = {"unreadable": "Cannot be decoded", "no_vector": f"{encoder.name} gives no vector"}
    for kind, words in what.items():
        rows = {row: why for row, (each, why) in embedded.refused.items() if each == kind}
        if rows:
            names = [pictures.names[row] for row in rows]
            message = (
                f"{words}: {listed(names)} ({next(iter(rows.values())).rstrip('.')}). "
                "Left out for every encoder, so that all rank the same pictures."
            )
            yield Trouble(pictures.name, kind, message, tuple(map(printable, names)))


def shared(task: Task) -> Iterator[Trouble]:
    """Pictures that lie in both sets of a task."""
    queries, gallery = task.queries.pictures, task.gallery.pictures
    if queries is gallery:
        return
    alike, conflicting = in_both(queries, gallery)
    label = f"{queries.name} → {gallery.name}"
    if names := [queries.names[row] for row, _ in alike]:
        count = "1 query lies" if len(names) == 1 else f"{len(names):,} queries lie"
        message = f"{count} in the gallery too, byte for byte ({listed(names)}); none is answered by its own copy."
        yield Trouble(label, "shared", message, tuple(map(printable, names)))
    if names := [queries.names[row] for row, _ in conflicting]:
        count = "1 picture is" if len(names) == 1 else f"{len(names):,} pictures are"
        message = f"{count} left out of both sets, which give the same bytes two styles ({listed(names)})."
        yield Trouble(label, "conflicting_duplicate", message, tuple(map(printable, names)))


def not_asked(sets: Sequence[StyleSet], tasks: Sequence[Task], protocols: Sequence[str] | None) -> Iterator[Trouble]:
    """Sets without a score, because none of the protocols that were asked for is theirs."""
    asked = {side.pictures.name for task in tasks for side in (task.queries, task.gallery)}
    for name in (each.name for each in sets if each.name not in asked):
        yield Trouble(name, "no_protocol", f"It does not allow {' or '.join(protocols or ())}. {PROTOCOL_NEEDS}")


def doubts(measured: Sequence[PerQuery]) -> Iterator[Trouble]:
    """Evaluations whose number must not be read as it stands."""
    for each in (entry.evaluation for entry in measured if not entry.evaluation.csls):
        where, score = f"{each.encoder} on {each.label}, {each.protocol}", each.score("precision", 1)
        if each.unanswerable:
            yield Trouble(
                each.label,
                "unanswerable",
                f"{each.unanswerable:,} of {each.unanswerable + each.queries:,} queries have no possible answer under "
                f"{each.protocol}; they are in no score.",
            )
        if score is None:
            yield Trouble(each.label, "no_score", f"No query has a possible answer under {each.protocol}: no score.")
        elif score.low is not None and score.chance is not None and score.low <= score.chance < 1:
            yield Trouble(
                where,
                "chance",
                f"P@1 of {100 * score.value:.1f} % cannot be told from chance ({100 * score.chance:.1f} %). Either the "
                "encoder does not see these styles, or the labels do not fit the pictures.",
            )
