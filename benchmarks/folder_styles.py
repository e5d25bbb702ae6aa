"""How well a library finds styles where each folder is one style: `python -m benchmarks.folder_styles LIBRARY`.

Every picture is a query against all others, through `Library.search`. Printed are the share of queries whose first hit
has the query's style (P@1), with any of that style in the first ten (hit@10), and the mean of precision@1 to 10.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from stylesearch import Library, Query

DEPTH = 10


def main(folder: str) -> None:
    """Prints the three scores of the library."""
    with Library.open(folder) as library:
        assets = library.catalog.assets(library.catalog.asset_ids().tolist())
        style = {number: Path(asset.paths[0]).parent.name for number, asset in assets.items()}
        right = np.zeros((len(style), DEPTH), bool)
        for row, number in enumerate(style):
            hits = library.search(Query(number, k=DEPTH))
            right[row, : len(hits)] = [style[hit.asset.id] == style[number] for hit in hits]
    precision = right.cumsum(axis=1) / np.arange(1, DEPTH + 1)
    print(f"{len(style):,} pictures, {len(set(style.values())):,} styles, encoder {library.space.encoder}")
    print(f"P@1 {right[:, 0].mean():.1%}  hit@10 {right.any(axis=1).mean():.1%}  mean P@1..10 {precision.mean():.1%}")


if __name__ == "__main__":
    main(sys.argv[1])
