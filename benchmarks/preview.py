"""Whether the backend without weights brings a style across: cosines to the reference, and a sheet to look at.

    python -m benchmarks.preview                                    # 100 pairs of a content and a style at 256 pixels
    python -m benchmarks.preview --size 512 --count 20 --sheet preview.webp
    python -m benchmarks.preview --encoder descriptors:lab-gradient

Contents and styles are drawn; no two pairs share either. The reference shows another content in the wanted style.
Sides: the content as it is; the same with nothing but the reference's colours (sliced optimal transport); what
`preview` makes of it; and the content drawn by the renderer of the wanted style, where a perfect transfer would end.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import typer
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.intervals import paired_bootstrap
from benchmarks.machine import machine
from encoder_training.renderers import FAMILIES, draw_contents, render, sample_style
from stylesearch.encoders import load_encoder
from stylesearch.encoders.base import Encoder
from stylesearch.transfer import load_backend
from stylesearch.transfer.base import StyleReference, TransferRequest
from stylesearch.transfer.preview_stylise import recoloured

SIDES = ("content", "colours only", "preview", "its renderer")
_FAMILY_STEP = 11  # walks over all families in an order that mixes media
_GAP, _SHOWN = 4, 160  # pixels of the sheet


@dataclass(frozen=True)
class Pair:
    """A content, a reference in the wanted style, and the content in that style."""

    content: Image.Image
    reference: Image.Image
    goal: Image.Image


def draw_pair(number: int, seed: int, size: int) -> Pair:
    """The pair of this number: style and both contents follow from it."""
    style = sample_style(seed * 100_003 + number, [FAMILIES[number * _FAMILY_STEP % len(FAMILIES)]])
    seeds = (2 * (seed * 100_003 + number), 2 * (seed * 100_003 + number) + 1)
    contents = draw_contents(seeds, size)
    goal, reference = render([style] * 2, contents, seeds)
    return Pair(_picture(contents.pixels[0]), _picture(reference), _picture(goal))


def cosines(encoder: Encoder, reference: Image.Image, pictures: list[Image.Image]) -> np.ndarray:
    """Of each picture to the reference: float32 (N,)."""
    vectors = encoder.embed_batch([reference, *pictures])
    return np.asarray(vectors[1:] @ vectors[0])


def contact_sheet(rows: list[list[Image.Image]], blocks: int = 2) -> Image.Image:
    """Pictures row by row, the rows laid out in `blocks` columns."""
    step, high = _SHOWN + _GAP, -(-len(rows) // blocks)
    width = len(rows[0]) * step + 3 * _GAP
    sheet = Image.new("RGB", (blocks * width, high * step), "white")
    for number, row in enumerate(rows):
        block, line = divmod(number, high)
        for column, picture in enumerate(row):
            shown = picture.resize((_SHOWN, _SHOWN), Image.Resampling.LANCZOS)
            sheet.paste(shown, (block * width + column * step, line * step))
    return sheet


def main(
    count: int = 100, size: int = 256, encoder: str = "compact:v3", seed: int = 1, sheet: Path | None = None
) -> None:
    """Prints mean cosines, and by how much `preview` beats each of the other sides."""
    judge, backend = load_encoder(encoder), load_backend("preview")
    values, seconds, rows = [], [], []
    for number in track(range(count), "pairs", console=Console(stderr=True)):
        pair = draw_pair(number, seed, size)
        request = TransferRequest((StyleReference(pair.reference),), content=pair.content, width=size, height=size)
        (result,) = backend.run(request)
        seconds.append(result.seconds)
        plain = recoloured(pair.content, [pair.reference], [1.0])
        sides = [pair.content, plain, result.picture, pair.goal]
        values.append(cosines(judge, pair.reference, sides))
        rows.append([pair.content, pair.reference, *sides[1:]])
    scores, styles = np.stack(values), np.arange(count)
    table = Table("side", "cosine to the reference", "preview beats it by", "in")
    for column, name in enumerate(SIDES):
        gain = paired_bootstrap(scores[:, 2:3], scores[:, column : column + 1], styles)
        cells = [f"{gain.mean[0]:+.3f} ({gain.low[0]:+.3f} to {gain.high[0]:+.3f})"]
        cells.append(f"{100 * (scores[:, 2] > scores[:, column]).mean():.0f} % of pairs")
        table.add_row(name, f"{scores[:, column].mean():.3f}", *(cells if name != "preview" else ["", ""]))
    console = Console(soft_wrap=True, highlight=False)
    console.print(
        f"{count} pairs of {size} px, seed {seed}, judged by {judge.name}; median {statistics.median(seconds):.2f} s, "
        f"longest {max(seconds):.2f} s for a picture on {torch.get_num_threads()} threads, {machine()['processor']}"
    )
    console.print(table)
    if sheet is not None:
        contact_sheet(rows).save(sheet, quality=75, method=6)
        console.print(f"{sheet}: content, reference, colours only, preview, the reference's renderer")


def _picture(pixels: torch.Tensor) -> Image.Image:
    return Image.fromarray((pixels.permute(1, 2, 0) * 255).round().byte().numpy())


if __name__ == "__main__":
    typer.run(main)
