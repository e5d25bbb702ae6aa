"""Pictures without a part of them: what is left out is filled with reflections of what is kept beside it.

A reflection has the strokes, the grain and the colours of its original, so that the style of what is kept fills the
square. Smooth fillings (a mean, diffusion) would be a style of their own.
"""

from __future__ import annotations

import numpy as np

KEPT = 0.5
"""Share of a pixel that must be kept for the pixel to be copied from."""

LEAST_KEPT = 0.002
"""Share of a picture below which there is nothing to fill the rest from."""

_EDGE = 0.012  # of the side, around what is left out: masks end a little inside of outlines and shadows
_FAR = 1 << 14  # pixels, more than any side


def is_kept(keep: np.ndarray) -> np.ndarray:
    """Pixels whose look owes nothing to what is left out.

    Args:
        keep: float (N, S, S) in [0, 1].

    Returns:
        bool (N, S, S), a little smaller than `keep` where that has an edge; where too little would remain of a picture
        to describe it, all of it is kept.
    """
    kept = keep >= KEPT
    for _ in range(max(1, round(_EDGE * keep.shape[-1]))):
        framed = np.pad(kept, ((0, 0), (1, 1), (1, 1)), constant_values=True)
        kept = kept & framed[:, :-2, 1:-1] & framed[:, 2:, 1:-1] & framed[:, 1:-1, :-2] & framed[:, 1:-1, 2:]
    kept[kept.mean((1, 2)) < LEAST_KEPT] = True
    return kept


def fill_in(pixels: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Fills what is not kept.

    Each missing pixel is the reflection, across the nearest edge in its row or its column, of a kept one; where that
    lies outside of what is kept, the pixel waits until its neighbours are filled.

    Args:
        pixels: uint8 (N, S, S, 3).
        keep: float (N, S, S) in [0, 1], 1 where pixels stay.

    Returns:
        uint8 (N, S, S, 3); a picture of which nothing is kept stays as it is.
    """
    kept = is_kept(keep)
    filled = pixels.copy()
    for picture, known in zip(filled, kept, strict=True):
        while not known.all():
            missing_y, missing_x = np.nonzero(~known)
            y, x = _reflected(known, missing_y, missing_x)
            there = known[y, x]
            picture[missing_y[there], missing_x[there]] = picture[y[there], x[there]]
            known[missing_y[there], missing_x[there]] = True
    return filled


def _reflected(known: np.ndarray, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where to copy the pixels at rows `y` and columns `x` from; their own place where that lies outside."""
    side = len(known)
    rows, columns = np.arange(side)[:, None], np.arange(side)[None]
    up = np.maximum.accumulate(np.where(known, rows, -_FAR), 0)
    left = np.maximum.accumulate(np.where(known, columns, -_FAR), 1)
    down = np.minimum.accumulate(np.where(known, rows, _FAR)[::-1], 0)[::-1]
    right = np.minimum.accumulate(np.where(known, columns, _FAR)[:, ::-1], 1)[:, ::-1]
    # The edge lies between the last missing and the first known pixel, hence the ones.
    offsets = np.stack(
        [2 * (up[y, x] - y) + 1, 2 * (down[y, x] - y) - 1, 2 * (left[y, x] - x) + 1, 2 * (right[y, x] - x) - 1]
    )
    nearest = np.abs(offsets).argmin(0)
    step = np.take_along_axis(offsets, nearest[None], 0)[0]
    to_y, to_x = y + np.where(nearest < 2, step, 0), x + np.where(nearest < 2, 0, step)
    inside = (to_y >= 0) & (to_y < side) & (to_x >= 0) & (to_x < side)
    return np.where(inside, to_y, y), np.where(inside, to_x, x)
