"""The map of a library by style: where each picture lies, the families that they form, and which stand alone.

As a library grows, new pictures are put beside their nearest neighbours, which takes no time; once more than a quarter
has come or gone since the map was drawn, it should be drawn anew (`stylesearch.charting`).
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from stylesearch.errors import LibraryError
from stylesearch.projection import nearest
from stylesearch.records import Changes

VERSION = 1

OUTDATED = 0.25
"""Share of the pictures, come or gone since the map was drawn, above which it no longer does them justice."""

_PLACED_BY = 5  # neighbours
_SHOWN_BY = 4  # pictures that stand for a family or a branch

_TENSORS = ("ids", "positions", "branches", "isolation", "points", "parents", "centres", "mean", "axes")
_VALUES = ("space", "sequence", "history", "charted", "moved", "names", "branch_names")


@dataclass(frozen=True)
class Family:
    """Pictures of alike style.

    Attributes:
        number: of the family, or of the branch, in the atlas.
        name: for people; no two families have the same, nor two branches of a family.
        size: pictures in it.
        middle: x and y on the map, in [0, 1]: the place of its most typical picture.
        representatives: ids of up to four pictures, the most typical first.
        branches: its parts, the largest first; none where this is a branch.
    """

    number: int
    name: str
    size: int
    middle: tuple[float, float]
    representatives: tuple[int, ...]
    branches: tuple[Family, ...] = ()


@dataclass(frozen=True, eq=False)
class Atlas:
    """The map of one space of a library: N pictures, B branches of F families, R principal axes. A value: `after`
    returns another one.

    Attributes:
        space: key of the space.
        sequence, history: of the catalog, up to where it is contained; see `Catalog.history`.
        charted: pictures when the map was drawn.
        moved: pictures that have come or gone since.
        names: of the families.
        branch_names: of the branches.
        ids: int64 (N,), ascending asset ids.
        positions: float32 (N, 2) in [0, 1], x to the right and y upwards.
        branches: uint16 (N,), numbers of branches.
        isolation: float32 (N,), mean distance to the ten nearest neighbours, along the axes.
        points: float16 (N, R), the vectors along the axes.
        parents: uint16 (B,), the family of each branch.
        centres: float32 (B, R), means of the branches when the map was drawn.
        mean, axes: float32 (D,) and (D, R): a vector v lies at (v - mean) @ axes.
    """

    space: str
    sequence: int
    history: str
    charted: int
    moved: int
    names: tuple[str, ...]
    branch_names: tuple[str, ...]
    ids: np.ndarray
    positions: np.ndarray
    branches: np.ndarray
    isolation: np.ndarray
    points: np.ndarray
    parents: np.ndarray
    centres: np.ndarray
    mean: np.ndarray
    axes: np.ndarray

    @classmethod
    def empty(cls, space: str, sequence: int, history: str, mean: np.ndarray, axes: np.ndarray) -> Atlas:
        """A map without pictures."""
        axis_count = axes.shape[1]
        return cls(
            space=space,
            sequence=sequence,
            history=history,
            charted=0,
            moved=0,
            names=(),
            branch_names=(),
            ids=np.empty(0, np.int64),
            positions=np.empty((0, 2), np.float32),
            branches=np.empty(0, np.uint16),
            isolation=np.empty(0, np.float32),
            points=np.empty((0, axis_count), np.float16),
            parents=np.empty(0, np.uint16),
            centres=np.empty((0, axis_count), np.float32),
            mean=mean,
            axes=axes,
        )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def families(self) -> np.ndarray:
        """uint16 (N,), the family of each picture."""
        return np.asarray(self.parents[self.branches])

    @property
    def outdated(self) -> bool:
        """Whether so much has come or gone that the map should be drawn anew."""
        return self.moved > OUTDATED * self.charted

    @cached_property
    def token(self) -> str:
        """Differs whenever the map does; safe in an address."""
        identity = json.dumps([self.space, self.sequence, self.history, self.charted, self.moved, self.names])
        return hashlib.sha256(identity.encode() + self.positions.tobytes()).hexdigest()[:16]

    @cached_property
    def listed(self) -> tuple[Family, ...]:
        """The families, the largest first; those that have lost all their pictures are left out."""
        order = np.lexsort((self._from_centre, self.branches))
        starts = np.searchsorted(self.branches[order], np.arange(len(self.parents) + 1))
        members = [order[start:end] for start, end in pairwise(starts)]
        branches = [
            self._family(number, self.branch_names[number], rows, [rows])
            for number, rows in enumerate(members)
            if len(rows)
        ]
        families = []
        for number, name in enumerate(self.names):
            parts = sorted(
                (part for part in branches if self.parents[part.number] == number), key=lambda part: -part.size
            )
            if parts:
                rows = [members[part.number] for part in parts]
                families.append(replace(self._family(number, name, np.concatenate(rows), rows), branches=tuple(parts)))
        return tuple(sorted(families, key=lambda family: -family.size))

    def unusual(self, count: int) -> list[int]:
        """Ids of the pictures that are farthest from any other, the farthest first."""
        if len(self) < 3:
            return []
        return [int(self.ids[row]) for row in np.argsort(-self.isolation, kind="stable")[:count]]

    def typical(self, ids: np.ndarray, count: int) -> list[int]:
        """Ids of the pictures, among these, that lie nearest to their common mean; unknown ids are passed over."""
        rows = np.flatnonzero(np.isin(self.ids, ids))
        points = self.points[rows].astype(np.float32)
        gaps = ((points - points.mean(0)) ** 2).sum(1) if len(rows) else np.empty(0)
        return [int(self.ids[rows[place]]) for place in np.argsort(gaps, kind="stable")[:count]]

    def after(self, changes: Changes) -> Atlas:
        """The map after these changes: what has gone is taken away, what has come lies beside its neighbours."""
        gone = np.isin(self.ids, changes.asset_ids[~changes.live])
        new = changes.live & ~np.isin(changes.asset_ids, self.ids)
        moved = self.moved + int(gone.sum()) + int(new.sum())
        kept = self._only(~gone)
        if len(kept):  # else nobody to lie beside
            kept = kept.with_points(changes.asset_ids[new], self._reduced(changes.vectors[new]))
        return replace(kept, sequence=changes.sequence, history=changes.history, moved=moved)

    def with_points(self, ids: np.ndarray, points: np.ndarray) -> Atlas:
        """The map with further pictures beside their neighbours.

        Args:
            ids: int64 (M,), none of them on the map.
            points: float32 (M, R), along the axes.
        """
        if not len(ids):
            return self
        own = self.points.astype(np.float32)
        known, own_cells = np.unique(self.branches, return_inverse=True)  # a branch may have lost all its pictures
        centres = self.centres[known]
        cells = np.argmin((centres**2).sum(1) - 2 * (points @ centres.T), axis=1)
        rows, distances = nearest(points, cells, own, own_cells, centres, min(_PLACED_BY, len(self)))
        branches = self.branches[rows[:, 0]]
        # Neighbours on another island would pull a picture into the sea between.
        together = self.parents[self.branches[rows]] == self.parents[branches][:, None]
        weights = (together / (distances + 1e-6))[:, :, None]
        places = (self.positions[rows] * weights).sum(1) / weights.sum(1)
        order = np.argsort(np.concatenate([self.ids, ids]), kind="stable")

        def joined(old: np.ndarray, new: np.ndarray) -> np.ndarray:
            return np.concatenate([old, new.astype(old.dtype)])[order]

        return replace(
            self,
            ids=joined(self.ids, ids),
            positions=joined(self.positions, places),
            branches=joined(self.branches, branches),
            isolation=joined(self.isolation, distances.mean(1)),
            points=joined(self.points, points),
        )

    def write(self, path: Path) -> None:
        """Writes the map in one step. Raises LibraryError where the operating system refuses."""
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
        values = {name: getattr(self, name) for name in _VALUES} | {"version": VERSION}
        tensors = {name: np.ascontiguousarray(getattr(self, name)) for name in _TENSORS}
        try:
            save_file(tensors, partial, metadata={"atlas": json.dumps(values)})
            os.replace(partial, path)
        except (OSError, SafetensorError) as exc:
            raise LibraryError(f"The map '{path}' cannot be written ({exc}).") from exc
        finally:
            partial.unlink(missing_ok=True)

    @classmethod
    def read(cls, path: Path, space: str) -> Atlas | None:
        """The map of a space; None where there is none, or one that is damaged, of another space or version."""
        try:
            with safe_open(path, framework="numpy") as file:
                values: dict[str, Any] = json.loads((file.metadata() or {}).get("atlas", "{}"))
                tensors = {name: file.get_tensor(name) for name in _TENSORS}
        except (OSError, SafetensorError, ValueError):
            return None
        if values.pop("version", None) != VERSION or values.get("space") != space or set(values) != set(_VALUES):
            return None
        values |= {name: tuple(values[name]) for name in ("names", "branch_names")} | tensors
        return cls(**values)

    def _reduced(self, vectors: np.ndarray) -> np.ndarray:
        return np.asarray((vectors - self.mean) @ self.axes)

    @cached_property
    def _from_centre(self) -> np.ndarray:
        """float32 (N,), squared distance of each picture from the centre of its branch."""
        return np.asarray(((self.points.astype(np.float32) - self.centres[self.branches]) ** 2).sum(1))

    def _family(self, number: int, name: str, rows: np.ndarray, parts: list[np.ndarray]) -> Family:
        """Of these rows; representatives come from its parts in turn, each with the most typical row first."""
        depth = -(-_SHOWN_BY // len(parts))
        shown = [int(part[place]) for place in range(depth) for part in parts if place < len(part)][:_SHOWN_BY]
        x, y = self.positions[shown[0]].tolist()
        return Family(number, name, len(rows), (x, y), tuple(int(self.ids[row]) for row in shown))

    def _only(self, rows: np.ndarray) -> Atlas:
        if rows.all():
            return self
        per_picture = ("ids", "positions", "branches", "isolation", "points")
        return replace(self, **{name: getattr(self, name)[rows] for name in per_picture})
