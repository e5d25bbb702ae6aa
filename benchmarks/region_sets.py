"""Pictures in which style and subject are known, and where the subject is: what uses of a mask are measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from encoder_training import renderers
from encoder_training.composites import lerp_subject_away, over
from encoder_training.data import LabelledPictures, read_parquet
from encoder_training.renderers.filters import blur
from stylesearch.images import Preprocess
from stylesearch.records import Region

RENDERED = ("pasted", "framed", "drawn")
"""The same subjects, as they are, on backgrounds in many styles; subjects in many styles on the same backgrounds;
subjects and backgrounds in one style."""

_SEEDS = 1 << 51  # of styles that neither training nor other benchmarks draw
_DOMINATES = 0.15, 0.6  # share of the picture that a subject covers
_WHITE = 240  # of 255; icons are drawn on white
_SOFT_EDGE = 0.6  # pixels
_SMALL = 64  # pixels; enough to see how much a subject covers


@dataclass(frozen=True)
class KnownPictures:
    """N pictures.

    Attributes:
        name: of the set.
        region: where its style is.
        pixels: uint8 (N, S, S, 3), sRGB.
        subject: float32 (N, S, S) in [0, 1], 1 on the subject; None where that is not known.
        styles, contents: (N,) of str; the content is what leaks.
    """

    name: str
    region: Region
    pixels: np.ndarray
    subject: np.ndarray | None
    styles: np.ndarray
    contents: np.ndarray


def rendered(kind: str, size: int, styles: int, contents: int, families: Sequence[str], seed: int) -> KnownPictures:
    """Draws every content in every style.

    Args:
        kind: one of `RENDERED`.
        size: side, pixels.
        styles, contents: how many.
        families: renderers that styles are drawn from.
        seed: of everything.
    """
    random = np.random.default_rng([seed, RENDERED.index(kind)])
    subjects, fixed_seeds = _subjects(random, contents, size), _seeds(random, contents)
    own = [_style(random, families) for _ in range(contents)]  # of what stays the same, each in a style of its own
    if kind == "framed":
        same = renderers.render(own, _backgrounds(fixed_seeds, size), fixed_seeds)
    else:
        same = renderers.render(own, subjects, subjects.seeds)
    pictures, masks = [], []
    for _ in range(styles):
        style, seeds = [_style(random, families)] * contents, _seeds(random, contents)
        if kind == "framed":
            subjects = _subjects(random, contents, size)
        mask = blur(subjects.subject, _SOFT_EDGE)
        if kind == "framed":
            picture = mask * renderers.render(style, subjects, seeds) + (1 - mask) * same
        elif kind == "pasted":
            picture = mask * same + (1 - mask) * renderers.render(style, _backgrounds(seeds, size), seeds)
        else:
            picture = renderers.render(style, over(subjects, _backgrounds(seeds, size)), seeds)
        pictures.append(picture.clamp(0, 1).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1))
        masks.append(mask[:, 0])
    return KnownPictures(
        kind,
        "subject" if kind == "framed" else "background",
        torch.cat(pictures).numpy(),
        torch.cat(masks).numpy(),
        np.repeat(np.arange(styles), contents).astype(str),
        np.tile(np.arange(contents), styles).astype(str),
    )


def icons_on_textures(data: Path, size: int, contents: int, seed: int) -> KnownPictures:
    """The same icons on pictures of many styles: `icon_sets` over `texture_shape_cue`, of `data/train`."""
    random = np.random.default_rng(seed)
    preprocess = Preprocess(size)
    icons = _icons(read_parquet(data / "train" / "icon_sets.parquet"), preprocess, contents, random)
    textures = read_parquet(data / "train" / "texture_shape_cue.parquet")
    styles = np.array(textures.styles)
    pixels, masks, names = [], [], []
    for style in dict.fromkeys(textures.styles):
        rows = random.choice(np.flatnonzero(styles == style), contents, replace=False)
        for (icon, mask), row in zip(icons, rows, strict=True):
            share = mask[..., None]
            pixels.append((share * icon + (1 - share) * textures.pixels(int(row), preprocess)).round().astype(np.uint8))
            masks.append(mask)
            names.append(style)
    shown = np.tile(np.arange(contents), len(names) // contents).astype(str)
    return KnownPictures("icons on textures", "background", np.stack(pixels), np.stack(masks), np.array(names), shown)


def as_they_are(
    path: Path, region: Region, size: int, per_style: int, seed: int, *, held_out: bool = True
) -> KnownPictures:
    """Up to `per_style` pictures of each style of a set, or of its held-out ones; of icons on white the subject is
    known."""
    pictures = read_parquet(path)
    pictures = pictures.split()[1] if held_out else pictures
    styles, random = np.array(pictures.styles), np.random.default_rng(seed)
    of_each = [random.permutation(np.flatnonzero(styles == style))[:per_style] for style in dict.fromkeys(styles)]
    pictures = pictures.select(sorted(np.concatenate(of_each).tolist()))
    pixels = np.stack([pictures.pixels(row, Preprocess(size)) for row in range(len(pictures))])
    known = np.stack([not_white(picture) for picture in pixels]) if path.stem == "icon_sets" else None
    return KnownPictures(
        path.stem, region, pixels, known, np.array(pictures.styles), np.array(pictures.contents, dtype=str)
    )


def not_white(pixels: np.ndarray) -> np.ndarray:
    """uint8 (S, S, 3) to float32 (S, S): 1 where clearly not white, between 0 and 1 at the edges of that."""
    darkest = pixels.min(2)
    return np.where(darkest < _WHITE, 1, 1 - darkest / 255).astype(np.float32)


def _icons(
    pictures: LabelledPictures, preprocess: Preprocess, count: int, random: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Icons of different things that cover enough of their square: pixels and masks."""
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for row in random.permutation(len(pictures)).tolist():
        pixels = pictures.pixels(row, preprocess)
        mask = not_white(pixels)
        if _DOMINATES[0] < mask.mean() < _DOMINATES[1]:
            found.setdefault(pictures.contents[row], (pixels, mask))
        if len(found) == count:
            break
    return list(found.values())


def _style(random: np.random.Generator, families: Sequence[str]) -> renderers.Style:
    return renderers.sample_style(_SEEDS + int(random.integers(1 << 40)), families)


def _seeds(random: np.random.Generator, count: int) -> list[int]:
    return [int(seed) for seed in random.integers(0, 1 << 31, count)]


def _subjects(random: np.random.Generator, count: int, size: int) -> renderers.Contents:
    """Drawn contents whose subject dominates the picture."""
    found: list[int] = []
    while len(found) < count:
        (seed,) = _seeds(random, 1)
        share = renderers.draw_contents([seed], _SMALL).subject.mean().item()
        if _DOMINATES[0] < share < _DOMINATES[1]:
            found.append(seed)
    return renderers.draw_contents(found, size)


def _backgrounds(seeds: Sequence[int], size: int) -> renderers.Contents:
    """Drawn contents without their subjects."""
    return renderers.contents_from_images(lerp_subject_away(renderers.draw_contents(seeds, size)).contiguous())
