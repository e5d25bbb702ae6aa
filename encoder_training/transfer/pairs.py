"""What a step learns from: pairs of one style, and triplets of a content, a style and the content in that style.

An example is a function of (seed, step) alone, as batches are in `encoder_training.data`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from encoder_training import renderers
from encoder_training.data import LabelledPictures
from stylesearch.errors import UsageError
from stylesearch.images import Preprocess, fit, read_image

_SEEDS = 1 << 31


@dataclass(frozen=True)
class Pair:
    """Two pictures of one style (MegaStyle): `target` is learnt, `reference` shown; uint8 (S, S, 3).

    prompt: what the target shows, without a word of style.
    """

    target: Tensor
    reference: Tensor
    prompt: str


@dataclass(frozen=True)
class Triplet:
    """A content, a picture of a style, and what is learnt: the content in it (StyleExpert); uint8 (S, S, 3)."""

    content: Tensor
    style: Tensor
    stylised: Tensor
    prompt: str


class PairSource(Protocol):
    """Where pairs come from."""

    def draw(self, random: np.random.Generator, size: int) -> Pair:
        """One pair of `size` pixels a side."""


class TripletSource(Protocol):
    """Where triplets come from."""

    def draw(self, random: np.random.Generator, size: int) -> Triplet:
        """One triplet of `size` pixels a side."""


class LabelledPairs:
    """Pairs of labelled pictures; styles with a single picture are passed over.

    Raises:
        UsageError: no style has two pictures.
    """

    def __init__(self, pictures: LabelledPictures) -> None:
        self._pictures = pictures
        styles = np.array(pictures.styles)
        rows = [np.flatnonzero(styles == style) for style in dict.fromkeys(pictures.styles)]
        self._rows = [of_style for of_style in rows if len(of_style) > 1]
        if not self._rows:
            raise UsageError(f"No style of '{pictures.name}' has two pictures, so there is no pair to learn from.")

    def draw(self, random: np.random.Generator, size: int) -> Pair:
        """See `PairSource.draw`."""
        rows = self._rows[random.integers(len(self._rows))]
        target, reference = (int(row) for row in random.choice(rows, 2, replace=False))
        square = Preprocess(size)
        shown = augmented(random, torch.tensor(self._pictures.pixels(reference, square)))
        prompt = self._pictures.contents[target]
        return Pair(torch.tensor(self._pictures.pixels(target, square)), shown, prompt)


class RenderedPairs:
    """New styles for ever: two drawn contents in each. device: where to render."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = device

    def draw(self, random: np.random.Generator, size: int) -> Pair:
        """See `PairSource.draw`."""
        contents, drawn = _rendered(random, size, self._device)
        return Pair(drawn[0], augmented(random, drawn[1]), contents.captions[0])


class RenderedTriplets:
    """New styles for ever: a drawn content in natural colours and in a style, and another content in that style."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = device

    def draw(self, random: np.random.Generator, size: int) -> Triplet:
        """See `TripletSource.draw`."""
        contents, drawn = _rendered(random, size, self._device)
        return Triplet(_bytes(contents.pixels)[0], drawn[1], drawn[0], contents.captions[0])


class TripletFile:
    """Triplets of a Parquet file: columns `content`, `style`, `stylised` (structs with `bytes`) and maybe `prompt`.

    In StyleExpert's own set the style picture of a stylised one is the most similar other picture of the same style, by
    CLIP (section 4).

    Raises:
        UsageError: a column is missing, or there is no row.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self._table = pq.read_table(path)
        if missing := {"content", "style", "stylised"} - set(self._table.column_names):
            raise UsageError(f"'{path}' has no column '{sorted(missing)[0]}'; it needs content, style and stylised.")
        if not len(self._table):
            raise UsageError(f"There is no triplet in '{path}'.")

    def draw(self, random: np.random.Generator, size: int) -> Triplet:
        """See `TripletSource.draw`."""
        row = int(random.integers(len(self._table)))
        pictures = {
            column: torch.tensor(fit(read_image(self._table[column][row].as_py()["bytes"]), Preprocess(size)))
            for column in ("content", "style", "stylised")
        }
        prompt = self._table["prompt"][row].as_py() if "prompt" in self._table.column_names else ""
        return Triplet(**pictures, prompt=prompt)


def augmented(random: np.random.Generator, picture: Tensor) -> Tensor:
    """A reference flipped half of the time, and half of the time cut to a square of 0.8 to 1 of its area.

    Otherwise the model learns to copy where things stand (MegaStyle, dataset.py: augment_style_pil).

    Args: uint8 (S, S, 3). Returns: the same shape.
    """
    size = len(picture)
    if random.random() < 0.5:
        picture = picture.flip(1)
    if random.random() < 0.5:
        side = max(1, round((random.uniform(0.8, 1.0) ** 0.5) * size))
        top, left = (int(at) for at in random.integers(0, size - side + 1, 2))
        cut = picture[top : top + side, left : left + side].permute(2, 0, 1)[None].float()
        cut = interpolate(cut, (size, size), mode="bicubic", antialias=True)
        picture = cut[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8)
    return picture


def _rendered(random: np.random.Generator, size: int, device: torch.device | str) -> tuple[renderers.Contents, Tensor]:
    """Two contents, and both in one style: uint8 (2, S, S, 3)."""
    families = [family for family in renderers.FAMILIES if family not in renderers.HELD_OUT_FAMILIES]
    style = renderers.sample_style(int(random.integers(1 << 40)), families)
    seeds = [int(seed) for seed in random.integers(0, _SEEDS, 2)]
    contents = renderers.draw_contents(seeds, size, device)
    return contents, _bytes(renderers.render([style] * 2, contents, seeds))


def _bytes(pictures: Tensor) -> Tensor:
    """Float (N, 3, S, S) in [0, 1] to uint8 (N, S, S, 3), on the CPU."""
    return (pictures * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu()
