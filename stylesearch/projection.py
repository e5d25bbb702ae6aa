"""Lays pictures out on a plane so that neighbours in style lie together, and finds families of styles.

Run as a process of its own, `python -m stylesearch.projection POINTS CHART`, because PaCMAP and scikit-learn bring
seconds of compilation and hundreds of megabytes that a server should not keep, and because a process can be stopped at
any moment. It prints what it does; `share_done` reads that.

The plane: PaCMAP (Wang et al. 2021, Understanding how dimension reduction tools work, JMLR 22), which keeps the large
picture as well as the neighbourhoods, and gives the same map for the same pictures. Families: k-means, and k-means
again within each of them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np

NEIGHBOURS = 10
"""n_neighbors of PaCMAP (section 4.5 of its paper), and of the isolation of a picture."""

AXES = 64
"""Principal axes that vectors are reduced to. PaCMAP's own default is 100."""

MOST_FAMILIES = 24  # more colours than that nobody tells apart
MOST_BRANCHES = 8  # of one family
_LEAST_BRANCH = 12  # pictures on average

# Fewer pictures have no neighbourhoods to keep: their two principal axes say all.
_LEAST_CHARTED = 40

_HEIGHT = 0.7  # of the map, to its width
_MOST_ON_GRID = 300  # pictures; what draws them (ui/assets/atlas_map.js) shows so many at once
_ROOM = 1.5  # crossings of the grid for each

_PROBES = 8  # cells that are searched for neighbours
_LEAST_CANDIDATES = 1_000
_BLOCK = 1_024  # pictures whose distances are held at once
_ITERATIONS = (100, 100, 250)  # PaCMAP's three phases
_SEED = 0

# What the process prints, and how far it has come then. The shares of time are those of 100,000 pictures.
_STAGES = {"families": 0.0, "neighbours": 0.1, "plane": 0.3}
_ITERATION = re.compile(r"^Iteration:\s+(\d+)", re.MULTILINE)


def share_done(printed: str) -> float:
    """How far the process has come, 0 to 1, by what it has printed."""
    stages = [share for stage, share in _STAGES.items() if f"{stage}\n" in printed]
    iterations = _ITERATION.findall(printed)
    if iterations:
        return _STAGES["plane"] + (1 - _STAGES["plane"]) * int(iterations[-1]) / sum(_ITERATIONS)
    return max(stages, default=0.0)


def chart(points: np.ndarray) -> dict[str, np.ndarray]:
    """Families, neighbourhoods and places of pictures.

    Args:
        points: float32 (N, R), N >= 1: vectors reduced to their principal axes, the largest variance first.

    Returns:
        "positions": float32 (N, 2) in [0, 1].
        "families", "branches": uint16 (N,), numbers from 0. A branch is a part of one family.
        "parents": uint16 (B,), the family of each branch.
        "centres": float32 (B, R), the mean of each branch.
        "isolation": float32 (N,), mean distance to the nearest neighbours; 0 where there are none.
    """
    _tell("families")
    families, branches, parents = grouped(points)
    centres = np.stack([points[branches == branch].mean(0) for branch in range(len(parents))])
    _tell("neighbours")
    rows, distances = nearest(points, branches, points, branches, centres, min(NEIGHBOURS + 1, len(points)))
    rows, distances = _without_self(rows, distances)
    isolation = distances.mean(1) if distances.shape[1] else np.zeros(len(points), np.float32)
    _tell("plane")
    return {
        "positions": fitted(_plane(points, rows)),
        "families": families,
        "branches": branches,
        "parents": parents,
        "centres": centres.astype(np.float32),
        "isolation": isolation.astype(np.float32),
    }


def grouped(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hierarchical k-means: families, largest first, each divided into branches, largest first.

    Returns:
        uint16 (N,) families; uint16 (N,) branches; uint16 (B,) the family of each branch.
    """
    count = min(MOST_FAMILIES, round(1.3 * len(points) ** 0.25))  # 3 of 30 pictures, 7 of 1,000, 23 of 100,000
    families = _k_means(points, max(1, count))
    branches = np.zeros(len(points), np.uint16)
    parents: list[int] = []
    for family in range(int(families.max()) + 1):
        members = np.flatnonzero(families == family)
        parts = _k_means(points[members], min(MOST_BRANCHES, max(1, len(members) // _LEAST_BRANCH)))
        branches[members] = parts + len(parents)
        parents += [family] * (int(parts.max()) + 1)
    return families, branches, np.array(parents, np.uint16)


def nearest(
    queries: np.ndarray, query_cells: np.ndarray, points: np.ndarray, cells: np.ndarray, centres: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest points of each query, looked for in the cells around its own: exact where all is one cell, and
    elsewhere what lies at a border may be overlooked.

    Args:
        queries: float32 (Q, R).
        query_cells: int (Q,), the cell of each.
        points: float32 (N, R), N >= k.
        cells: int (N,), the cell of each.
        centres: float32 (C, R), of the cells.
        k: at least 1.

    Returns:
        int64 (Q, k) rows of `points`, nearest first; float32 (Q, k) distances.
    """
    members = [np.flatnonzero(cells == cell) for cell in range(len(centres))]
    found = np.empty((len(queries), k), np.int64)
    distances = np.empty((len(queries), k), np.float32)
    for cell in np.unique(query_cells):
        order = np.argsort(((centres - centres[cell]) ** 2).sum(1), kind="stable")
        sizes = np.cumsum([len(members[one]) for one in order])
        enough = int(np.searchsorted(sizes, max(k, _LEAST_CANDIDATES))) + 1
        among = np.concatenate([members[one] for one in order[: max(_PROBES, enough)]])
        near, squares = points[among], (points[among] ** 2).sum(1)
        asking = np.flatnonzero(query_cells == cell)
        for start in range(0, len(asking), _BLOCK):
            block = asking[start : start + _BLOCK]
            gaps = (queries[block] ** 2).sum(1)[:, None] + squares - 2 * (queries[block] @ near.T)
            best = np.argpartition(gaps, k - 1, axis=1)[:, :k]
            gaps = np.take_along_axis(gaps, best, 1)
            inner = np.argsort(gaps, axis=1, kind="stable")
            found[block] = among[np.take_along_axis(best, inner, 1)]
            distances[block] = np.sqrt(np.maximum(np.take_along_axis(gaps, inner, 1), 0))
    return found, distances


def fitted(plane: np.ndarray) -> np.ndarray:
    """float32 (N, 2) in [0, 1]: the plane turned so that its larger variance lies across, and spread over a map that is
    wider than high. Half of it by rank, so that the seas between islands of styles do not take most of the map; few
    pictures lie on a grid, so that none hides another.
    """
    middle = plane - plane.mean(0)
    _, axes = np.linalg.eigh(middle.T @ middle)
    turned = middle @ axes[:, ::-1]
    low, high = turned.min(0), turned.max(0)
    places = (turned - low) / np.where(high > low, high - low, 1)
    if len(plane) > 1:
        ranks = np.argsort(np.argsort(turned, axis=0, kind="stable"), axis=0) / (len(plane) - 1)
        places = (places + ranks) / 2
    places = 0.5 + (places - 0.5) * (1, _HEIGHT)
    return np.asarray(_on_grid(places) if len(plane) <= _MOST_ON_GRID else places, np.float32)


def _on_grid(places: np.ndarray) -> np.ndarray:
    """Moves each place to a crossing of a grid of its own, all together as little as possible."""
    from scipy.optimize import linear_sum_assignment

    rows = max(1, round((_HEIGHT * _ROOM * len(places)) ** 0.5))
    columns = -(-round(_ROOM * len(places)) // rows)
    x, y = np.meshgrid((np.arange(columns) + 0.5) / columns, 0.5 + ((np.arange(rows) + 0.5) / rows - 0.5) * _HEIGHT)
    crossings = np.stack([x.ravel(), y.ravel()], 1)
    _, chosen = linear_sum_assignment(((places[:, None] - crossings[None]) ** 2).sum(2))
    return np.asarray(crossings[chosen])


def _without_self(rows: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Takes each point out of its own neighbours, or the last one where equals have crowded it out."""
    own = rows == np.arange(len(rows))[:, None]
    own[~own.any(1), -1] = True
    return rows[~own].reshape(len(rows), -1), distances[~own].reshape(len(rows), -1)


def _k_means(points: np.ndarray, count: int) -> np.ndarray:
    """uint16 (N,) numbers of at most `count` clusters, the largest first."""
    if count == 1:
        return np.zeros(len(points), np.uint16)
    from sklearn.cluster import KMeans

    labels = KMeans(count, n_init=1, random_state=_SEED).fit_predict(points)
    _, labels, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), np.uint16)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return np.asarray(rank[labels])


def _plane(points: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    count = len(points)
    if count < _LEAST_CHARTED:
        return np.asarray(np.pad(points[:, :2], ((0, 0), (0, max(0, 2 - points.shape[1])))))
    from pacmap import PaCMAP

    pairs = np.stack([np.repeat(np.arange(count), neighbours.shape[1]), neighbours.ravel()], 1).astype(np.int32)
    method = PaCMAP(
        n_neighbors=neighbours.shape[1],
        pair_neighbors=pairs,
        num_iters=_ITERATIONS,
        random_state=_SEED,
        apply_pca=False,
        verbose=True,
    )
    return np.asarray(method.fit_transform(points, init=points[:, :2]), np.float64)


def _tell(stage: str) -> None:
    print(stage, flush=True)  # noqa: T201 - read by the process that waits


def main() -> None:
    """Charts the points of one file into another one."""
    from safetensors.numpy import load_file, save_file

    source, target = map(Path, sys.argv[1:])
    save_file(chart(load_file(source)["points"]), target)


if __name__ == "__main__":
    main()
