"""How precision at 1 falls while a gallery gains styles, computed exactly from one ranking of the whole gallery.

Of n styles, m are drawn at random, the query's among them, and the gallery is what shows these. The nearest picture
has the query's style unless one of the d styles that have a picture nearer than the best right one is drawn too; so

    P(right) = C(n - 1 - d, m - 1) / C(n - 1, m - 1).
"""

from __future__ import annotations

import numpy as np

from benchmarks.ranking import Labels, Ranking

TIE = 1e-6  # cosines closer than this are of equal pictures: the products are in float32
_BLOCK = 512  # queries at a time


def sizes(styles: int) -> np.ndarray:
    """int64: 2, 4, 8, ... and the number of styles itself; empty for fewer than two styles."""
    doubled = 2 ** np.arange(1, max(styles, 1).bit_length() + 1)
    return np.unique(np.append(doubled[doubled < styles], styles)) if styles > 1 else np.empty(0, np.int64)


def expected_precision(ahead: np.ndarray, styles: int) -> np.ndarray:
    """Expected precision at 1 for each query and gallery size.

    Args:
        ahead: int (Q,), styles that come before the query's own, from `styles_ahead`.
        styles: n, at least 2: styles of the whole gallery.

    Returns:
        float64 (Q, M) in [0, 1], a column for each of `sizes(styles)`.
    """
    steps = np.arange(styles - 1)
    different, at = np.unique(ahead, return_inverse=True)
    spared = np.maximum(styles - 1 - different[:, None] - steps, 0) / (styles - 1 - steps)
    table: np.ndarray = np.cumprod(spared, axis=1)[:, sizes(styles) - 2]
    return table[at.reshape(-1)]


def styles_ahead(
    ranking: Ranking,
    queries: np.ndarray,
    query_labels: Labels,
    gallery: np.ndarray,
    gallery_labels: Labels,
    own_rows: np.ndarray | None,
) -> np.ndarray:
    """How many styles have an allowed picture nearer than the best right one.

    Args:
        ranking: of `queries` in `gallery` by cosine; the other arguments are those of `benchmarks.ranking.rank`.

    Returns:
        int64 (Q,), for `ranking.queries`.
    """
    _, codes = np.unique(gallery_labels.styles, return_inverse=True)
    ahead = np.zeros(len(ranking.queries), np.int64)
    within = ranking.first <= ranking.neighbours.shape[1]
    for row in np.flatnonzero(within):
        ahead[row] = len(np.unique(codes[ranking.neighbours[row, : ranking.first[row] - 1]]))
    deep = np.flatnonzero(~within)
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    for begin in range(0, len(deep), _BLOCK):
        some = deep[begin : begin + _BLOCK]
        rows = ranking.queries[some]
        cosines = queries[rows] @ gallery.T
        if own_rows is not None:
            inside = np.flatnonzero(own_rows[rows] >= 0)
            cosines[inside, own_rows[rows][inside]] = -np.inf
        if ranking.protocol.leave_content_out:
            cosines[_same_content(query_labels, rows, gallery_labels)] = -np.inf
        best = np.maximum.reduceat(cosines[:, order], starts, axis=1)
        style = codes[_first_of(query_labels.styles[rows], gallery_labels.styles)]
        own = best[np.arange(len(some)), style][:, None]
        ahead[some] = (best > own + TIE).sum(1)
        level = np.abs(best - own) <= TIE
        for at in np.flatnonzero(level.sum(1) > 1):  # of equal pictures the lower row comes first
            near = codes[np.abs(cosines[at] - own[at]) <= TIE]
            before = near[: int((near == style[at]).argmax())]
            ahead[some[at]] += len(np.unique(before[level[at, before]]))
    return ahead


def _same_content(query_labels: Labels, rows: np.ndarray, gallery_labels: Labels) -> np.ndarray:
    """bool (Q, G); an unknown content equals no other."""
    same = np.zeros((len(rows), len(gallery_labels)), bool)
    if query_labels.contents is not None and gallery_labels.contents is not None:
        shown = query_labels.contents[rows]
        known = np.array([content is not None for content in shown])
        same = (shown[:, None] == gallery_labels.contents) & known[:, None]
    return same


def _first_of(wanted: np.ndarray, styles: np.ndarray) -> np.ndarray:
    """A gallery row of each wanted style."""
    names, rows = np.unique(styles, return_index=True)
    found: np.ndarray = rows[np.searchsorted(names, wanted)]
    return found
