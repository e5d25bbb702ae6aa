"""Intervals against a slow version and against drawn sets whose true mean is known."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.intervals import bootstrap, paired_bootstrap
from stylesearch.errors import UsageError

SETS = 2000
"""Drawn sets of a design, as so many metrics: a share of 95 % then has a standard error of 0.5 %."""


def styles_of(count: int, seed: int) -> np.ndarray:
    """Styles of 2 to 40 queries each."""
    return np.repeat(np.arange(count), np.random.default_rng(seed).integers(2, 40, count))


def answers(rates: np.ndarray, styles: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """float64 (Q, SETS): 1 for a hit; `rates` (styles, SETS) are the styles' own."""
    return (rng.random((len(styles), rates.shape[1])) < rates[styles]).astype(np.float64)


@pytest.mark.parametrize(("count", "least"), [(8, 0.87), (15, 0.93), (40, 0.93), (100, 0.93)])
@pytest.mark.parametrize(("a", "b"), [(1, 1), (0.3, 3), (4, 0.4)])
def test_intervals_cover_the_true_mean(a: float, b: float, count: int, least: float) -> None:
    # Styles differ in their rates, drawn from a Beta distribution: flat, mostly failing, mostly right.
    rng, styles = np.random.default_rng(count), styles_of(count, seed=count)
    found = bootstrap(answers(rng.beta(a, b, (count, SETS)), styles, rng), styles)
    truth = a / (a + b)
    assert least <= ((found.low <= truth) & (truth <= found.high)).mean() <= 0.97


def test_intervals_cover_where_large_styles_are_easier() -> None:
    rng, count = np.random.default_rng(0), 60
    sizes = rng.choice([4, 36], count)
    styles = np.repeat(np.arange(count), sizes)
    rates = np.where(sizes == 36, 0.8, 0.3)[:, None] + rng.uniform(-0.2, 0.2, (count, SETS))
    found = bootstrap(answers(rates, styles, rng), styles)
    truth = (sizes * np.where(sizes == 36, 0.8, 0.3)).sum() / sizes.sum()
    # Sizes are the same in all sets, which leaves the interval longer than it need be, never shorter.
    assert ((found.low <= truth) & (truth <= found.high)).mean() >= 0.93


@pytest.mark.parametrize("count", [12, 40])
def test_p_values_are_uniform_without_a_difference(count: int) -> None:
    rng, styles = np.random.default_rng(count), styles_of(count, seed=1)
    common, own = rng.beta(2, 2, (count, SETS)), 0.15 * rng.standard_normal((count, SETS))
    a, b = answers(common + own, styles, rng), answers(common - own, styles, rng)
    found = paired_bootstrap(a, b, styles)
    for level in (0.05, 0.25, 0.5, 0.75):
        assert (found.p_value <= level).mean() == pytest.approx(level, abs=0.04 if level > 0.05 else 0.02)
    assert 0.93 <= ((found.low <= 0) & (found.high >= 0)).mean() <= 0.97


def test_a_difference_is_found_and_pairing_helps() -> None:
    rng, styles = np.random.default_rng(3), styles_of(40, seed=3)
    common = rng.beta(2, 2, (40, 200))
    a, b = answers(common + 0.1, styles, rng), answers(common - 0.05, styles, rng)
    found = paired_bootstrap(a, b, styles)
    assert (found.p_value < 0.05).mean() > 0.95
    separate = bootstrap(a, styles)
    assert (found.high - found.low < separate.high - separate.low).mean() > 0.95
    assert found.mean == pytest.approx(a.mean(0) - b.mean(0))
    swapped = paired_bootstrap(b, a, styles)
    assert swapped.p_value == pytest.approx(found.p_value)
    assert swapped.low == pytest.approx(-found.high)


def test_interval_leaves_zero_out_where_p_is_small() -> None:
    rng, styles = np.random.default_rng(4), styles_of(25, seed=4)
    rates = rng.beta(2, 2, (25, 500))
    found = paired_bootstrap(answers(rates + 0.04, styles, rng), answers(rates - 0.04, styles, rng), styles)
    outside = (found.low > 0) | (found.high < 0)
    assert 0.1 < outside.mean() < 0.9
    assert (outside == (found.p_value < 0.05)).mean() > 0.995  # the quantile of 2,000 falls between two of them


def test_equals_a_slow_version_that_copies_queries() -> None:
    rng = np.random.default_rng(5)
    styles = np.array(list("aabbbbcdddddde"))
    values = rng.random((len(styles), 2))
    groups = [np.flatnonzero(styles == name) for name in np.unique(styles)]

    def mean_and_squares(chosen: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, int]:
        rows = np.concatenate(chosen)
        mean = values[rows].mean(0)
        return mean, sum((values[group].sum(0) - len(group) * mean) ** 2 for group in chosen), len(rows)

    mean, squares, queries = mean_and_squares(groups)
    extra = squares / 5 / 2  # half a style of five
    error = np.sqrt(5 / 4 * (squares + extra)) / queries
    resampled = []
    for drawn in np.random.default_rng(9).integers(0, 5, (200, 5)):
        again, squares, queries = mean_and_squares([groups[i] for i in drawn])
        resampled.append((again - mean) / (np.sqrt(5 / 4 * (squares + extra)) / queries))
    below, above = (np.sort(resampled, axis=0)[at] for at in (9, 190))  # 5 % and 95 % of 0 to 199, outwards
    found = bootstrap(values, styles, resamples=200, seed=9, level=0.9)
    assert found.mean == pytest.approx(mean)
    assert found.low == pytest.approx(np.clip(mean - above * error, 0, 1))
    assert found.high == pytest.approx(np.clip(mean - below * error, 0, 1))
    assert found.styles == 5


def test_repeating_queries_does_not_shorten_an_interval() -> None:
    rng, styles = np.random.default_rng(6), styles_of(15, seed=6)
    values = rng.random((len(styles), 3))
    once = bootstrap(values, styles)
    order = rng.permutation(4 * len(styles))
    fourfold = bootstrap(np.tile(values, (4, 1))[order], np.tile(styles, 4)[order])
    assert fourfold.low == pytest.approx(once.low) and fourfold.high == pytest.approx(once.high)


def test_the_same_seed_gives_the_same_interval() -> None:
    values, styles = np.random.default_rng(7).random((60, 2)), np.arange(60) % 12
    assert (bootstrap(values, styles, seed=1).low == bootstrap(values, styles, seed=1).low).all()
    assert (bootstrap(values, styles, seed=1).low != bootstrap(values, styles, seed=2).low).all()


def test_perfect_scores_have_no_width() -> None:
    found = bootstrap(np.ones((40, 1)), np.arange(40) % 8)
    assert (found.mean[0], found.low[0], found.high[0]) == (1, 1, 1)
    same = paired_bootstrap(np.ones((40, 1)), np.ones((40, 1)), np.arange(40) % 8)
    assert (same.mean[0], same.low[0], same.high[0], same.p_value[0]) == (0, 0, 0, 1)


def test_few_styles_promise_little() -> None:
    values = np.array([[0.2], [0.4], [0.5], [0.9]])
    assert paired_bootstrap(values, 0 * values, np.array(["a", "a", "b", "b"])).p_value[0] >= 0.5
    assert paired_bootstrap(0 * values + 1, 0 * values, np.arange(4)).p_value[0] == 1 / 8
    one = bootstrap(values, np.array(["a"] * 4))
    assert one.mean[0] == 0.5 and np.isnan([one.low[0], one.high[0]]).all() and one.styles == 1
    assert np.isnan(paired_bootstrap(values, values / 2, np.array(["a"] * 4)).p_value[0])


def test_a_few_failures_leave_a_narrow_interval() -> None:
    # Of 40 styles one fails in two of its eight queries: many draws hold no failure at all.
    values = np.ones((320, 1))
    values[:2] = 0
    found = bootstrap(values, np.arange(320) // 8)
    assert 0.9 < found.low[0] < found.mean[0] < found.high[0] <= 1


def test_what_is_no_score_is_refused() -> None:
    with pytest.raises(UsageError, match="1 queries have scores that are not numbers"):
        bootstrap(np.array([[np.nan], [1]]), np.array(["a", "b"]))
    with pytest.raises(UsageError, match="need one style for each query; there are 3"):
        bootstrap(np.ones((2, 1)), np.array(["a", "b", "c"]))
    with pytest.raises(UsageError, match="need one style for each query"):
        bootstrap(np.ones((0, 1)), np.empty(0, str))
    with pytest.raises(UsageError, match="cannot be paired"):
        paired_bootstrap(np.ones((2, 1)), np.ones((3, 1)), np.array(["a", "b"]))
