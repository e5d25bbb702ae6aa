"""Whether the styles of a rendered set can be told apart at all.

    python -m benchmarks.datasets.diversity rendered:styles=2400 rendered:styles=2400,families=all

Every style is drawn twice over the same contents, with other grain and strokes the second time. Printed is the share of
styles whose second drawing lies nearer to its first than to the first of any other style, compared by coarse colours
alone (means over cells of an 8th of the width). Texture and line are not looked at, so this
is a lower bound of what can be told apart.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import avg_pool2d

from benchmarks.datasets.rendered import RenderedSet, contents_of, families_of
from encoder_training import renderers

SIZE, CELLS, CONTENTS = 96, 8, 4
OTHER_GRAIN = 1_000_003  # added to content seeds, which decide grain and strokes


def told_apart(wanted: RenderedSet) -> float:
    """The share of styles, in [0, 1], that coarse colours tell from all others."""
    seeds = [seed for seed, _ in contents_of(wanted)][:CONTENTS]
    contents = renderers.draw_contents(seeds, SIZE)
    first, second = (
        np.stack([_coarse(wanted, style, contents, shift) for style in range(wanted.styles)])
        for shift in (0, OTHER_GRAIN)
    )
    distances = (first**2).sum(1)[None] - 2 * second @ first.T  # less what is the same along a row
    return float((distances.argmin(1) == np.arange(wanted.styles)).mean())


def _coarse(wanted: RenderedSet, style: int, contents: renderers.Contents, shift: int) -> np.ndarray:
    families = families_of(wanted)
    hand = renderers.sample_style(wanted.style_seeds[style], [families[style % len(families)]])
    images = renderers.render([hand] * len(contents), contents, [seed + shift for seed in contents.seeds])
    return np.asarray(avg_pool2d(images, SIZE // CELLS).flatten().numpy())


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a line for each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", nargs="+", help="rendered:...")
    torch.set_num_threads(1)
    for spec in parser.parse_args(arguments).spec:
        wanted = RenderedSet.parse(spec.removeprefix("rendered:"))
        print(f"{spec}: {told_apart(wanted):.1%} of {wanted.styles:,} styles told apart by coarse colours", flush=True)


if __name__ == "__main__":
    main()
