"""What the use of a mask does to retrieval: how often a subject is found in place of a style, and what that costs.

    python -m benchmarks.regions                      # rendered pictures in families that nothing was trained on
    python -m benchmarks.regions DIR                  # and pictures of DIR/train/*.parquet and DIR/dev/*.parquet
    python -m benchmarks.regions DIR --masker masker:v1
    python -m benchmarks.regions DIR --masker masker:v1 --sweep   # every alpha and limit, families of training

Every picture is a query among all others of its set. "Leak" is the share of queries whose nearest neighbour shows their
content in another style. Sets in which a subject, or a background, dominates:

    pasted              the same subjects, as they are, on backgrounds in many styles; searched by background
    framed              subjects in many styles on the same backgrounds; searched by subject
    icons on textures   icons of `icon_sets` on pictures of `texture_shape_cue`; searched by background

and sets in which there is nothing to be won: "drawn", subject and background in one style; `icon_sets` (the ground is
white), `texture_shape_cue`, and other sets of DIR as they are, held-out styles alone where there was training.

Sides: the whole picture; its vector less what a content embedding tells of it (StyleDecoupler, arXiv 2601.17697), which
needs no mask, learnt from the very contents of the set, and from all but the one that a picture shows; each use of a
mask (`stylesearch.masking.regions`), with the true mask ("oracle") and that of a masker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.intervals import bootstrap, paired_bootstrap
from benchmarks.ranking import LEAVE_ONE_OUT, Labels, rank
from benchmarks.region_sets import RENDERED, KnownPictures, as_they_are, icons_on_textures, rendered
from encoder_training.renderers import FAMILIES, HELD_OUT_FAMILIES
from stylesearch.encoders import load_encoder
from stylesearch.encoders.base import Encoder
from stylesearch.masking import load_masker
from stylesearch.masking.base import VAGUE, Masker, Masks
from stylesearch.masking.keeping import coarse
from stylesearch.masking.regions import ALPHAS, DEFAULT_USE, USES, mixed, region_alone, resized

SWEPT = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SWEPT_VAGUE = (0.0, 0.05, 0.08, 0.1, 0.125, 0.15, 0.2, 0.3, 1.0)
_BATCH = 32
_WIDTH = 175  # characters; tables are for files, too
_CONTENT_CELLS, _ORIENTATIONS = 8, 8
_CONTENT_DIRECTIONS = 16
_AS_THEY_ARE = ("icon_sets", "texture_shape_cue", "supagruen_artists", "aihorde_styles")
_DEV = {"gnickm_artists": 16, "stylepile_artists": 4, "web_artstyles": 54, "pacs": 120}  # about 480 pictures of each


@dataclass(frozen=True)
class Outcome:
    """Of one side on one set: float64 (Q, 2), for each query whether it finds its style first, and whether it leaks."""

    each: np.ndarray
    styles: np.ndarray

    def cells(self, whole: Outcome) -> list[str]:
        """P@1 and leak with intervals, and how they differ from those of whole pictures."""
        interval = bootstrap(self.each, self.styles)
        change = paired_bootstrap(self.each, whole.each, self.styles)
        cells = []
        for metric in (0, 1):
            mean, low, high = (100 * each[metric] for each in (interval.mean, interval.low, interval.high))
            cells.append(f"{mean:.1f} ({low:.1f} to {high:.1f})")
            if self is whole:
                cells.append("")
            else:
                mean, low, high = (100 * each[metric] for each in (change.mean, change.low, change.high))
                cells.append(f"{mean:+.1f} ({low:+.1f} to {high:+.1f})")
        return cells


def outcome(vectors: np.ndarray, pictures: KnownPictures) -> Outcome:
    """Every picture is a query among all others; vectors float32 (N, D), rows of unit length."""
    labels = Labels(pictures.styles, pictures.contents)
    own = np.arange(len(vectors))
    (ranking,) = rank(vectors, labels, vectors, labels, own_rows=own, protocols=[LEAVE_ONE_OUT], depth=1)
    leaks = np.asarray(ranking.leaks)[ranking.queries]
    each = np.stack([ranking.found[:, 0], leaks], 1).astype(np.float64)
    return Outcome(each, pictures.styles[ranking.queries])


def without_content(
    vectors: np.ndarray, told: np.ndarray, contents: np.ndarray | None = None, directions: int = _CONTENT_DIRECTIONS
) -> np.ndarray:
    """Vectors less what a content embedding tells of them, by least squares over the pictures of a set.

    StyleDecoupler (arXiv 2601.17697) takes off the projection on a content embedding. Where the two embeddings have
    axes of their own, it takes a linear map between them, which the pictures themselves give, without any style label.

    Args:
        vectors: float32 (N, D), rows of unit length.
        told: float32 (N, C), embeddings of the same pictures that know little of style.
        contents: (N,), what each shows: then the map for a content is learnt from pictures of other contents, as it has
            to be where a subject is new; None: from all pictures.
        directions: principal directions of `told` that are used.

    Returns:
        float32 (N, D), rows of unit length.
    """
    rest = np.empty_like(vectors)
    groups = np.zeros(len(vectors)) if contents is None else contents
    for group in np.unique(groups):
        own = groups == group
        seen = own if contents is None else ~own
        middle, centre = told[seen].mean(0), vectors[seen].mean(0)
        axes = np.linalg.svd(told[seen] - middle, full_matrices=False)[2][:directions].T
        slope = np.linalg.lstsq((told[seen] - middle) @ axes, vectors[seen] - centre, rcond=None)[0]
        rest[own] = vectors[own] - (told[own] - middle) @ axes @ slope
    unit: np.ndarray = rest / np.linalg.norm(rest, axis=1, keepdims=True)
    return unit


def layouts(pixels: np.ndarray) -> np.ndarray:
    """A content embedding without training: which way edges run, cell by cell (Dalal and Triggs 2005).

    Args:
        pixels: uint8 (N, S, S, 3).

    Returns:
        float32 (N, 512), rows of unit length.
    """
    side = 16 * _CONTENT_CELLS
    found = []
    for picture in pixels:
        small = Image.fromarray(picture).convert("L").resize((side, side), Image.Resampling.BOX)
        down, across = np.gradient(np.asarray(small, np.float32))
        way = ((np.arctan2(down, across) % np.pi) / np.pi * _ORIENTATIONS).astype(int) % _ORIENTATIONS
        steep = np.hypot(across, down)[..., None] * (way[..., None] == np.arange(_ORIENTATIONS))
        cells = steep.reshape(_CONTENT_CELLS, 16, _CONTENT_CELLS, 16, _ORIENTATIONS).mean((1, 3))
        cells /= (
            np.linalg.norm(cells, axis=2, keepdims=True) + 1
        )  # so that strong contrasts, which are style, level off
        found.append(cells.reshape(-1))
    rows = np.stack(found)
    unit: np.ndarray = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)).astype(np.float32)
    return unit


class Regions:
    """Vectors of one set: of whole pictures, and of a region by each use of a mask."""

    def __init__(self, encoder: Encoder, pictures: KnownPictures, masks: Masks, vague: float = VAGUE) -> None:
        self._encoder, self._pictures, self._usable = encoder, pictures, masks.clear(vague)
        self._subject = resized(masks.values, encoder.preprocess.size)
        self.whole = _batched(encoder.embed_pixels, pictures.pixels)

    def alone(self, use: str) -> np.ndarray:
        """See `region_alone`; pictures without a usable mask count as a whole."""
        found = self.whole.copy()
        keep = self._subject if self._pictures.region == "subject" else 1 - self._subject
        rows = np.flatnonzero(self._usable)
        for start in range(0, len(rows), _BATCH):
            some = rows[start : start + _BATCH]
            found[some] = region_alone(self._encoder, self._pictures.pixels[some], keep[some], self.whole[some], use)
        return found

    def mixed(self, alone: np.ndarray, alpha: float) -> np.ndarray:
        """See `stylesearch.masking.regions.mixed`."""
        usable = self._usable[:, None]
        return np.where(usable, mixed(self.whole, alone, alpha), self.whole).astype(np.float32)


def _batched(function: Callable[[np.ndarray], np.ndarray], pixels: np.ndarray) -> np.ndarray:
    return np.concatenate([function(pixels[start : start + _BATCH]) for start in range(0, len(pixels), _BATCH)])


def _found(masker: Masker, pictures: KnownPictures) -> Masks:
    """Masks as coarse as a library keeps them."""
    parts = [
        masker.mask_batch([Image.fromarray(one) for one in pictures.pixels[start : start + _BATCH]])
        for start in range(0, len(pictures.pixels), _BATCH)
    ]
    columns = ([getattr(part, name) for part in parts] for name in ("values", "confidence", "white"))
    return coarse(Masks(*map(np.concatenate, columns)))


def _sets(data: Path | None, size: int, styles: int, contents: int, seed: int, sweep: bool) -> Iterator[KnownPictures]:
    families = [name for name in FAMILIES if name not in HELD_OUT_FAMILIES] if sweep else HELD_OUT_FAMILIES
    for kind in RENDERED:
        yield rendered(kind, size, styles, contents, families, seed)
    if data is not None:
        yield icons_on_textures(data, size, contents, seed)
        for name in _AS_THEY_ARE:
            pictures = as_they_are(data / "train" / f"{name}.parquet", "background", size, 2 * contents, seed)
            yield pictures
            yield replace(pictures, region="subject")
        for name, per_style in _DEV.items():
            if (path := data / "dev" / f"{name}.parquet").is_file():
                pictures = as_they_are(path, "background", size, per_style, seed, held_out=False)
                yield pictures
                yield replace(pictures, region="subject")


def report(encoder: Encoder, pictures: KnownPictures, masks: dict[str, Masks], content: Encoder | None) -> Table:
    """One row for each side."""
    table = _table(f"{pictures.name}, by {pictures.region}", "side", "P@1", "change", "leak", "change", "masked")
    whole: Outcome | None = None
    for source, found in masks.items():
        regions = Regions(encoder, pictures, found)
        if whole is None:
            whole = outcome(regions.whole, pictures)
            table.add_row("whole", *whole.cells(whole), "")
            told = layouts(pictures.pixels) if content is None else _embedded(content, pictures.pixels)
            for name, known in (("these", None), ("other", pictures.contents)):
                projected = outcome(without_content(regions.whole, told, known), pictures)
                table.add_row(f"projection, learnt from {name} contents", *projected.cells(whole), "")
        for use in USES:
            alpha = ALPHAS[use]
            result = outcome(regions.mixed(regions.alone(use), alpha), pictures)
            name = f"{source}, {use} {alpha:g}" + (" (default)" if use == DEFAULT_USE else "")
            table.add_row(name, *result.cells(whole), f"{found.usable.mean():.0%}")
    return table


def swept(encoder: Encoder, pictures: KnownPictures, source: str, masks: Masks) -> Table:
    """P@1 and leak by use and alpha; `source`: what the masks are by."""
    regions = Regions(encoder, pictures, masks)
    table = _table(f"{pictures.name}, by {pictures.region}, masks of {source}: P@1 / leak", "alpha", *USES)
    alone = {use: regions.alone(use) for use in USES}
    for alpha in (*SWEPT, 1.0):
        means = [100 * outcome(regions.mixed(alone[use], alpha), pictures).each.mean(0) for use in USES]
        table.add_row("1 (whole)" if alpha == 1 else f"{alpha:g}", *(f"{hit:.1f} / {leak:.1f}" for hit, leak in means))
    return table


def swept_vague(encoder: Encoder, pictures: KnownPictures, source: str, masks: Masks) -> Table:
    """P@1 and leak, by how much of a picture a mask may leave undecided."""
    regions = Regions(encoder, pictures, masks, vague=1)
    table = _table(
        f"{pictures.name}, by {pictures.region}, masks of {source}, {DEFAULT_USE}", "undecided", "P@1 / leak", "masked"
    )
    vectors = regions.mixed(regions.alone(DEFAULT_USE), ALPHAS[DEFAULT_USE])
    for limit in SWEPT_VAGUE:
        usable = masks.clear(limit)
        hit, leak = 100 * outcome(np.where(usable[:, None], vectors, regions.whole), pictures).each.mean(0)
        table.add_row(f"under {limit:g}", f"{hit:.1f} / {leak:.1f}", f"{usable.mean():.0%}")
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", min_width=len(title))
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def _embedded(content: Encoder, pixels: np.ndarray) -> np.ndarray:
    return _batched(lambda some: content.embed_batch([Image.fromarray(one) for one in some]), pixels)


def main(
    data: Annotated[Path | None, typer.Argument(help="folder with train/*.parquet")] = None,
    encoder: str = "compact:v3",
    masker: Annotated[str | None, typer.Option(help="measured beside the true masks")] = None,
    content: Annotated[str | None, typer.Option(help="encoder of contents for the projection, such as a DINO")] = None,
    styles: int = 60,
    contents: int = 8,
    seed: int = 1,
    sweep: Annotated[bool, typer.Option(help="show every alpha and limit, in families of training")] = False,
) -> None:
    """Prints a table for each set."""
    style_encoder = load_encoder(encoder)
    content_encoder = None if content is None else load_encoder(content)
    console = Console(width=_WIDTH, highlight=False)
    console.print(f"{style_encoder.name}, {styles} rendered styles of {contents} contents, seed {seed}")
    for pictures in _sets(data, style_encoder.preprocess.size, styles, contents, seed, sweep):
        masks = {}
        if pictures.subject is not None:
            masks["oracle"] = Masks(pictures.subject, np.ones(len(pictures.pixels), np.float32))
        if masker is not None:
            masks[masker] = _found(load_masker(masker), pictures)
        if sweep:
            for found in masks.items():
                console.print(swept(style_encoder, pictures, *found), swept_vague(style_encoder, pictures, *found))
        elif masks:
            console.print(report(style_encoder, pictures, masks, content_encoder))


if __name__ == "__main__":
    typer.run(main)
