"""Each rule from numbers to a word at its edges, and how often chance alone passes it."""

import numpy as np
import pandas as pd
import pytest

from lib.evaluation.verdicts import rules

NAN = float("nan")


@pytest.mark.parametrize(
    ("difference", "p", "verdict"),
    [
        (0.1, 0.049, "better"),
        (-0.1, 0.049, "worse"),
        (0.1, 0.05, "not told apart"),
        (0.1, NAN, "not told apart"),  # an unknown p-value shows nothing
    ],
)
def test_a_difference_counts_below_the_level(difference, p, verdict):
    assert rules.difference_verdict(difference, p) == verdict
    words = {"better": "above", "worse": "below", "not told apart": "beside"}
    assert rules.difference_verdict(difference, p, ("above", "below", "beside")) == words[verdict]
    assert rules.told_apart(pd.Series([p])).tolist() == [verdict != "not told apart"]


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


@pytest.mark.parametrize(
    ("low", "high", "noise", "verdict"),
    [
        (0.1, 0.2, 0.0, "supported"),
        (0.0, 0.2, 0.0, "inconclusive"),
        (0.1, 0.2, 0.1, "inconclusive"),
        (-0.2, -0.1, 0.05, "not supported"),
        (-0.2, -0.1, 0.1, "inconclusive"),
        (-0.1, 0.1, 0.0, "inconclusive"),
        (NAN, NAN, 0.0, "inconclusive"),  # no gain can be told where base has no overlap at all
    ],
)
def test_an_interval_must_lie_beyond_what_another_seed_makes(low, high, noise, verdict):
    assert rules.interval_verdict(low, high, noise) == verdict


def test_the_noise_is_the_largest_change_between_two_runs_of_base():
    assert rules.noise_of_base(pd.Series([0.1, -0.3, NAN])) == 0.3
    assert rules.noise_of_base(pd.Series([-0.2])) == 0.2
    assert rules.noise_of_base(pd.Series([], dtype=float)) == 0


def test_intervals_are_apart_where_no_value_is_in_both():
    assert rules.intervals_apart(0.3, 0.4, 0.1, 0.2) and rules.intervals_apart(0.1, 0.2, 0.3, 0.4)
    assert not rules.intervals_apart(0.2, 0.4, 0.1, 0.2) and not rules.intervals_apart(0.1, 0.5, 0.2, 0.3)


# The spread between seeds


def test_noise_alone_is_rarely_beyond_noise():
    """Five percent of differences between runs of one model, however few seeds tell the spread."""
    rng = np.random.default_rng(1)
    for n in (2, 3, 5):
        ours, base = rng.normal(size=(4000, 1)), rng.normal(size=(4000, n))
        table = pd.DataFrame({"difference": ours.mean(1) - base.mean(1), "base_sd": base.std(1, ddof=1), "base": 1.0})
        table = table.assign(seeds=1, base_seeds=n)
        found = rules.beyond_noise(rules.times_noise(table), table["base_seeds"])
        assert found.mean() == pytest.approx(0.05, abs=0.012)
    unknown = table.head(1).assign(base_sd=np.nan, base_seeds=1)
    assert not rules.beyond_noise(rules.times_noise(unknown), unknown["base_seeds"]).any()


def test_noise_is_the_standard_error_over_seeds():
    rng = np.random.default_rng(0)
    draws = rng.normal(0.2, 0.01, (20000, 5))
    table = pd.DataFrame({"base_sd": [0.01, np.nan], "base": 0.2, "seeds": [2, 1], "base_seeds": [3, 1]})
    differences = draws[:, :2].mean(1) - draws[:, 2:].mean(1), draws[:, 0] - draws[:, 1]
    found = rules.times_noise(table.assign(difference=[d.std() for d in differences]), relative_spread=0.05)
    np.testing.assert_allclose(found, 1, rtol=0.02)  # one relative sd of 0.05 is 0.01 of the base


# Runs that do not count


@pytest.mark.parametrize(
    ("values", "dip"),
    [
        ([0.04, 0.09, 0.096, 0.093, 0.083, 0.076, 0.081, 0.096], True),  # sgl generative on amazon, seed 2023
        ([0.04, 0.09, 0.096, 0.093, 0.083, 0.076, 0.075, 0.074], False),  # it fell and stayed
        ([0.04, 0.09, 0.096, 0.095, 0.094, 0.0925, 0.094, 0.095], False),  # a plateau
        ([0.01, 0.02, 0.03], False),  # the last epoch is the best
    ],
)
def test_a_run_that_stopped_in_a_dip(values, dip):
    history = pd.DataFrame({"recall@20": np.nan}, index=range(3 * len(values)))
    history.loc[::3, "recall@20"] = values
    assert rules.ended_in_a_dip(history) is dip


def test_verdicts_leave_out_models_that_stopped_in_a_dip_and_say_so():
    table = pd.DataFrame({"backbone": ["sgl", "sgl", "gccf"], "alignment": ["base", "generative", "generative"]})
    kept, note = rules.without_dips(table, {("sgl", "generative"), ("dccf", "base")})
    assert kept.index.tolist() == [0, 2] and note == "; not counted: sgl generative, stopped in a dip"
    kept, note = rules.without_dips(table, set())
    assert len(kept) == 3 and note == ""
    assert list(rules.without_dips(table[:0], set())[0]) == ["backbone", "alignment"]


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
