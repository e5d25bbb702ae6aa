"""What is left out of a picture is filled with what is kept, and with nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from stylesearch.encoders.fill import fill_in, is_kept

SIDE = 40


def noise(count: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def without(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """float32 (1, SIDE, SIDE), 0 inside of left, top, right, bottom."""
    keep = np.ones((1, SIDE, SIDE), np.float32)
    for left, top, right, bottom in boxes:
        keep[0, top:bottom, left:right] = 0
    return keep


def filled_slowly(picture: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The same, pixel by pixel: up, down, left or right to the nearest kept one, and as far again beyond it."""
    picture, kept = picture.copy(), kept.copy()
    while not kept.all():
        found = {}
        for y, x in np.argwhere(~kept).tolist():
            nearest: tuple[int, int, int] | None = None
            for down, across in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                for steps in range(1, SIDE):
                    at = y + down * steps, x + across * steps
                    if not (0 <= at[0] < SIDE and 0 <= at[1] < SIDE):
                        break
                    if kept[at]:
                        if nearest is None or steps < nearest[0]:
                            nearest = steps, down, across
                        break
            if nearest is not None:
                steps, down, across = nearest
                there = y + down * (2 * steps - 1), x + across * (2 * steps - 1)
                if 0 <= there[0] < SIDE and 0 <= there[1] < SIDE and kept[there]:
                    found[y, x] = picture[there]
        for at, colour in found.items():
            picture[at], kept[at] = colour, True
    return picture


@pytest.mark.parametrize(
    "keep",
    [
        without((12, 9, 30, 22)),
        without((0, 0, 25, 40)),
        without((3, 3, 37, 37)),
        without((5, 5, 15, 35), (25, 5, 35, 35), (5, 18, 35, 22)),
        1 - without((16, 18, 22, 26)),
    ],
    ids=("hole", "half", "frame", "letter", "only a spot"),
)
def test_pixels_are_reflections_of_the_nearest_kept_ones(keep: np.ndarray) -> None:
    picture = noise()
    np.testing.assert_array_equal(fill_in(picture, keep)[0], filled_slowly(picture[0], is_kept(keep)[0]))


def test_what_is_kept_stays_and_what_is_left_out_has_no_trace() -> None:
    keep = without((8, 10, 28, 30))
    picture = noise()
    changed = np.where(keep[..., None] == 1, picture, noise(seed=1))
    filled = fill_in(picture, keep)
    np.testing.assert_array_equal(filled[is_kept(keep)], picture[is_kept(keep)])
    np.testing.assert_array_equal(fill_in(changed, keep), filled)
    assert not np.array_equal(changed, picture)
    np.testing.assert_array_equal(picture, noise())  # the argument is not written to


def test_the_edge_of_what_is_left_out_is_not_copied_from() -> None:
    keep = without((10, 10, 30, 30))
    kept = is_kept(keep)
    assert not kept[0, 9, 20] and not kept[0, 20, 30] and kept[0, 8, 20] and kept[0, 20, 31]
    assert kept[0, 0].all() and kept[0, :, -1].all()  # the border of the picture is no edge


def test_stripes_stay_stripes() -> None:
    picture = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    picture[:, :, ::4] = picture[:, :, 1::4] = 255
    filled = fill_in(picture, without((0, 12, SIDE, 28)))
    np.testing.assert_array_equal(filled, picture)


@pytest.mark.parametrize("kept_pixels", [0, 1])
def test_where_nothing_is_kept_the_picture_stays(kept_pixels: int) -> None:
    keep = np.zeros((1, SIDE, SIDE), np.float32)
    keep[0, 20, 20 : 20 + kept_pixels] = 1
    np.testing.assert_array_equal(fill_in(noise(), keep), noise())


def test_pictures_do_not_depend_on_each_other() -> None:
    keep = np.concatenate([without((4, 4, 20, 20)), without(), without((20, 0, 40, 40))])
    together = fill_in(noise(3), keep)
    for row in range(3):
        np.testing.assert_array_equal(fill_in(noise(3)[row : row + 1], keep[row : row + 1])[0], together[row])
