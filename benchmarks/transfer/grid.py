"""Which pictures are made: references by subjects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.datasets import StyleSet
from benchmarks.transfer.config import Config
from stylesearch.errors import UsageError
from stylesearch.transfer.base import Capabilities


@dataclass(frozen=True)
class Cell:
    """One request.

    Attributes:
        reference: row of the reference in the set.
        subject: which of the subjects, from 0.
        prompt: "" where a picture says what to show, or nothing does.
        content: row in the set of contents.
        seed: of its first picture.
    """

    reference: int
    subject: int
    prompt: str
    content: int | None
    seed: int


def references(pictures: StyleSet, config: Config) -> list[int]:
    """Rows of the references: of each of the styles drawn by lot one picture, drawn by lot.

    Raises:
        UsageError: the set has fewer than two styles.
    """
    rows: dict[str, list[int]] = {}
    for row, style in enumerate(pictures.styles):
        rows.setdefault(style, []).append(row)
    if len(rows) < 2:
        raise UsageError(f"'{pictures.name}' has {len(rows)} style; it takes 2 to tell one from another.")
    rng = np.random.default_rng(config.seed)
    names = sorted(rows)
    chosen = sorted(rng.permutation(len(names))[: config.styles].tolist())
    return [rows[names[at]][int(rng.integers(len(rows[names[at]])))] for at in chosen]


def grid(config: Config, can: Capabilities, chosen: Sequence[int], contents: StyleSet | None, name: str) -> list[Cell]:
    """The requests for one backend, reference by reference.

    Args:
        can: what the backend takes.
        chosen: rows of the references.
        contents: pictures to be shown, where there are any.
        name: of the backend.

    Raises:
        UsageError: the backend takes no reference, or needs a content and there is none.
    """
    if not can.references:
        raise UsageError(f"'{name}' takes no references, so there is nothing to measure its pictures against.")
    if can.needs_content and contents is None:
        raise UsageError(f"'{name}' needs pictures that say what to show. Name a set of them with: --contents SET")
    rows: Sequence[int | None] = [None] * config.subjects
    prompts: Sequence[str] = [""] * config.subjects
    if contents is not None and can.content:
        rng = np.random.default_rng(config.seed)
        rows = sorted(rng.permutation(len(contents))[: config.subjects].tolist())
    elif can.text:
        prompts = [prompt for prompt in config.prompts if prompt.strip()][: config.subjects]
    elif can.needs_text:
        raise UsageError(f"'{name}' needs a prompt, and takes none.")
    subjects = list(zip(prompts, rows, strict=False))
    return [
        Cell(reference, number, prompt, row, config.seed + number * config.count)
        for reference in chosen
        for number, (prompt, row) in enumerate(subjects)
    ]
