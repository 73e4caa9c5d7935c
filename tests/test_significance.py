"""Intervals, tests and corrections against scipy, simulation and the definitions."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lib.core.errors import UserError
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


def test_paired_tests_equal_scipy():
    base, other = rng().normal(size=40), rng(1).normal(size=40) + 0.3
    t, wilcoxon = significance.paired_tests(base, other)
    assert t == pytest.approx(stats.ttest_rel(other, base).pvalue)
    assert wilcoxon == pytest.approx(stats.wilcoxon(other, base).pvalue)
    assert significance.paired_tests(base, base) == (1, 1)


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


def test_compare_pairs_users_by_id_not_by_position():
    base = users(0)
    gain = 0.1 + rng(1).normal(size=len(base)) * 1e-4
    other = base.assign(**{"recall@20": base["recall@20"] + gain}).sample(frac=1, random_state=0)
    table = significance.compare(base, other[["ndcg@20", "user", "recall@20"]], rng()).set_index("metric")
    assert table.loc["recall@20", ["difference", "ci_low", "ci_high"]].tolist() == pytest.approx([0.1] * 3, abs=1e-4)
    assert table.loc["recall@20", "p_holm"] < 1e-9
    assert table.loc["ndcg@20", ["difference", "p", "p_wilcoxon"]].tolist() == [0, 1, 1]


def test_compare_corrects_over_its_metrics():
    table = significance.compare(users(0), users(1, 0.05), rng())
    np.testing.assert_allclose(table["p_holm"], significance.holm(table["p"]))
    assert list(table) == ["metric", "difference", "ci_low", "ci_high", "p", "p_wilcoxon", "p_holm"]


def test_compare_refuses_different_users():
    with pytest.raises(UserError, match=r"different users \(120 and 119\)"):
        significance.compare(users(0), users(0)[1:], rng())


# Samples that share some users


def test_without_shared_users_it_is_welchs_test():
    rng = np.random.default_rng(1)
    a, b = pd.Series(rng.normal(0.2, 1, 300)), pd.Series(rng.normal(0, 2, 400), index=range(300, 700))
    found, truth = significance.difference_of_means(a, b), stats.ttest_ind(a, b, equal_var=False)
    assert found["difference"] == pytest.approx(a.mean() - b.mean())
    assert found["p"] == pytest.approx(truth.pvalue, rel=0.05)  # degrees of freedom differ a little
    interval = truth.confidence_interval()
    assert [found["ci_low"], found["ci_high"]] == pytest.approx([interval.low, interval.high], rel=0.01)


def test_with_the_same_users_it_is_the_paired_test():
    rng = np.random.default_rng(2)
    a = pd.Series(rng.normal(size=50))
    b = (a + rng.normal(0.1, 0.3, 50)).sample(frac=1, random_state=0)
    truth = stats.ttest_rel(a, b.sort_index())
    assert significance.difference_of_means(a, b)["p"] == pytest.approx(truth.pvalue, rel=1e-9)


def test_with_some_shared_users_the_error_is_that_of_repeated_draws():
    rng = np.random.default_rng(3)
    found = []
    for _ in range(3000):
        person = rng.normal(size=60)
        a = pd.Series(person[:40] + 0.1 * rng.normal(size=40), index=range(40))
        b = pd.Series(person[20:] + 0.1 * rng.normal(size=40), index=range(20, 60))
        found.append(significance.difference_of_means(a, b))
    found = pd.DataFrame(found)
    covered = (found["ci_low"] < 0) & (found["ci_high"] > 0)
    assert covered.mean() == pytest.approx(0.95, abs=0.015)


def test_nothing_but_zeros_is_no_difference():
    zeros = pd.Series([0.0, 0.0, 0.0])
    assert significance.difference_of_means(zeros, zeros)["p"] == 1
