"""Draws the map of a library by style, keeps it in the library's folder, and brings it up to the catalog.

The vectors are read from the catalog twice, in stretches: once for their principal axes, once to be reduced to them. A
process of its own lays the reduced vectors out; see `stylesearch.projection`.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load_file, save_file

from stylesearch import projection
from stylesearch.atlas import Atlas
from stylesearch.catalog import Catalog
from stylesearch.errors import LibraryError, MissingDependencyError
from stylesearch.families import names_of
from stylesearch.projection import AXES, share_done
from stylesearch.records import Changes
from stylesearch.spaces import SearchSpace

Progress = Callable[[float, str], None]
"""Told how far the work has come, from 0 to 1, and what is being done, several times a second. It stops the work by
raising: the exception goes through, and nothing is written."""

MOST_CHARTED = 200_000
"""Pictures that are laid out together. Of more, a sample is, and the others are put beside their neighbours in it."""

_READ, _LAID_OUT = 0.1, 0.95  # shares of the time
_DESCRIBED = 60  # pictures of a branch that its name is drawn from; twice as many of a family
_POLL_SECONDS = 0.2
_PROGRAM = Path(projection.__file__)

_log = logging.getLogger(__name__)


class AtlasStore:
    """The map of one space of a library. Threads may share it.

    Args:
        catalog: of the library.
        searching: the space.
        path: of the file that keeps the map.
    """

    def __init__(self, catalog: Catalog, searching: SearchSpace, path: Path) -> None:
        self._catalog = catalog
        self._searching = searching
        self._path = path
        self._lock = threading.Lock()
        self._atlas: Atlas | None = None
        self._state: int | None = None  # of the catalog, when the map had caught up with it
        self._written: int | None = None  # when the file was, that the map is of

    def drawn(self) -> Atlas | None:
        """The map as it was drawn last, with what has come since; None where it has never been drawn, or was drawn
        from another catalog."""
        with self._lock:
            state, written = self._catalog.state(), self._time_written()
            if written != self._written:  # another process has drawn it
                self._atlas, self._written = None, written
            if self._atlas is not None and state == self._state:
                return self._atlas
            atlas = self._atlas or Atlas.read(self._path, self._searching.space.key)
            if atlas is None or atlas.history != self._catalog.history(atlas.sequence):
                return None
            sequence = atlas.sequence
            for changes in self._catalog.changes(self._searching.id, after=sequence):
                atlas = atlas.after(changes)
            if atlas.sequence != sequence:
                self._keep(atlas)
            self._atlas, self._state = atlas, state
            return atlas

    def draw(self, progress: Progress, *, anew: bool = False) -> Atlas:
        """The map; drawn where there is none, where it is outdated, or where `anew` asks for it. See `Library.atlas`.

        Raises:
            MissingDependencyError: the extra `atlas` is not installed.
            LibraryError: it could not be drawn.
        """
        if not anew and (atlas := self.drawn()) is not None and not atlas.outdated:
            return atlas
        for package, distribution in (("pacmap", "pacmap"), ("sklearn", "scikit-learn")):
            if find_spec(package) is None:
                raise MissingDependencyError(distribution, "atlas", "to draw the map of styles")
        atlas = _charted(self._catalog, self._searching, progress)
        with self._lock:
            self._keep(atlas)
            self._atlas, self._state = atlas, None  # something may have been written meanwhile
        return atlas

    def _keep(self, atlas: Atlas) -> None:
        try:
            atlas.write(self._path)
        except LibraryError as exc:  # who may only read a library sees its map all the same
            _log.warning("%s", exc)
        self._written = self._time_written()

    def _time_written(self) -> int | None:
        try:
            return self._path.stat().st_mtime_ns
        except OSError:
            return None


def _charted(catalog: Catalog, searching: SearchSpace, progress: Progress) -> Atlas:
    mean, axes = _principal_axes(catalog, searching, progress)
    read = _reduced(catalog, searching, mean, axes, progress)
    atlas = Atlas.empty(searching.space.key, read.sequence, read.history, mean, axes)
    if not len(read.ids):
        return atlas
    laid = np.ones(len(read.ids), bool)
    if len(laid) > MOST_CHARTED:
        laid[np.random.default_rng(0).permutation(len(laid))[MOST_CHARTED:]] = False
    chart = _laid_out(read.points[laid], progress)
    atlas = replace(
        atlas,
        charted=len(read.ids),
        ids=read.ids[laid],
        points=read.points[laid].astype(np.float16),
        positions=chart["positions"],
        branches=chart["branches"],
        isolation=chart["isolation"],
        parents=chart["parents"],
        centres=chart["centres"],
    ).with_points(read.ids[~laid], read.points[~laid])
    progress(_LAID_OUT, "naming families")
    return _named(atlas, catalog)


class _Read(NamedTuple):
    """int64 (N,) ascending ids and float32 (N, R) reduced vectors of all pictures, and up to where that is."""

    ids: np.ndarray
    points: np.ndarray
    sequence: int
    history: str


def _principal_axes(catalog: Catalog, searching: SearchSpace, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """Mean float32 (D,) and the axes of the largest variance, float32 (D, R)."""
    dim = searching.space.dim
    count, total, products = 0, np.zeros(dim), np.zeros((dim, dim))
    for changes in _stretches(catalog, searching, progress, 0.0):
        vectors = changes.vectors[changes.live]
        count += len(vectors)
        total += vectors.sum(0, dtype=np.float64)
        products += vectors.T @ vectors
    mean = total / max(count, 1)
    _, axes = np.linalg.eigh(products / max(count, 1) - np.outer(mean, mean))  # ascending variance
    kept = axes[:, ::-1][:, :AXES]
    # An axis has no sign; one is chosen, so that the same pictures give the same map everywhere.
    kept = kept * np.where(kept[np.abs(kept).argmax(0), np.arange(kept.shape[1])] < 0, -1, 1)
    return mean.astype(np.float32), np.ascontiguousarray(kept, np.float32)


def _reduced(catalog: Catalog, searching: SearchSpace, mean: np.ndarray, axes: np.ndarray, progress: Progress) -> _Read:
    ids, points = [np.empty(0, np.int64)], [np.empty((0, axes.shape[1]), np.float32)]
    sequence, history = 0, ""
    for changes in _stretches(catalog, searching, progress, _READ / 2):
        ids.append(changes.asset_ids[changes.live])
        points.append((changes.vectors[changes.live] - mean) @ axes)
        sequence, history = changes.sequence, changes.history
    joined = np.concatenate(ids)
    order = np.argsort(joined)
    return _Read(joined[order], np.concatenate(points)[order], sequence, history)


def _stretches(catalog: Catalog, searching: SearchSpace, progress: Progress, start: float) -> Iterator[Changes]:
    expected, done = max(1, catalog.vector_count(searching.id)), 0
    progress(start, "reading vectors")
    for changes in catalog.changes(searching.id, after=0):
        yield changes
        done += len(changes.asset_ids)
        progress(start + _READ / 2 * min(1.0, done / expected), "reading vectors")


def _laid_out(points: np.ndarray, progress: Progress) -> dict[str, np.ndarray]:
    """`projection.chart` in a process of its own, which ends at once where `progress` raises."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, target, printed, wrong = (folder / part for part in ("points", "chart", "printed", "wrong"))
        save_file({"points": np.ascontiguousarray(points)}, source)
        # -I: neither the environment nor the current folder decides what the process imports.
        command = [sys.executable, "-I", "-u", "-W", "ignore", str(_PROGRAM), str(source), str(target)]
        with printed.open("wb") as out, wrong.open("wb") as err:
            process = subprocess.Popen(command, stdout=out, stderr=err)  # noqa: S603 - our own program
            try:
                while process.poll() is None:
                    done = share_done(printed.read_text(encoding="utf-8", errors="replace"))
                    progress(_READ + (_LAID_OUT - _READ) * done, "laying out the map")
                    try:
                        process.wait(_POLL_SECONDS)
                    except subprocess.TimeoutExpired:
                        continue
            finally:
                process.kill()
                process.wait()
        if process.returncode:
            lines = wrong.read_text(encoding="utf-8", errors="replace").split("\n")
            said = next((line.strip() for line in reversed(lines) if line.strip()), f"exit code {process.returncode}")
            raise LibraryError(f"The map of styles could not be drawn ({said}).")
        return load_file(target)


def _named(atlas: Atlas, catalog: Catalog) -> Atlas:
    dice = np.random.default_rng(0)

    def names(members: list[np.ndarray], most: int) -> list[str]:
        """Of groups of pictures, of each of which so many are looked at."""
        some = [atlas.ids[dice.permutation(rows)[:most]].tolist() for rows in members]
        details = catalog.details([asset_id for ids in some for asset_id in ids])
        return names_of([[details[asset_id] for asset_id in ids] for ids in some])

    families = [np.flatnonzero(atlas.families == number) for number in range(int(atlas.parents.max()) + 1)]
    branches = [np.flatnonzero(atlas.branches == number) for number in range(len(atlas.parents))]
    branch_names: list[str] = []  # those of one family stand together
    for number in range(len(families)):
        own = np.flatnonzero(atlas.parents == number)
        branch_names += names([branches[branch] for branch in own], _DESCRIBED)
    return replace(atlas, names=tuple(names(families, 2 * _DESCRIBED)), branch_names=tuple(branch_names))
