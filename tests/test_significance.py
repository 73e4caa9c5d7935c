"""Intervals, tests and corrections against scipy, simulation and the definitions."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lib.evaluation import significance


def rng(seed=0):
    return np.random.default_rng(seed)


def test_bootstrap_interval_agrees_with_scipy():
    values = rng().exponential(size=300)
    low, high = significance.bootstrap_mean(values, rng(1), draws=4000)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=rng(2)
    ).confidence_interval
    assert (low, high) == pytest.approx(expected, abs=0.01)


def test_bootstrap_interval_covers_the_mean_as_often_as_it_says():
    intervals = [
        significance.bootstrap_mean(rng(seed).normal(size=80), rng(seed + 999), draws=300) for seed in range(300)
    ]
    assert np.mean([low <= 0 <= high for low, high in intervals]) == pytest.approx(0.95, abs=0.04)


def test_bootstrap_columns_share_rows_and_chunks_do_not_matter(monkeypatch):
    values = rng().normal(size=(50, 2))
    whole = significance.bootstrap_mean(values, rng(1), draws=100)
    alone = significance.bootstrap_mean(values[:, 1], rng(1), draws=100)
    np.testing.assert_allclose([bound[1] for bound in whole], alone)
    monkeypatch.setattr(significance, "CHUNK", 50 * 7)
    np.testing.assert_allclose(significance.bootstrap_mean(values, rng(1), draws=100), whole)


def test_a_paired_difference_is_known_better_than_its_parts():
    base = rng().normal(size=200)
    other = base + 0.1 + rng(1).normal(size=200) * 0.05
    low, high = significance.bootstrap_difference(base, other, rng(2))
    assert 0.08 < low < (other - base).mean() < high < 0.12
    apart = significance.bootstrap_mean(base, rng(2))
    assert high - low < 0.1 * (apart[1] - apart[0])


def test_holm_known_values():
    # worked example: 0.005 * 4, 0.01 * 3, 0.03 * 2, then the maximum so far
    np.testing.assert_allclose(significance.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert significance.holm([]).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.999))
def test_holm_rejects_exactly_what_the_step_down_procedure_rejects(p, level):
    rejected = set()
    for step, place in enumerate(sorted(range(len(p)), key=lambda place: p[place])):
        if p[place] * (len(p) - step) > level:
            break
        rejected.add(place)
    adjusted = significance.holm(p)
    assert {place for place in range(len(p)) if adjusted[place] <= level} == rejected


def users(seed, shift=0.0, n=120):
    values = rng(seed).uniform(size=(n, 2)) + shift
    return pd.DataFrame({"user": np.arange(n) * 3, "recall@20": values[:, 0], "ndcg@20": values[:, 1]})


def test_summary_brackets_the_mean_of_each_metric():
    frame = users(0)
    table = significance.means_with_intervals(frame, rng()).set_index("metric")
    assert table["mean"].to_dict() == pytest.approx(frame.drop(columns="user").mean().to_dict())
    assert table.eval("ci_low < mean < ci_high").all()


# Samples that share some users


def test_without_shared_users_the_variance_is_welchs():
    rng = np.random.default_rng(1)
    a, b = pd.Series(rng.normal(0.2, 1, 300)), pd.Series(rng.normal(0, 2, 400), index=range(300, 700))
    variance, freedom = significance.variance_of_difference(a, b)
    truth = stats.ttest_ind(a, b, equal_var=False)
    assert (a.mean() - b.mean()) / variance**0.5 == pytest.approx(truth.statistic) and freedom == 299


def test_with_the_same_users_it_is_that_of_the_paired_test():
    rng = np.random.default_rng(2)
    a = pd.Series(rng.normal(size=50))
    b = (a + rng.normal(0.1, 0.3, 50)).sample(frac=1, random_state=0)
    variance, freedom = significance.variance_of_difference(a, b)
    truth = stats.ttest_rel(a, b.sort_index())
    assert (a.mean() - b.mean()) / variance**0.5 == pytest.approx(truth.statistic) and freedom == truth.df


def test_with_some_shared_users_the_error_is_that_of_repeated_draws():
    rng = np.random.default_rng(3)
    differences, variances = [], []
    for _ in range(3000):
        person = rng.normal(size=60)
        a = pd.Series(person[:40] + 0.1 * rng.normal(size=40), index=range(40))
        b = pd.Series(person[20:] + 0.1 * rng.normal(size=40), index=range(20, 60))
        differences.append(a.mean() - b.mean())
        variances.append(significance.variance_of_difference(a, b)[0])
    assert np.mean(variances) == pytest.approx(np.var(differences), rel=0.06)


# Several sources of chance


def test_one_source_is_the_t_test():
    values = rng().normal(0.3, 1, 40)
    row = significance.with_errors([values.mean()], [[values.var(ddof=1) / 40]], [[39]]).iloc[0]
    truth = stats.ttest_1samp(values, 0)
    interval = truth.confidence_interval()
    assert (row["p"], row["freedom"]) == (pytest.approx(truth.pvalue), pytest.approx(39))
    assert (row["ci_low"], row["ci_high"]) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_two_samples_are_welchs_test():
    a, b = rng().normal(0, 1, 5), rng(1).normal(0.5, 3, 9)
    variances = [[a.var(ddof=1) / 5], [b.var(ddof=1) / 9]]
    row = significance.with_errors([a.mean() - b.mean()], variances, [[4], [8]]).iloc[0]
    truth = stats.ttest_ind(a, b, equal_var=False)
    assert (row["p"], row["freedom"]) == (pytest.approx(truth.pvalue), pytest.approx(truth.df))


def test_an_unknown_source_leaves_the_interval_of_the_others_and_no_p():
    table = significance.with_errors([0.3, 0.3, 0.0], [[0.01, 0.01, 0.0], [np.nan, 0.0, 0.0]], [[9, 9, 9], [0, 3, 3]])
    assert table["p"].isna().tolist() == [True, False, False] and table["p"].iloc[2] == 1
    assert table.loc[0, "ci_low"] == table.loc[1, "ci_low"] == pytest.approx(0.3 - stats.t.ppf(0.975, 9) * 0.1)
