"""Content leakage: how much of what a reference shows has come along with its style.

Compared is where in two pictures edges of which direction lie, on a grid of cells as in HOG (Dalal and Triggs 2005,
Histograms of oriented gradients for human detection). What all cells have alike is taken off first: hatching, canvas
and grain are style, and say nothing of what is shown. The correlation of the rest, at the best of some shifts and
mirror images, since models move and flip what they copy, is read against chance: against what the reference reaches
upside down, which has the same style, margins and frames, and shows nothing at the same place.

It sees arrangement and outline. It does not see that a fox of the reference sits in the result as another fox.
`python -m benchmarks.leak` prints how well it tells pictures of one scene from pictures of two.
"""

from __future__ import annotations

import numpy as np
from PIL import ImageFilter
from PIL.Image import Image, Resampling

_SIDE = 128  # pixels of the square that a picture is squashed to
_BLUR = 2.0  # pixels of it: grain and strokes are no outline
_CELLS = 16  # along a side
_DIRECTIONS = 8  # over half a turn
_SHIFT = 1  # cells, in each direction
_MOST_CHANCE = 0.5  # a picture that is nearly the same upside down leaks all the same where it is copied


def content_leak(made: Image, reference: Image) -> float:
    """How much of the arrangement of a reference there is in a picture that was made from it.

    Args:
        made, reference: mode RGB, of any size; each is squashed to a square.

    Returns:
        0 (no more than by chance) to 1 (the same arrangement).
    """
    one, other = _layout(made), _layout(reference)
    chance = min(max(_correlation(one, _mirrored(other, axis=0)), 0.0), _MOST_CHANCE)
    # A correlation of a layout with itself may come out above 1 by a last bit.
    return min(max(0.0, (_correlation(one, other) - chance) / (1 - chance)), 1.0)


def _layout(picture: Image) -> np.ndarray:
    """Where edges of which direction lie: float32 (_CELLS, _CELLS, _DIRECTIONS), the mean of each direction 0."""
    small = picture.resize((_SIDE, _SIDE), Resampling.BOX, reducing_gap=3.0)
    small = small.filter(ImageFilter.GaussianBlur(_BLUR)).reduce(2)  # a blurred picture has no more to tell
    pixels = np.asarray(small, np.float32) / 255
    dy, dx = np.gradient(pixels, axis=(0, 1))
    strongest = np.hypot(dx, dy).argmax(2, keepdims=True)  # channel: an edge need not be one of lightness
    dy, dx = (np.take_along_axis(part, strongest, 2)[..., 0] for part in (dy, dx))
    strength = np.hypot(dx, dy)
    turn = np.arctan2(dy, dx) / np.pi * _DIRECTIONS  # a direction and its opposite are the same edge
    cells = np.zeros((_CELLS, _CELLS, _DIRECTIONS), np.float32)
    rows, columns = np.indices(turn.shape) * _CELLS // turn.shape[0]
    below = np.floor(turn)
    # An edge between two directions counts for both.
    for direction, share in ((below, 1 + below - turn), (below + 1, turn - below)):
        np.add.at(cells, (rows, columns, direction.astype(np.int64) % _DIRECTIONS), strength * share)
    cells = np.sqrt(cells)  # or one hard outline would be all that counts
    return np.asarray(cells - cells.mean((0, 1)))


def _mirrored(cells: np.ndarray, axis: int) -> np.ndarray:
    """The layout of the mirror image: places change sides, and directions turn the other way."""
    turned = np.concatenate([cells[..., :1], cells[..., :0:-1]], axis=2)
    return np.flip(turned, axis)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """The highest over shifts of the second and of its mirror image, in [-1, 1]."""
    shifts = range(-_SHIFT, _SHIFT + 1)
    sides = (other, _mirrored(other, axis=1))
    return max(_shifted_correlation(one, side, dy, dx) for side in sides for dy in shifts for dx in shifts)


def _shifted_correlation(one: np.ndarray, other: np.ndarray, dy: int, dx: int) -> float:
    first, second = _shared(one, dy, dx), _shared(other, -dy, -dx)
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((first * second).sum()) / norm if norm > 1e-6 else 0.0


def _shared(cells: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """The cells that have a counterpart where the other layout is moved by so many cells."""
    height, width = cells.shape[:2]
    return cells[max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)]
