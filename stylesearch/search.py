"""From a query to one vector, and from neighbours to hits.

Everything here is a pure function over values that `Library` has looked up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np

from stylesearch.errors import SpaceMismatchError, UsageError
from stylesearch.records import Asset, Hit, Space
from stylesearch.vectors.base import Neighbours


def combine(
    references: np.ndarray, weights: Sequence[float], counters: np.ndarray, counter_weights: Sequence[float]
) -> np.ndarray:
    """One query vector: weighted sum of the references less that of the counter-references.

    Rocchio's formula (Manning, Raghavan, Schuetze: Introduction to Information Retrieval, 9.1.1). The sums are not
    divided by their counts, so that a counter-reference of weight 0.5 counts half of a reference of weight 1 however
    many of either there are.

    Args:
        references: float32 (N, D), N >= 1, rows of unit length.
        weights: N positive numbers.
        counters: float32 (M, D), M >= 0, rows of unit length.
        counter_weights: M positive numbers.

    Returns:
        float32 (D,), unit length.

    Raises:
        UsageError: references and counter-references cancel out.
    """
    total = np.asarray(weights, np.float32) @ references
    if len(counters):
        total = total - np.asarray(counter_weights, np.float32) @ counters
    norm = float(np.linalg.norm(total))
    # Below this nothing but rounding is left of unit vectors that were added up in float32.
    if norm < 1e-4:
        raise UsageError(
            "References and counter-references cancel out, so nothing is left to look for. "
            "Leave one of them out or change its weight."
        )
    return np.asarray(total / norm, np.float32)


def as_unit_vector(vector: np.ndarray, space: Space) -> np.ndarray:
    """Checks a vector that came from outside.

    Returns:
        float32 (D,), unit length.

    Raises:
        SpaceMismatchError: its shape is not the space's.
        UsageError: it is zero or not finite.
    """
    vector = np.asarray(vector, np.float32)
    if vector.shape != (space.dim,):
        raise SpaceMismatchError(
            f"The query vector has shape {vector.shape}; vectors of {space.encoder} have shape ({space.dim},). "
            "Encode the reference with the library's own encoder."
        )
    norm = float(np.linalg.norm(vector))
    if not np.isfinite(norm) or norm == 0:
        raise UsageError("The query vector is zero or not finite, so it has no direction to search in.")
    return vector / np.float32(norm)


def to_hits(neighbours: Neighbours, assets: Mapping[int, Asset], left_out: set[int], k: int) -> list[Hit]:
    """The first k neighbours of one query that still have a file, best first.

    Args:
        neighbours: of a single query: ids (1, n), cosines (1, n).
        assets: those of the ids that the catalog knows.
        left_out: asset ids that must not be shown.
    """
    hits = []
    for asset_id, cosine in zip(neighbours.ids[0].tolist(), neighbours.cosines[0].tolist(), strict=True):
        asset = assets.get(asset_id)
        if asset is not None and asset.paths and asset_id not in left_out:
            # Rounding can carry a cosine of equal vectors past 1.
            hits.append(Hit(asset, min(1.0, max(-1.0, cosine))))
    return hits[:k]


def spread(hits: Sequence[Hit], groups: Iterable[Hashable], size: int) -> list[Hit]:
    """The hits without those that come after `size` others of their group.

    Args:
        hits: best first.
        groups: what each of them belongs to.
        size: how many of each group to keep, at least 1.
    """
    met: Counter[Hashable] = Counter()
    kept = []
    for hit, group in zip(hits, groups, strict=True):
        met[group] += 1
        if met[group] <= size:
            kept.append(hit)
    return kept
