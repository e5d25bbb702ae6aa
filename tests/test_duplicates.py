"""Duplicates: exact, near and similar are three different things."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from studio import draw, draw_studio
from test_library import fill

from stylesearch import Library
from stylesearch import duplicates as module
from stylesearch.appearance import hamming
from stylesearch.duplicates import MOST_DISTANCE, DuplicateGroup, Looks, near_groups, near_pairs
from stylesearch.errors import UsageError


def close_hashes(seed: int = 0) -> np.ndarray:
    """Distinct hashes, many of them within a few bits of each other, in all four bands."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, 200, np.uint64)
    for _ in range(3):
        flips = np.uint64(1) << rng.integers(0, 64, (len(hashes), 4)).astype(np.uint64)
        hashes = np.concatenate([hashes, hashes ^ np.bitwise_or.reduce(flips, 1)])
    return np.unique(hashes)


@pytest.mark.parametrize("distance", [0, 3, 4, 7, 8, MOST_DISTANCE])
@pytest.mark.parametrize("candidates", [1, 1_000, 4_000_000])
def test_pairs_are_those_of_comparing_all(distance: int, candidates: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CANDIDATES", candidates)
    hashes = close_hashes()[: 60 if candidates == 1 else None]
    all_pairs = np.triu(hamming(hashes[:, None], hashes[None]) <= distance, 1)
    np.testing.assert_array_equal(near_pairs(hashes, distance), np.argwhere(all_pairs))


@pytest.mark.parametrize("count", [0, 1])
def test_there_may_be_nothing_to_compare(count: int) -> None:
    assert near_pairs(np.arange(count, dtype=np.uint64), 7).shape == (0, 2)
    looks = Looks(np.arange(count), np.arange(count, dtype=np.uint64), np.ones((count, 2), np.int32))
    assert list(near_groups(looks, unit_vectors, 7, 0.9)) == []


def unit_vectors(ids: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(sorted(set(ids)), np.int64), np.ones((len(set(ids)), 1), np.float32)


@pytest.mark.parametrize("together", [4, 8_192])
def test_a_group_is_near_its_largest_picture_and_not_merely_to_each_other(
    together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TOGETHER", together)
    chain = np.array([0, 0b1111, 0b1111_1111, 0b1111_1111, 2**40 - 1, 0b11], np.uint64)
    sizes = np.array([[9, 9], [8, 8], [5, 5], [6, 6], [9, 9], [90, 9]], np.int32)
    groups = list(near_groups(Looks(np.arange(10, 16), chain, sizes), unit_vectors, 4, 0.9))
    assert [(kept, [(other, bits) for other, _, bits in others]) for kept, others in groups] == [
        (10, [(11, 4)]),
        (13, [(12, 0)]),
    ], "15 has another shape; 12 and 13 are near 11, which is taken"


def test_vectors_decide_whether_alike_hashes_are_duplicates() -> None:
    looks = Looks(np.arange(4), np.zeros(4, np.uint64), np.ones((4, 2), np.int32))

    def fetch(ids: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        known = [number for number in sorted(ids) if number != 3]  # one has no vector in this space
        return np.array(known), np.array([[1, 0], [0, 1], [0, 1]], np.float32)[known]

    assert [(kept, others) for kept, others in near_groups(looks, fetch, 7, 0.9)] == [(1, ((2, 1.0, 0),))]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dupes")
    draw_studio(folder / "pictures")
    original = draw("ink", "disc", seed=3).resize((640, 480), Image.Resampling.LANCZOS)
    original.save(folder / "pictures" / "original.png")
    original.resize((320, 240), Image.Resampling.LANCZOS).save(folder / "pictures" / "small.jpg", quality=70)
    shutil.copy(folder / "pictures" / "original.png", folder / "pictures" / "copy.png")
    with Library.create(folder / "library", encoder="descriptors:lab-gradient") as made:
        fill(made, folder / "pictures")
    return folder / "library"


def names(group: DuplicateGroup) -> tuple[str, ...]:
    return tuple(sorted(Path(path).name for path in group.asset.paths))


def test_three_kinds(library: Path) -> None:
    with Library.open(library) as opened:
        (exact,) = opened.duplicates(["exact"])
        assert (exact.kind, names(exact), exact.others) == ("exact", ("copy.png", "original.png"), ())
        groups = list(opened.duplicates(["near"], distance=4))
        (near,) = [group for group in groups if group.asset.id == exact.asset.id]
        small = [other for other in near.others if Path(other.asset.paths[0]).name == "small.jpg"]
        assert small and small[0].bits <= 4 and small[0].cosine > 0.9
        similar = list(opened.duplicates(["similar"], distance=4, similar_cosine=0.9))
        pairs = {(group.asset.id, other.asset.id) for group in similar for other in group.others}
        assert all(first < second for first, second in pairs), "each pair once"
        assert all(other.bits > 4 and other.cosine >= 0.9 for group in similar for other in group.others)
        assert len(pairs) > 3
        assert [group.kind for group in opened.duplicates(["similar", "exact"], similar_cosine=1)][-1] == "exact"


def test_an_empty_library_has_none(tmp_path: Path) -> None:
    with Library.create(tmp_path / "empty", encoder="descriptors:lab-gradient") as opened:
        assert list(opened.duplicates(["exact", "near", "similar"])) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": ["same"]}, "no kind 'same' of duplicates; there are: exact, near, similar"),
        ({"distance": 12}, "from 0 to 11"),
        ({"least_cosine": 1.5}, "from -1 to 1"),
    ],
)
def test_what_cannot_be_asked(library: Path, options: dict[str, Any], message: str) -> None:
    with Library.open(library) as opened, pytest.raises(UsageError, match=message):
        opened.duplicates(**options)
