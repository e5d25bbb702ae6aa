"""Whether explanations are right, and how long one takes.

    python -m benchmarks.explanation 'shards/*.parquet' rendered:styles=60,contents=8,seed=0
    python -m benchmarks.explanation DIR --encoder descriptors:lab-gradient --trials 40

Sets as `python -m benchmarks.datasets` takes them. For each, over `--trials` draws:

- heat: one picture's left half is put beside the right half of one of another style, and that is compared with another
  picture of the second style. Printed is how likely a part well inside the right half is hotter than one well inside
  the left half (area under the ROC curve, 0.5 by chance), and in how many trials the right half is the hotter one.
- seconds: median time of `explain` for two pictures, decoding left out.
- traits: medians of the distances in colour, tone, texture and line between pictures of different styles, and between
  those of one style; the constants `HALF` of `stylesearch.traits` are rounded means of the former.
"""

from __future__ import annotations

import argparse
import sys
import time
from statistics import median

import numpy as np
from PIL import Image

from benchmarks.datasets import StyleSet, open_set
from benchmarks.machine import machine
from stylesearch.encoders import load_encoder
from stylesearch.encoders.base import Encoder
from stylesearch.errors import StyleSearchError
from stylesearch.explain import explain
from stylesearch.traits import TRAITS, Traits, distances, traits_of

SIDE = 256  # pixels of a picture that is put together
_INSIDE = 0.1  # a part counts where its middle is at least this share of the width away from the seam


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specs", nargs="+", metavar="SET")
    parser.add_argument("--encoder", default="compact:v3")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    try:
        encoder = load_encoder(chosen.encoder)
        print(f"{encoder.name}, {chosen.trials} trials; {machine()}")
        for spec in chosen.specs:
            pictures = open_set(spec)
            rng = np.random.default_rng(chosen.seed)
            auc, right, seconds = heat(encoder, pictures, chosen.trials, rng)
            print(f"{pictures.name:24} heat: area {auc:.3f}, right half hotter {right:.0%}; {seconds:.2f} s")
            for what, found in trait_medians(pictures, chosen.trials, rng).items():
                print(f"{'':24} {what}: " + ", ".join(f"{name} {found[name]:.3g}" for name in TRAITS))
    except StyleSearchError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


def heat(encoder: Encoder, pictures: StyleSet, trials: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """Mean area under the ROC curve, share of trials with the right half hotter, median seconds."""
    rows = _rows_of_styles(pictures, least=2)
    areas, right, seconds = [], [], []
    for _ in range(trials):
        first, second = rng.choice(len(rows), 2, replace=False)
        other = int(rng.choice(rows[first]))
        half, reference = (int(row) for row in rng.choice(rows[second], 2, replace=False))
        collage = _square(pictures.image(other))
        collage.paste(_square(pictures.image(half)).crop((SIDE // 2, 0, SIDE, SIDE)), (SIDE // 2, 0))
        start = time.perf_counter()
        found = explain(encoder, pictures.image(reference), collage).heat
        seconds.append(time.perf_counter() - start)
        columns = found.cosines.shape[1]
        middles = found.box[0] + (np.arange(columns) + 0.5) / columns * (found.box[2] - found.box[0])
        cold, hot = (found.cosines[:, inside].ravel() for inside in (middles < 0.5 - _INSIDE, middles > 0.5 + _INSIDE))
        areas.append(float((hot[:, None] > cold).mean() + (hot[:, None] == cold).mean() / 2))
        right.append(hot.mean() > cold.mean())
    return float(np.mean(areas)), float(np.mean(right)), median(seconds)


def trait_medians(pictures: StyleSet, trials: int, rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """Median distance by trait, between pictures of different styles and of the same."""
    rows = _rows_of_styles(pictures, least=2)
    apart: list[dict[str, float]] = []
    alike: list[dict[str, float]] = []
    for _ in range(4 * trials):
        first, second = rng.choice(len(rows), 2, replace=False)
        one, same = (_traits(pictures, int(row)) for row in rng.choice(rows[first], 2, replace=False))
        apart.append(distances(one, _traits(pictures, int(rng.choice(rows[second])))))
        alike.append(distances(one, same))
    groups = {"different styles": apart, "one style": alike}
    return {what: {name: median(one[name] for one in found) for name in TRAITS} for what, found in groups.items()}


def _traits(pictures: StyleSet, row: int) -> Traits:
    return traits_of(pictures.image(row))


def _rows_of_styles(pictures: StyleSet, least: int) -> list[list[int]]:
    rows: dict[str, list[int]] = {}
    for row, style in enumerate(pictures.styles):
        rows.setdefault(style, []).append(row)
    return [found for found in rows.values() if len(found) >= least]


def _square(picture: Image.Image) -> Image.Image:
    return picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC)


if __name__ == "__main__":
    sys.exit(main())
