"""CSLS worked out by hand, against a slow version, and on a hub."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.ranking import LEAVE_ONE_OUT, Labels, rank
from benchmarks.similarity import nearest_cosines
from stylesearch.scores import NEIGHBOURS, csls, local_scaling


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_by_hand() -> None:
    nearest = np.array([[0.9, 0.5, 0.1], [0.4, 0.2, -np.inf], [-np.inf, -np.inf, -np.inf]])
    assert local_scaling(nearest, 2) == pytest.approx([0.7, 0.3, 0])
    assert local_scaling(nearest, 3) == pytest.approx([0.5, 0.3, 0])
    scores = csls(np.array([[0.8, 0.6]]), np.array([0.5]), np.array([0.7, 0.1]))
    assert scores == pytest.approx(np.array([[1.6 - 0.5 - 0.7, 1.2 - 0.5 - 0.1]]))  # the order has turned


def test_equals_a_slow_version_and_the_order_of_a_ranking() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(60, 6)) + 0.5)
    own = np.arange(60)
    terms = local_scaling(nearest_cosines(vectors, vectors, NEIGHBOURS, own_rows=own))
    cosines = vectors.astype(np.float64) @ vectors.T
    for row in range(60):
        others = sorted((cosines[row, other] for other in range(60) if other != row), reverse=True)
        assert terms[row] == pytest.approx(sum(others[:15]) / 15)
    scores = csls(cosines, terms, terms)
    np.fill_diagonal(scores, -np.inf)
    labels = Labels(np.array(["a"] * 60))
    (ranking,) = rank(vectors, labels, vectors, labels, own_rows=own, protocols=[LEAVE_ONE_OUT], gallery_terms=terms)
    assert (ranking.neighbours[:, :59] == np.argsort(-scores, axis=1)[:, :59]).all()
    assert ranking.cosines[:, :59] == pytest.approx(
        np.take_along_axis(cosines, ranking.neighbours[:, :59], 1), abs=1e-6
    )


def test_a_hub_is_no_longer_everybodys_neighbour() -> None:
    # Forty styles of five pictures around a common direction, and one picture that lies on it.
    rng = np.random.default_rng(1)
    common = np.ones(256)
    styles = np.repeat(np.arange(40), 5)
    vectors = common + 1.2 * rng.normal(size=(40, 256))[styles] + 2 * rng.normal(size=(200, 256))
    vectors = unit(np.concatenate([vectors, common[None]]))
    labels = Labels(np.array([f"style {i}" for i in styles] + ["hub"]))
    own = np.arange(201)
    terms = local_scaling(nearest_cosines(vectors, vectors, NEIGHBOURS, own_rows=own))
    hits = {}
    for name, adjusted in (("cosine", None), ("csls", terms)):
        (ranking,) = rank(
            vectors, labels, vectors, labels, own_rows=own, protocols=[LEAVE_ONE_OUT], gallery_terms=adjusted
        )
        hits[name] = (ranking.neighbours[:, 0] == 200).mean(), ranking.found[:, 0].mean()
    assert hits["cosine"][0] > 0.2 and hits["csls"][0] < 0.05
    assert hits["csls"][1] > hits["cosine"][1]


def test_equal_pictures_have_equal_terms() -> None:
    vectors = unit(np.random.default_rng(2).normal(size=(80, 48)))
    vectors[[3, 40, 77]] = vectors[10]
    terms = local_scaling(nearest_cosines(vectors, vectors, NEIGHBOURS, own_rows=np.arange(80)))
    assert len(set(terms[[3, 10, 40, 77]].tolist())) == 1
