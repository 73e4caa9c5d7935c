"""The spread between seeds: pooled where cells are alike, their own where they are not."""

import numpy as np
import pytest

from lib.evaluation.seed_spread import seed_spread


def drawn(rng, relative_sds, seeds=3) -> dict:
    """Values of each cell around 0.1, 0.2, ... with these relative standard deviations."""
    return {cell: 0.1 * (cell + 1) * rng.normal(1, sd, seeds) for cell, sd in enumerate(relative_sds)}


def test_variances_are_pooled_relative_to_the_mean_and_by_their_freedom():
    values = {"a": [1.0, 1.2], "b": [10.0, 11.0, 12.0], "c": [5.0]}
    expected = (0.02 / 1.1**2 + 2 * 1 / 11**2) / 3
    spread = seed_spread(values)
    assert spread.of("a") == spread.of("c") == spread.of("never seen") == (pytest.approx(expected), 3)
    absolute = seed_spread(values, relative=False)
    assert absolute.of("a") == (pytest.approx((0.02 + 2 * 1) / 3), 3)


def test_one_seed_each_tells_nothing():
    for values in ({"a": [0.1], "b": [0.2]}, {}, {"a": [0.0, 0.0]}):
        variance, freedom = seed_spread(values).of("a")
        assert np.isnan(variance) and freedom == 0


def test_copies_count_once():
    values = {"base": [1.0, 1.2], "base@contrastive": [1.0, 1.2], "other": [1.0, 1.1, 1.2]}
    assert seed_spread(values).of("base")[1] == 3


def test_the_true_spread_is_found():
    rng = np.random.default_rng(0)
    found = [seed_spread(drawn(rng, [0.015] * 24)).pooled[0] for _ in range(200)]
    assert np.mean(found) == pytest.approx(0.015**2, rel=0.05)


def test_a_cell_that_spreads_more_keeps_its_own_variance_and_leaves_the_others_alone():
    rng, apart, pooled = np.random.default_rng(0), [], []
    for _ in range(200):
        values = drawn(rng, [0.18, *[0.015] * 23])
        spread = seed_spread(values)
        own = np.var(values[0], ddof=1) / np.mean(values[0]) ** 2
        apart.append(spread.of(0) == (pytest.approx(own), 2))
        pooled.append(spread.of(1)[0])
    # now and then its three runs happen to lie close together, as nobody can know
    assert np.mean(apart) > 0.95 and np.median(pooled) == pytest.approx(0.015**2, rel=0.1)


def test_equal_cells_are_rarely_set_apart():
    rng = np.random.default_rng(1)
    assert np.mean([bool(seed_spread(drawn(rng, [0.02] * 24)).apart) for _ in range(400)]) < 0.08
