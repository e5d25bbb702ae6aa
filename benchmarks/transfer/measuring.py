"""Encodes what pictures are measured against once, and then the pictures of each backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from benchmarks.datasets import StyleSet
from benchmarks.retrieval.embeddings import embed_set
from benchmarks.transfer import scoring
from benchmarks.transfer.config import Config
from benchmarks.transfer.making import Made
from benchmarks.transfer.results import Evaluation
from stylesearch.encoders import reads_texts
from stylesearch.encoders.base import Encoder
from stylesearch.errors import UsageError
from stylesearch.images import read_image
from stylesearch.transfer.leak import content_leak

EMBEDDINGS = "embeddings"  # folder in `Config.out`
_BATCH = 16  # pictures that are decoded and encoded together
_PER_STYLE = 8  # pictures of a style, beside its reference, that content leak is measured with

Tell = Callable[[str, int, int], None]
_Values: TypeAlias = dict[str, tuple[np.ndarray, np.ndarray | None]]


@dataclass(frozen=True)
class Scored:
    """What was measured of one backend; `cosines` with the own reference, (P,) by encoder, and `styles` (P,)."""

    backend: str
    made: list[Made]
    styles: np.ndarray
    cosines: dict[str, np.ndarray]
    evaluations: tuple[Evaluation, ...]


@dataclass(frozen=True)
class Measuring:
    """References and what else pictures are measured against.

    Attributes:
        set: where references are from; `chosen`: their rows.
        references: float32 (R, D) by encoder.
        gallery: rows of pictures of the chosen styles, and their vectors by the content encoder, float32 (G, D).
        contents: set of contents, and their vectors by encoder.
    """

    set: StyleSet
    chosen: list[int]
    encoders: list[Encoder]
    content_encoder: Encoder
    references: dict[str, np.ndarray]
    gallery: tuple[list[int], np.ndarray]
    contents: StyleSet | None
    content_vectors: dict[str, np.ndarray]
    config: Config

    @classmethod
    def over(
        cls,
        pictures: StyleSet,
        chosen: list[int],
        contents: StyleSet | None,
        encoders: list[Encoder],
        content_encoder: Encoder,
        config: Config,
        tell: Tell,
    ) -> Measuring:
        """Encodes references, gallery and contents.

        Raises:
            UsageError: a reference cannot be read.
            EncoderError: an encoder fails.
        """

        def embed(some: StyleSet, encoder: Encoder) -> np.ndarray:
            what = f"{some.name} with {encoder.name}"
            found = embed_set(
                some,
                encoder,
                config.out / EMBEDDINGS,
                workers=config.workers,
                progress=lambda done, total: tell(what, done, total),
            )
            if found.refused:
                row, (_, why) = next(iter(found.refused.items()))
                raise UsageError(
                    f"'{some.names[row]}' of '{some.name}' cannot be used ({why}). Take it out of the set."
                )
            return found.vectors

        every = list(dict.fromkeys([*encoders, content_encoder]))
        rows = _gallery(pictures, chosen)
        return cls(
            pictures,
            chosen,
            encoders,
            content_encoder,
            {each.name: embed(pictures.select(chosen), each) for each in every},
            (rows, embed(pictures.select(rows), content_encoder)),
            contents,
            {each.name: embed(contents, each) for each in encoders} if contents else {},
            config,
        )

    def score(self, backend: str, made: list[Made], tell: Tell) -> Scored:
        """Measures the pictures of a backend."""
        own = np.array([self.chosen.index(one.cell.reference) for one in made])
        styles = np.array([self.set.styles[one.cell.reference] for one in made])
        every = list(dict.fromkeys([*self.encoders, self.content_encoder]))
        vectors: dict[str, list[np.ndarray]] = {each.name: [] for each in every}
        layout, layout_beside = np.empty(len(made)), np.empty(len(made))
        shown = [self.set.image(row) for row in self.chosen]
        what = f"Measuring {backend}"
        for start in range(0, len(made), _BATCH):
            images = [read_image(one.path) for one in made[start : start + _BATCH]]
            for each in every:
                vectors[each.name].append(each.embed_batch(images))
            for row, image in enumerate(images, start):
                layout[row] = content_leak(image, shown[own[row]])
                layout_beside[row] = content_leak(image, shown[(own[row] + 1) % len(shown)])
            tell(what, start + len(images), len(made))
        found = {name: np.concatenate(some) for name, some in vectors.items()}
        evaluations, cosines = [], {}
        for each in self.encoders:
            values = self._style(each.name, found[each.name], made, own)
            cosines[each.name] = values["style"][0]
            evaluations.append(self._evaluation(backend, each.name, values, styles))
        values = self._content(found[self.content_encoder.name], made, own)
        values["layout"] = layout, layout_beside
        evaluations.append(self._evaluation(backend, "", values, styles))
        return Scored(backend, made, styles, cosines, tuple(evaluations))

    def _style(self, encoder: str, vectors: np.ndarray, made: Sequence[Made], own: np.ndarray) -> _Values:
        values: _Values = {**scoring.style(vectors, self.references[encoder], own)}
        rows = [one.cell.content for one in made if one.cell.content is not None]
        if self.content_vectors and len(rows) == len(made):
            before = self.content_vectors[encoder][rows].astype(np.float64)
            values["gain"] = values["style"][0] - (before * self.references[encoder][own]).sum(1), None
        return values

    def _content(self, vectors: np.ndarray, made: Sequence[Made], own: np.ndarray) -> _Values:
        name, (rows, gallery) = self.content_encoder.name, self.gallery
        labels = [(self.set.styles[row], self.set.contents[row]) for row in self.chosen]
        around = [(self.set.styles[row], self.set.contents[row]) for row in rows]
        values: _Values = {
            "leak": scoring.leak(vectors, own, self.references[name], labels, gallery, around),
            "diversity": (scoring.diversity(vectors, own), None),
        }
        prompts = sorted({one.cell.prompt for one in made})
        # Not the default: the words that the embedded encoder reads are of styles.
        if all(prompts) and self.config.content_encoder is not None and reads_texts(name):
            asked = np.array([prompts.index(one.cell.prompt) for one in made])
            values |= scoring.text(vectors, self.content_encoder.embed_texts(prompts), asked)
        return values

    def _evaluation(self, backend: str, encoder: str, values: _Values, styles: np.ndarray) -> Evaluation:
        scores = scoring.summarise(values, styles, resamples=self.config.resamples, seed=self.config.seed)
        return Evaluation(backend, encoder, len(styles), len(np.unique(styles)), scores)


def _gallery(pictures: StyleSet, chosen: Sequence[int]) -> list[int]:
    """Pictures of the styles of the references: those that show what a reference shows, and a few others of each."""
    styles = {pictures.styles[row] for row in chosen}
    wanted = {pictures.contents[row] for row in chosen} - {None}
    rows: list[int] = []
    others = dict.fromkeys(styles, 0)
    for row, (style, content) in enumerate(zip(pictures.styles, pictures.contents, strict=True)):
        if style not in styles:
            continue
        if content not in wanted and row not in chosen:
            others[style] += 1
            if others[style] > _PER_STYLE:
                continue
        rows.append(row)
    return rows
