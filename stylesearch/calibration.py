"""From a CSLS score to the probability that two pictures share a style, fitted to one library and one space.

Nobody has labelled the pictures of a library, so the fit learns from pairs that can be made of them: the two halves of
one picture, which show different things in the same style, and halves of two pictures that were drawn at random. A
logistic function of the CSLS score tells the two kinds apart (Platt 1999, Probabilistic outputs for support vector
machines, with his targets, which keep the slope finite where few pairs are told apart without error).

What the probability is, then: that of "same", had the two kinds been equally frequent. It errs in two known ways.
Halves of one picture are more alike than two works of one hand, so other works score lower than they should; and
pictures drawn at random share a style now and then, in a library of few styles often, which makes all of them too low.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL.Image import Image

from stylesearch.errors import LibraryError, UsageError
from stylesearch.scores import LocalScaling, csls
from stylesearch.vectors import VectorIndex

LEAST_PICTURES = 20
VERSION = 1


@dataclass(frozen=True)
class Calibration:
    """How scores of one space of a library are read: p = 1 / (1 + exp(-(slope csls + intercept))).

    Attributes:
        slope, intercept: of the logistic function.
        pictures: that were cut in halves; half of them for the fit, half of them for the numbers below.
        found: share of pairs of halves of one picture, kept out of the fit, with a probability of at least 0.5.
        mistaken: share of pairs of halves of two pictures, kept out of the fit, with a probability of at least 0.5.
        error: expected calibration error over all pairs kept out of the fit, in ten bins of equal width (Guo et al.
            2017, On calibration of modern neural networks, equation 3).
        space: key of the space.
        version: of the way to calibrate.
    """

    slope: float
    intercept: float
    pictures: int
    found: float
    mistaken: float
    error: float
    space: str
    version: int = VERSION

    def probability(self, scores: np.ndarray) -> np.ndarray:
        """float64, of the same shape as `scores` (CSLS), in [0, 1]."""
        return _logistic(self.slope * np.asarray(scores, np.float64) + self.intercept)

    def write(self, path: Path) -> None:
        """Raises LibraryError where the operating system refuses."""
        partial = path.with_name(f"{path.name}.partial")
        try:
            partial.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
            os.replace(partial, path)
        except OSError as exc:
            raise LibraryError(f"'{path}' cannot be written ({exc.strerror}).") from exc

    @classmethod
    def read(cls, path: Path, space: str) -> Calibration:
        """Raises UsageError where there is none for this space, or one that cannot be read."""
        try:
            found = cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            found = None
        if found is None or found.version != VERSION or found.space != space:
            raise UsageError("The scores of this library are not calibrated. Do it with: stylesearch calibrate")
        return found


def halves(picture: Image) -> tuple[Image, Image]:
    """The two halves of a picture along its longer side."""
    width, height = picture.size
    if width >= height:
        return picture.crop((0, 0, width // 2, height)), picture.crop((width - width // 2, 0, width, height))
    return picture.crop((0, 0, width, height // 2)), picture.crop((0, height - height // 2, width, height))


def calibrate(
    ids: Sequence[int],
    pictures: Sequence[Image],
    encode: Callable[[Sequence[Image]], np.ndarray],
    index: VectorIndex,
    space: str,
) -> Calibration:
    """Fits a calibration to pictures of a library.

    Args:
        ids: of the pictures, in the index.
        pictures: N of them, of different styles if possible.
        encode: to float32 (N, D), rows of unit length.
        index: of all pictures.
        space: key of the space.

    Raises:
        UsageError: fewer pictures than `LEAST_PICTURES`.
    """
    if len(pictures) < LEAST_PICTURES:
        raise UsageError(
            f"Scores can be calibrated with {LEAST_PICTURES} pictures that can be read, and here are {len(pictures)}. "
            "Add pictures with: stylesearch index PATH"
        )
    cut = [halves(picture) for picture in pictures]
    first, second = encode([one for one, _ in cut]), encode([other for _, other in cut])
    scaling = LocalScaling()
    own = [{asset_id} for asset_id in ids]
    of_first, of_second = (scaling.around(vectors, index, own) for vectors in (first, second))
    shift = np.random.default_rng(0).permutation(len(ids))
    partner = np.empty(len(ids), np.int64)
    partner[shift] = np.roll(shift, 1)  # one cycle: nobody is its own partner

    def scores(others: np.ndarray) -> np.ndarray:
        cosines = np.einsum("nd,nd->n", first.astype(np.float64), second[others])
        return csls(cosines[:, None], of_first, of_second[others][:, None])[:, 0]

    same, different = scores(np.arange(len(ids))), scores(partner)
    fitted = np.arange(len(ids)) % 2 == 0
    slope, intercept = fit_logistic(same[fitted], different[fitted])
    p_same, p_different = (_logistic(slope * kept[~fitted] + intercept) for kept in (same, different))
    return Calibration(
        slope=slope,
        intercept=intercept,
        pictures=len(ids),
        found=float((p_same >= 0.5).mean()),
        mistaken=float((p_different >= 0.5).mean()),
        error=calibration_error(np.concatenate([p_same, p_different]), np.repeat([True, False], len(p_same))),
        space=space,
    )


def fit_logistic(same: np.ndarray, different: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of the logistic function that is most likely given the scores of N and of M pairs.

    Newton's method on Platt's targets (N + 1) / (N + 2) and 1 / (M + 2).
    """
    scores = np.concatenate([same, different])
    middle, spread = float(scores.mean()), float(scores.std()) or 1.0
    design = np.stack([(scores - middle) / spread, np.ones(len(scores))], axis=1)
    targets = np.repeat([(len(same) + 1) / (len(same) + 2), 1 / (len(different) + 2)], [len(same), len(different)])
    weights = np.zeros(2)
    for _ in range(100):
        p = _logistic(design @ weights)
        gradient = design.T @ (targets - p)
        curvature = (design * (p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        length = float(np.abs(step).max())
        weights += step * min(1.0, 2.0 / length) if length else 0.0  # short steps, or it may run away at first
        if length < 1e-10:
            break
    slope = float(weights[0]) / spread
    return slope, float(weights[1]) - slope * middle


def calibration_error(probabilities: np.ndarray, same: np.ndarray) -> float:
    """Mean distance of probability and frequency in ten bins of equal width, weighted by the number in each.

    Args:
        probabilities: float (N,) in [0, 1].
        same: bool (N,).
    """
    bins = np.minimum((probabilities * 10).astype(np.int64), 9)
    gaps = [
        abs(probabilities[bins == one].mean() - same[bins == one].mean()) * (bins == one).mean()
        for one in np.unique(bins)
    ]
    return float(sum(gaps))


def _logistic(x: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))  # never overflows
