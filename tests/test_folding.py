"""Near duplicates among hits: against a slow obvious way, and in a library of drawn files."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from studio import draw

from indexer.run import index
from stylesearch import Library, Query
from stylesearch.appearance import hamming
from stylesearch.duplicates import DISTANCE, LEAST_COSINE, Looks
from stylesearch.folding import fold
from stylesearch.settings import Settings


def fold_slowly(ids, looks, vectors) -> list[list[int]]:
    """Each answer joins the first earlier one that it looks like and that stands for itself."""
    place = {asset_id: row for row, asset_id in enumerate(looks.ids.tolist())}
    groups: list[list[int]] = []
    for asset_id in ids:
        for group in groups:
            if group[0] in place and asset_id in place:
                one, other = place[group[0]], place[asset_id]
                shapes = [width / height for width, height in looks.sizes[[one, other]]]
                if (
                    hamming(looks.hashes[one], looks.hashes[other]) <= DISTANCE
                    and abs(np.log(shapes[0] / shapes[1])) < 0.1
                    and vectors[group[0]] @ vectors[asset_id] >= LEAST_COSINE
                ):
                    group.append(asset_id)
                    break
        else:
            groups.append([asset_id])
    return groups


@pytest.mark.parametrize("seed", range(5))
def test_folding_is_what_comparing_all_pairs_says(seed):
    random = np.random.default_rng(seed)
    number = 60
    ids = random.permutation(np.arange(1, number + 1))
    bases = random.integers(0, 2**63, 8, dtype=np.uint64)
    flips = np.array([sum(1 << int(bit) for bit in random.choice(63, random.integers(0, 9))) for _ in ids], np.uint64)
    hashes = bases[random.integers(0, 8, number)] ^ flips
    sizes = np.stack([random.choice([100, 104, 200], number), np.full(number, 100)], 1).astype(np.int32)
    rows = np.sort(random.choice(number, number - 5, replace=False))  # five have no looks
    looks = Looks(np.arange(1, number + 1)[rows], hashes[rows], sizes[rows])
    angles = random.uniform(0, 0.6, number)
    vectors = {asset_id: np.array([np.cos(a), np.sin(a)], np.float32) for asset_id, a in enumerate(angles, 1)}

    def fetch(wanted):
        return np.array(wanted, np.int64), np.array([vectors[asset_id] for asset_id in wanted])

    folded = fold(ids.tolist(), looks, fetch)
    assert folded == fold_slowly(ids.tolist(), looks, vectors)
    assert any(len(group) > 1 for group in folded)
    shorter = fold(ids[:30].tolist(), looks, fetch)
    assert [group[0] for group in shorter] == [group[0] for group in folded][: len(shorter)]


def test_no_answers_fold_to_none():
    none = Looks(np.empty(0, np.int64), np.empty(0, np.uint64), np.empty((0, 2), np.int32))
    assert fold([], none, lambda ids: (np.array(ids), np.empty((0, 2)))) == []
    assert fold([3, 1], none, lambda ids: (np.array(ids), np.empty((0, 2)))) == [[3], [1]]


def test_copies_of_a_picture_are_one_answer(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    poster = draw("riso", "ring").resize((640, 480), Image.Resampling.BICUBIC)
    poster.save(pictures / "poster.png")
    poster.save(pictures / "poster-web.jpg", quality=60)
    poster.resize((320, 240)).save(pictures / "poster-small.png")
    draw("riso", "triangle").save(pictures / "other.png")
    draw("ink", "disc").save(pictures / "reference.png")
    with Library.create(tmp_path / "library", encoder="descriptors:lab-gradient") as library:
        index(
            library.catalog,
            library.encoder,
            [pictures],
            thumbnails=library.thumbnails,
            settings=Settings.from_environment(),
        )
        hits = library.search(Query(pictures / "reference.png"))
        folded = library.fold(hits)
    names = [sorted(hit.path.rpartition("/")[2] for hit in group) for group in folded]
    assert sorted(names) == [["other.png"], ["poster-small.png", "poster-web.jpg", "poster.png"]]
    assert [group[0] for group in folded] == sorted((g[0] for g in folded), key=hits.index)
