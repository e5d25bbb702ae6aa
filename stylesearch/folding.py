"""Near duplicates among the answers to a search, folded into one answer each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stylesearch.appearance import hamming
from stylesearch.duplicates import DISTANCE, LEAST_COSINE, SAME_SHAPE, FetchVectors, Looks


def fold(ids: Sequence[int], looks: Looks, fetch: FetchVectors) -> list[list[int]]:
    """Groups of pictures that look the same as the first of them, by the measure of `Library.duplicates`.

    The best answer of a group leads it and gives it its place; nearness is not passed on from one to the next. More
    answers at the end leave the leaders and their order as they are.

    Args:
        ids: N asset ids, best answer first.
        looks: of those of them that have some; the others stay alone.
        fetch: gives the vectors that tell pictures of other colours apart.
    """
    place = {asset_id: row for row, asset_id in enumerate(looks.ids.tolist())}
    known = [asset_id for asset_id in ids if asset_id in place]
    rows = np.array([place[asset_id] for asset_id in known], np.int64)
    shapes = np.log(looks.sizes[rows, 0] / looks.sizes[rows, 1])
    near = [
        at
        + 1
        + np.flatnonzero(
            (hamming(looks.hashes[rows[at + 1 :]], looks.hashes[row]) <= DISTANCE)
            & (np.abs(shapes[at + 1 :] - shapes[at]) < SAME_SHAPE)
        )
        for at, row in enumerate(rows)
    ]
    together = {known[at] for at, others in enumerate(near) if len(others)}
    together |= {known[other] for others in near for other in others}
    with_vectors, vectors = fetch(sorted(together)) if together else (np.empty(0, np.int64), np.empty((0, 0)))
    vector = dict(zip(with_vectors.tolist(), vectors, strict=True))

    folded: set[int] = set()
    groups: dict[int, list[int]] = {}
    at_known = {asset_id: at for at, asset_id in enumerate(known)}
    for asset_id in ids:
        if asset_id in folded:
            continue
        candidates = [known[other] for other in near[at_known[asset_id]]] if asset_id in at_known else []
        alike = [
            other
            for other in candidates
            if other not in folded
            and asset_id in vector
            and other in vector
            and float(vector[asset_id] @ vector[other]) >= LEAST_COSINE
        ]
        folded.update(alike)
        groups[asset_id] = [asset_id, *alike]
    return list(groups.values())
