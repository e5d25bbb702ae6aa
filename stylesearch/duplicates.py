"""Pictures that a library holds more than once: the same bytes, the same to the eye, or merely similar in style."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain, combinations
from typing import Literal, NamedTuple

import numpy as np

from stylesearch.appearance import hamming
from stylesearch.catalog import Catalog
from stylesearch.errors import UsageError
from stylesearch.records import Asset
from stylesearch.vectors import VectorIndex

DuplicateKind = Literal["exact", "near", "similar"]

# Copies at half the size, at JPEG quality 20, in another brightness, or less 1 % at each edge differ in so many bits at
# most, all but a few in a hundred; different pictures hardly ever do (tests/test_appearance.py).
DISTANCE = 7
MOST_DISTANCE = 11

# What near duplicates must share in style, beside their looks: the hash knows nothing of colours.
LEAST_COSINE = 0.9

# Where style alone counts: what this is worth depends on the encoder.
SIMILAR_COSINE = 0.95
_NEIGHBOURS = 10  # of each picture, that are looked at
_QUERIES = 256  # that are searched for together

# A crop of a few hundredths changes the shape of a picture less than this, in logarithms of width by height.
SAME_SHAPE = 0.1

_BANDS, _BAND_BITS = 4, 16
_CANDIDATES = 4_000_000  # pairs that are looked at together: about 100 MB
_TOGETHER = 8_192  # vectors that are held at a time


class Duplicate(NamedTuple):
    """Another picture, and how near it is.

    Attributes:
        asset: the picture.
        cosine: of the vectors.
        bits: in which the perceptual hashes differ.
    """

    asset: Asset
    cosine: float
    bits: int


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """A picture, and what repeats it.

    Attributes:
        kind: "exact": the same bytes at all of the asset's paths; "near": the others look the same, resized, compressed
            or cut a little; "similar": the others have the same style and are other pictures.
        asset: of near duplicates the one with the most pixels.
        others: the nearest first; empty for "exact".
    """

    kind: DuplicateKind
    asset: Asset
    others: tuple[Duplicate, ...] = ()


class Looks(NamedTuple):
    """What near duplicates are found by: int64 (N,) asset ids, uint64 (N,) hashes, int32 (N, 2) widths and heights."""

    ids: np.ndarray
    hashes: np.ndarray
    sizes: np.ndarray


# The vectors of those of some assets that have one: ascending ids int64 (N,), float32 (N, D).
FetchVectors = Callable[[Sequence[int]], tuple[np.ndarray, np.ndarray]]


class NearGroup(NamedTuple):
    """Asset ids of near duplicates: the largest, and of each other one the id, the cosine and the bits that differ."""

    kept: int
    others: tuple[tuple[int, float, int], ...]


class DuplicateFinder:
    """Looks for duplicates in a catalog.

    Args:
        index: of the space's vectors, caught up.
        distance, least_cosine, similar_cosine: see `Library.duplicates`.

    Raises:
        UsageError: a number is out of range.
    """

    def __init__(
        self,
        catalog: Catalog,
        space_id: int,
        index: VectorIndex,
        distance: int,
        least_cosine: float,
        similar_cosine: float,
    ) -> None:
        if not 0 <= distance <= MOST_DISTANCE:
            raise UsageError(f"The distance is {distance}; it must be a whole number from 0 to {MOST_DISTANCE}.")
        for value in (least_cosine, similar_cosine):
            if not -1 <= value <= 1:
                raise UsageError(f"The cosine is {value}; it must be a number from -1 to 1.")
        self._catalog = catalog
        self._fetch = partial(catalog.vectors, space_id)
        self._index = index
        self._distance = distance
        self._least_cosine = least_cosine
        self._similar_cosine = similar_cosine

    def find(self, kinds: Sequence[DuplicateKind]) -> Iterator[DuplicateGroup]:
        """The groups of these kinds, kind by kind.

        Raises:
            UsageError: an unknown kind.
        """
        ways = {"exact": self._exact, "near": self._near, "similar": self._similar}
        for kind in kinds:
            if kind not in ways:
                raise UsageError(f"There is no kind '{kind}' of duplicates; there are: {', '.join(ways)}.")
        return chain.from_iterable(ways[kind]() for kind in kinds)

    @cached_property
    def _looks(self) -> Looks:
        return Looks(*self._catalog.perceptual_hashes())

    def _exact(self) -> Iterator[DuplicateGroup]:
        copied = self._catalog.copied()
        for start in range(0, len(copied), _QUERIES):
            for asset in self._catalog.assets(copied[start : start + _QUERIES]).values():
                yield DuplicateGroup("exact", asset)

    def _near(self) -> Iterator[DuplicateGroup]:
        for kept, others in near_groups(self._looks, self._fetch, self._distance, self._least_cosine):
            yield from self._groups("near", kept, others)

    def _similar(self) -> Iterator[DuplicateGroup]:
        """Each asset with those of higher id, among its nearest, that share its style and do not look the same."""
        hashes = dict(zip(self._looks.ids.tolist(), self._looks.hashes, strict=True))
        for start in range(0, len(hashes), _QUERIES):
            ids, vectors = self._fetch(self._looks.ids[start : start + _QUERIES].tolist())
            if not len(ids):
                continue
            found = self._index.search(vectors, min(_NEIGHBOURS + 1, len(self._index)), None)
            for own, near, cosines in zip(ids.tolist(), found.ids.tolist(), found.cosines.tolist(), strict=True):
                others = [
                    (number, min(1.0, cosine), int(hamming(hashes[number], hashes[own])))
                    for number, cosine in zip(near, cosines, strict=True)
                    if number > own and cosine >= self._similar_cosine and number in hashes
                ]
                yield from self._groups("similar", own, [other for other in others if other[2] > self._distance])

    def _groups(
        self, kind: DuplicateKind, first: int, others: Sequence[tuple[int, float, int]]
    ) -> Iterator[DuplicateGroup]:
        if others:
            assets = self._catalog.assets([first, *(number for number, _, _ in others)])
            found = (Duplicate(assets[number], cosine, bits) for number, cosine, bits in others if number in assets)
            yield DuplicateGroup(kind, assets[first], tuple(found))


def near_groups(looks: Looks, fetch: FetchVectors, distance: int, least_cosine: float) -> Iterator[NearGroup]:
    """Groups of pictures that look the same as the largest one of them: nearness is not passed on from one to the next.

    Args:
        looks: of all assets.
        fetch: gives the vectors that the cosines are taken of.
        distance: bits, at most, in which the hashes of two near duplicates differ; 0 to `MOST_DISTANCE`.
        least_cosine: of the vectors of two near duplicates.
    """
    for together in _batches(_components(looks.hashes, distance)):
        ids = looks.ids[np.concatenate(together)].tolist()
        held = fetch(ids) if len(ids) <= _TOGETHER else None
        for rows in together:
            yield from _led(looks, rows, held, fetch, distance, least_cosine)


def near_pairs(hashes: np.ndarray, distance: int) -> np.ndarray:
    """All pairs of hashes that differ in few bits.

    Multi-index hashing (Norouzi, Punjani, Fleet: "Fast Exact Search in Hamming Space with Multi-Index Hashing", 2014):
    of four bands of 16 bits, one differs in at most a quarter of the bits, so only such buckets are compared.

    Args:
        hashes: uint64 (N,), distinct.
        distance: bits, 0 to `MOST_DISTANCE`.

    Returns:
        int64 (M, 2): rows i < j, in ascending order.
    """
    found = [np.empty(0, np.int64)]
    masks = [sum(bits) for count in range(distance // _BANDS + 1) for bits in combinations(_powers(), count)]
    for band in range(_BANDS):
        keys = ((hashes >> np.uint64(band * _BAND_BITS)) & np.uint64(2**_BAND_BITS - 1)).astype(np.int64)
        order = np.argsort(keys, kind="stable")
        keys, ordered = keys[order], hashes[order]
        starts = np.searchsorted(keys, np.arange(2**_BAND_BITS + 1))
        for mask in masks:
            rows = np.flatnonzero(keys <= keys ^ mask)  # else the pair is met from both sides
            begins, ends = starts[keys[rows] ^ mask], starts[(keys[rows] ^ mask) + 1]
            if mask == 0:
                begins = rows + 1
            for left, right in _joined(rows, begins, ends):
                near = hamming(ordered[left], ordered[right]) <= distance
                pair = np.sort(order[np.stack([left[near], right[near]])], 0)
                found.append(pair[0] * len(hashes) + pair[1])
    return np.stack(np.divmod(np.unique(np.concatenate(found)), max(1, len(hashes))), 1)


def _powers() -> list[int]:
    return [1 << bit for bit in range(_BAND_BITS)]


def _joined(rows: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of each `rows[i]` with all from `begins[i]` to `ends[i]`, in bounded stretches."""
    totals = np.cumsum(ends - begins)
    first = 0
    while first < len(rows):
        before = totals[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(totals, before + _CANDIDATES, side="right")))
        counts = (ends - begins)[first:last]
        left = np.repeat(rows[first:last], counts)
        right = np.arange(len(left)) + np.repeat(begins[first:last] - (np.cumsum(counts) - counts), counts)
        yield left, right
        first = last


def _components(hashes: np.ndarray, distance: int) -> Iterator[np.ndarray]:
    """Rows of the hashes that hang together by near pairs, two or more at a time."""
    distinct, place = np.unique(hashes, return_inverse=True)
    parents = list(range(len(distinct)))
    for one, other in near_pairs(distinct, distance).tolist():
        parents[_root(parents, one)] = _root(parents, other)
    roots = np.array([_root(parents, number) for number in range(len(parents))], np.int64)[place]
    order = np.argsort(roots, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(roots[order])) + 1):
        if len(rows) > 1:
            yield rows


def _root(parents: list[int], number: int) -> int:
    while parents[number] != number:
        parents[number] = parents[parents[number]]
        number = parents[number]
    return number


def _batches(components: Iterator[np.ndarray]) -> Iterator[list[np.ndarray]]:
    batch: list[np.ndarray] = []
    for rows in components:
        if batch and sum(map(len, batch)) + len(rows) > _TOGETHER:
            yield batch
            batch = []
        batch.append(rows)
    if batch:
        yield batch


def _led(
    looks: Looks,
    rows: np.ndarray,
    held: tuple[np.ndarray, np.ndarray] | None,
    fetch: FetchVectors,
    distance: int,
    least_cosine: float,
) -> Iterator[NearGroup]:
    """The largest picture with what is near it, then the largest of those that are left, and so on."""
    pixels = looks.sizes[rows].astype(np.int64).prod(1)
    left = rows[np.lexsort((looks.ids[rows], -pixels))]
    while len(left) > 1:
        leader, rest = left[0], left[1:]
        widths, heights = looks.sizes[left].T
        shapes = np.log(widths / heights)
        bits = hamming(looks.hashes[rest], looks.hashes[leader])
        alike = np.flatnonzero((bits <= distance) & (np.abs(shapes[1:] - shapes[0]) < SAME_SHAPE))
        cosines = _cosines(int(looks.ids[leader]), looks.ids[rest[alike]], held, fetch)
        near = cosines >= least_cosine
        members, cosines = alike[near], cosines[near]
        if len(members):
            order = np.lexsort((looks.ids[rest[members]], bits[members], -cosines))
            others = zip(
                looks.ids[rest[members]][order].tolist(),
                cosines[order].tolist(),
                bits[members][order].tolist(),
                strict=True,
            )
            yield NearGroup(int(looks.ids[leader]), tuple(others))
        left = np.delete(rest, members)


def _cosines(
    leader: int, ids: np.ndarray, held: tuple[np.ndarray, np.ndarray] | None, fetch: FetchVectors
) -> np.ndarray:
    """Cosines with the leader, float (N,); -1 where there is no vector."""
    cosines = np.full(len(ids), -1.0)
    if held is not None:
        _fill(cosines, leader, ids, *held)
        return cosines
    for start in range(0, len(ids), _TOGETHER):
        some = slice(start, start + _TOGETHER)
        _fill(cosines[some], leader, ids[some], *fetch([leader, *ids[some].tolist()]))
    return cosines


def _fill(cosines: np.ndarray, leader: int, ids: np.ndarray, known: np.ndarray, vectors: np.ndarray) -> None:
    place = np.minimum(np.searchsorted(known, ids), max(0, len(known) - 1))
    own = np.searchsorted(known, leader)
    if own < len(known) and known[own] == leader:
        there = known[place] == ids
        # Rounding can carry a cosine of equal vectors past 1.
        cosines[there] = np.minimum(vectors[place[there]] @ vectors[own], 1.0)
