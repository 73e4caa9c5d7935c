"""Statistics against scipy, simulation and the definitions."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lib import statistics
from lib.files import UserError


def rng(seed=0):
    return np.random.default_rng(seed)


def test_bootstrap_interval_agrees_with_scipy():
    values = rng().exponential(size=300)
    low, high = statistics.bootstrap_mean(values, rng(1), draws=4000)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=rng(2)
    ).confidence_interval
    assert (low, high) == pytest.approx(expected, abs=0.01)


def test_bootstrap_interval_covers_the_mean_as_often_as_it_says():
    intervals = [
        statistics.bootstrap_mean(rng(seed).normal(size=80), rng(seed + 999), draws=300) for seed in range(300)
    ]
    assert np.mean([low <= 0 <= high for low, high in intervals]) == pytest.approx(0.95, abs=0.04)


def test_bootstrap_columns_share_rows_and_chunks_do_not_matter(monkeypatch):
    values = rng().normal(size=(50, 2))
    whole = statistics.bootstrap_mean(values, rng(1), draws=100)
    alone = statistics.bootstrap_mean(values[:, 1], rng(1), draws=100)
    np.testing.assert_allclose([bound[1] for bound in whole], alone)
    monkeypatch.setattr(statistics, "CHUNK", 50 * 7)
    np.testing.assert_allclose(statistics.bootstrap_mean(values, rng(1), draws=100), whole)


def test_a_paired_difference_is_known_better_than_its_parts():
    base = rng().normal(size=200)
    other = base + 0.1 + rng(1).normal(size=200) * 0.05
    low, high = statistics.bootstrap_difference(base, other, rng(2))
    assert 0.08 < low < (other - base).mean() < high < 0.12
    apart = statistics.bootstrap_mean(base, rng(2))
    assert high - low < 0.1 * (apart[1] - apart[0])


def test_paired_tests_equal_scipy():
    base, other = rng().normal(size=40), rng(1).normal(size=40) + 0.3
    t, wilcoxon = statistics.paired_tests(base, other)
    assert t == pytest.approx(stats.ttest_rel(other, base).pvalue)
    assert wilcoxon == pytest.approx(stats.wilcoxon(other, base).pvalue)
    assert statistics.paired_tests(base, base) == (1, 1)


def test_holm_known_values():
    # worked example: 0.005 * 4, 0.01 * 3, 0.03 * 2, then the maximum so far
    np.testing.assert_allclose(statistics.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([]).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.999))
def test_holm_rejects_exactly_what_the_step_down_procedure_rejects(p, level):
    rejected = set()
    for step, place in enumerate(sorted(range(len(p)), key=lambda place: p[place])):
        if p[place] * (len(p) - step) > level:
            break
        rejected.add(place)
    adjusted = statistics.holm(p)
    assert {place for place in range(len(p)) if adjusted[place] <= level} == rejected


def users(seed, shift=0.0, n=120):
    values = rng(seed).uniform(size=(n, 2)) + shift
    return pd.DataFrame({"user": np.arange(n) * 3, "recall@20": values[:, 0], "ndcg@20": values[:, 1]})


def test_summary_brackets_the_mean_of_each_metric():
    frame = users(0)
    table = statistics.summary(frame, rng()).set_index("metric")
    assert table["mean"].to_dict() == pytest.approx(frame.drop(columns="user").mean().to_dict())
    assert table.eval("ci_low < mean < ci_high").all()


def test_compare_pairs_users_by_id_not_by_position():
    base = users(0)
    gain = 0.1 + rng(1).normal(size=len(base)) * 1e-4
    other = base.assign(**{"recall@20": base["recall@20"] + gain}).sample(frac=1, random_state=0)
    table = statistics.compare(base, other[["ndcg@20", "user", "recall@20"]], rng()).set_index("metric")
    assert table.loc["recall@20", ["difference", "ci_low", "ci_high"]].tolist() == pytest.approx([0.1] * 3, abs=1e-4)
    assert table.loc["recall@20", "p_holm"] < 1e-9
    assert table.loc["ndcg@20", ["difference", "p", "p_wilcoxon"]].tolist() == [0, 1, 1]


def test_compare_corrects_over_its_metrics():
    table = statistics.compare(users(0), users(1, 0.05), rng())
    np.testing.assert_allclose(table["p_holm"], statistics.holm(table["p"]))
    assert list(table) == ["metric", "difference", "ci_low", "ci_high", "p", "p_wilcoxon", "p_holm"]


def test_compare_refuses_different_users():
    with pytest.raises(UserError, match=r"different users \(120 and 119\)"):
        statistics.compare(users(0), users(0)[1:], rng())
