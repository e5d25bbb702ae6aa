"""Vectors that lie as those of style encoders do: drawn, so that recall can be measured at any size."""

from __future__ import annotations

import numpy as np

PICTURES_PER_STYLE = 50
STYLES_PER_SCHOOL = 20


def clustered_vectors(rng: np.random.Generator, count: int, dim: int, copies: float = 0.1) -> np.ndarray:
    """Pictures of styles of schools, with copies.

    A picture is its style's centre plus 0.8 of noise; a style's centre is its school's plus 0.8 of noise. The noise,
    and the schools, are normal with a spread of 1 / sqrt(i) along axis i, so that few directions hold most of it, as in
    the principal components of real vectors. The r-th style is drawn with a weight of 1 / sqrt(r): some are crowded.
    At last, a share of the vectors become copies, in groups of about four, as scans and blank pages do.

    Args:
        count: N.
        dim: D.
        copies: share of the vectors that are copies, in [0, 1).

    Returns:
        float32 (N, D), rows of unit length.
    """
    spread = (1 / np.sqrt(np.arange(1, dim + 1))).astype(np.float32)

    def draw(rows: int) -> np.ndarray:
        return rng.standard_normal((rows, dim), dtype=np.float32) * spread

    styles = max(1, count // PICTURES_PER_STYLE)
    schools = max(1, styles // STYLES_PER_SCHOOL)
    centres = draw(schools)[rng.integers(0, schools, styles)] + np.float32(0.8) * draw(styles)
    weights = 1 / np.sqrt(np.arange(1, styles + 1))
    drawn = rng.choice(styles, count, p=weights / weights.sum())
    vectors = np.empty((count, dim), np.float32)
    for start in range(0, count, 65_536):  # in blocks: 3 million at once would take their memory three times
        block = drawn[start : start + 65_536]
        vectors[start : start + 65_536] = centres[block] + np.float32(0.8) * draw(len(block))
    repeated = rng.choice(count, int(count * copies), replace=False)
    sources = rng.integers(0, count, max(1, len(repeated) // 4))
    vectors[repeated] = vectors[sources[rng.integers(0, len(sources), len(repeated))]]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors
