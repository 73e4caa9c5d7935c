"""Each rule from numbers to a word at its edges, and how often chance alone passes it."""

import numpy as np
import pandas as pd
import pytest

from lib.evaluation.significance import holm, with_errors
from lib.evaluation.verdicts import rules

NAN = float("nan")


def effects(*rows) -> pd.DataFrame:
    """Effects with an error of 1 and 30 degrees of freedom, from differences; None is one whose p is unknown."""
    differences = [0.0 if row is None else row for row in rows]
    table = with_errors(differences, [[1.0] * len(rows)], [[30] * len(rows)])
    return table.assign(p=table["p"].where([row is not None for row in rows]))


def test_an_effect_is_judged_after_holms_correction_and_by_its_sign():
    found = rules.decided(effects(4.0, -4.0, 2.1, 2.15, None))
    assert found["verdict"].tolist() == ["better", "worse", "inconclusive", "inconclusive", "inconclusive"]
    np.testing.assert_allclose(found["p_holm"][:4], holm(found["p"][:4]))
    assert np.isnan(found["p_holm"][4]) and np.isnan(found["detectable"][4])
    alone = rules.decided(effects(2.1), words=("above", "below", "beside"))
    assert alone["verdict"].tolist() == ["above"]  # in a family of one it would be told apart
    assert rules.decided(effects(-2.1), words=("above", "below", "beside"))["verdict"].tolist() == ["below"]
    assert rules.decided(effects())["verdict"].tolist() == []


def test_a_copied_row_counts_once():
    once, twice = rules.decided(effects(2.2, 0.5)), rules.decided(effects(2.2, 2.2, 0.5, 0.5))
    assert twice["p_holm"][[0, 2]].tolist() == once["p_holm"].tolist()
    assert twice["detectable"][0] == once["detectable"][0] and twice["p_holm"][0] == twice["p_holm"][1]


def test_a_detectable_effect_is_detected_four_times_in_five():
    rng = np.random.default_rng(0)
    for family in (1, 6):
        true = rules.decided(effects(*(place / 10 for place in range(family))))["detectable"][0]
        draws = true + rng.standard_t(30, 20_000)  # an estimate with an error known from 30 degrees of freedom
        p = family * with_errors(draws, [[1.0] * len(draws)], [[30] * len(draws)])["p"]
        assert ((p < rules.LEVEL) & (draws > 0)).mean() == pytest.approx(rules.POWER, abs=0.015)


@pytest.mark.parametrize(
    ("better", "worse", "of", "verdict"),
    [
        (3, 0, 3, "supported"),
        (2, 0, 3, "inconclusive"),
        (2, 1, 3, "inconclusive"),
        (0, 1, 3, "not supported"),
        (0, 0, 3, "inconclusive"),
    ],
)
def test_a_claim_on_all_of_them(better, worse, of, verdict):
    assert rules.conclusion(better, worse, of) == verdict


def test_the_spread_of_base_is_that_of_a_difference_between_two_runs():
    runs = np.random.default_rng(0).normal(5, 0.3, (4000, 2))
    variance, freedom = rules.spread_of_base(runs[:, 0] - runs[:, 1])
    assert variance == pytest.approx(2 * 0.3**2, rel=0.05) and freedom == 4000
    assert rules.spread_of_base([0.1, 0.3, NAN]) == (pytest.approx(0.05), 2)


@pytest.mark.parametrize("changes", [[NAN], [0.001], [0.001, NAN]])
def test_one_pair_of_runs_does_not_tell_what_seeds_do(changes):
    """Two runs that differ by a thousandth would make every gain look sure."""
    variance, freedom = rules.spread_of_base(changes)
    assert np.isnan(variance) and freedom == 0


# Nearness to a published value


def test_bands_are_relative_and_narrowest_for_the_target():
    assert rules.band("recall", 20) == 0.02 and rules.band("recall", 5) == rules.band("ndcg", 20) == 0.03
    assert rules.within(pd.Series([0.02, -0.02, 0.021]), 0.02).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("deviation", "times_noise", "seeds", "verdict"),
    [
        (-0.02, 99, 5, "within"),
        (0.021, 2.7, 5, "outside, no more than seeds do"),
        (0.021, 2.8, 5, "outside"),  # Student's quantile with four degrees of freedom is 2.776
        (0.021, 12.6, 2, "outside, no more than seeds do"),
        (0.021, NAN, 1, "outside"),  # one seed does not tell how far seeds go
    ],
)
def test_reproduced_is_what_lies_in_the_band(deviation, times_noise, seeds, verdict):
    row = dict(deviation=[deviation], band=[0.02], times_noise=[times_noise], seeds=[seeds])
    assert rules.reproduction_verdicts(pd.DataFrame(row)).tolist() == [verdict]
