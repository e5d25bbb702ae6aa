"""Contact sheet: styles in rows, the same few procedural contents in columns.

    python -m encoder_training.renderers.sheet docs/images/renderers.webp

writes 100 styles x 6 contents, every family at least once, in the order of the families.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from encoder_training.renderers import FAMILIES, Style, draw_contents, render, sample_style

CONTENT_SEEDS = (3, 2, 4, 14, 26, 0)
"""Mountains, a house on hills, a portrait, a still life, an icon of a gift and one of a map pin."""

_GAP = 3


def styles_of_all_families(count: int, seed: int = 1) -> list[Style]:
    """`count` styles dealt evenly over the families, grouped by family."""
    styles = [sample_style(seed * 100_003 + row, [FAMILIES[row % len(FAMILIES)]]) for row in range(count)]
    return sorted(styles, key=lambda style: FAMILIES.index(style.family))


def contact_sheet(styles: Sequence[Style], content_seeds: Sequence[int], size: int, blocks: int = 4) -> Image.Image:
    """One row for each style, one column for each content, laid out in `blocks` columns of rows."""
    contents = draw_contents(content_seeds, size)
    columns, rows = len(content_seeds), -(-len(styles) // blocks)
    width, height = blocks * columns * (size + _GAP) + (blocks - 1) * 4 * _GAP, rows * (size + _GAP)
    sheet = torch.full((3, height, width), 0.5)
    for index, style in enumerate(styles):
        images: Tensor = render([style] * columns, contents, content_seeds)
        block, row = divmod(index, rows)
        for column, image in enumerate(images):
            left = (block * columns + column) * (size + _GAP) + block * 4 * _GAP
            top = row * (size + _GAP)
            sheet[:, top : top + size, left : left + size] = image
    return Image.fromarray((sheet.permute(1, 2, 0) * 255).round().byte().numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a contact sheet of procedural styles.")
    parser.add_argument("path", type=Path, help="image file to write; the ending decides the format")
    parser.add_argument("--styles", type=int, default=100)
    parser.add_argument("--size", type=int, default=96, help="pixels of each picture (default: 96)")
    arguments = parser.parse_args()
    sheet = contact_sheet(styles_of_all_families(arguments.styles), CONTENT_SEEDS, arguments.size)
    arguments.path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(arguments.path, quality=70, method=6)
    megabytes = arguments.path.stat().st_size / 1e6
    sys.stdout.write(
        f"{arguments.path}: {arguments.styles} styles x {len(CONTENT_SEEDS)} contents, {megabytes:.2f} MB\n"
    )


if __name__ == "__main__":
    main()
