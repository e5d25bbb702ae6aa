"""How well the measure of content leakage tells pictures of one scene from pictures of two, whatever their style.

    python -m benchmarks.leak

Draws scenes in styles, as `stylesearch sample` does, and compares three kinds of pairs: the same scene in two styles
(all of it has leaked), two scenes in one style, and two scenes in two styles (nothing has).
"""

from __future__ import annotations

import tempfile
from itertools import combinations
from pathlib import Path

import numpy as np
import typer
from PIL import Image

from encoder_training.sample import draw_sample_library
from stylesearch.transfer.leak import content_leak

_KEPT = 0.1  # share of the pairs that differ in both, of which there are most


def main(styles: int = 16, contents: int = 8, size: int = 256, seed: int = 1) -> None:
    """Prints the mean and spread of each kind of pair, and the area under the ROC curve."""
    with tempfile.TemporaryDirectory() as folder:
        drawn = draw_sample_library(Path(folder) / "drawn", styles=styles, contents=contents, size=size, seed=seed)
        pictures = [(path.parent.name, path.stem, Image.open(path).convert("RGB")) for path in drawn]
    same, one_style, neither = "one scene, two styles", "two scenes, one style", "two scenes, two styles"
    kinds: dict[str, list[float]] = {same: [], one_style: [], neither: []}
    rng = np.random.default_rng(0)
    for one, other in combinations(pictures, 2):
        kind = same if one[1] == other[1] else one_style if one[0] == other[0] else neither
        if kind != neither or rng.random() < _KEPT:
            kinds[kind].append(content_leak(one[2], other[2]))
    for kind, found in kinds.items():
        print(f"{kind:24} {np.mean(found):.3f} +- {np.std(found):.3f}  ({len(found):,} pairs)")
    for kind in (one_style, neither):
        print(f"area under the curve, {same} against {kind}: {_area(kinds[same], kinds[kind]):.3f}")


def _area(higher: list[float], lower: list[float]) -> float:
    """How often a value of the first kind is above one of the second, ties counting half."""
    difference = np.subtract.outer(higher, lower)
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


if __name__ == "__main__":
    typer.run(main)
