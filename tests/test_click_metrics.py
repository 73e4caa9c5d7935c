"""Metrics of predicted likes against scikit-learn, their intervals and tests against plain loops and scipy."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sklearn

from lib.core.errors import UserError
from lib.evaluation import click_metrics


def rng(seed=0):
    return np.random.default_rng(seed)


def predictions(n=400, seed=0, skill=1.0, decimals=2):
    """Labels, and predictions with ties that know something of them."""
    labels = rng(seed).integers(2, size=n)
    return labels, np.round(1 / (1 + np.exp(-skill * (labels - 0.5) - rng(seed + 1).normal(size=n))), decimals)


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0, 0.1, 0.5, 0.50001, 0.9, 1])), min_size=2, max_size=30))
def test_scores_are_those_of_scikit_learn(rows):
    labels, p = (np.array(column) for column in zip(*rows, strict=True))
    found = click_metrics.scores(labels, p)
    one_class = len(set(labels)) == 1
    assert np.isnan(found["auc"]) if one_class else found["auc"] == pytest.approx(sklearn.roc_auc_score(labels, p))
    clipped = np.clip(p.astype(float), 1e-7, 1 - 1e-7)
    assert found["log_loss"] == pytest.approx(sklearn.log_loss(labels, clipped, labels=[0, 1]))
    assert found["acc"] == pytest.approx(sklearn.accuracy_score(labels, p > 0.5))


def test_references_are_what_constants_reach():
    labels = np.array([1, 1, 1, 0])
    found = click_metrics.references(labels)
    assert found["base_rate"] == 0.75 and found["majority_acc"] == 0.75
    assert found["constant_log_loss"] == pytest.approx(click_metrics.scores(labels, np.full(4, 0.75))["log_loss"])
    assert click_metrics.references(np.ones(3))["constant_log_loss"] == 0


def test_resampled_metrics_are_those_of_the_resampled_rows(monkeypatch):
    labels, p = predictions(60)
    other = predictions(60, seed=5)[1]
    both = np.column_stack([p, other])
    found = click_metrics.resampled(labels, both, rng(3), draws=40)
    rows = rng(3).integers(60, size=(40, 60))  # the same rows, drawn as such
    expected = [[click_metrics.scores(labels[drawn], column[drawn]) for column in both.T] for drawn in rows]
    for name in click_metrics.METRICS:
        np.testing.assert_allclose(found[name], [[cell[name] for cell in row] for row in expected])
    monkeypatch.setattr(click_metrics, "CHUNK", 60 * 7)  # in pieces
    again = click_metrics.resampled(labels, both, rng(3), draws=40)
    for name in found:
        np.testing.assert_allclose(again[name], found[name])


def test_intervals_agree_with_scipys_bootstrap():
    labels, p = predictions(300)
    found = click_metrics.with_intervals(labels, p, rng(1)).set_index("metric")
    for name in click_metrics.METRICS:
        expected = stats.bootstrap(
            (labels, p),
            lambda y, q, name=name: click_metrics.scores(y, q)[name],
            paired=True, vectorized=False, n_resamples=1500, method="percentile", rng=rng(2),
        ).confidence_interval  # fmt: skip
        assert (found.ci_low[name], found.ci_high[name]) == pytest.approx(expected, abs=0.012)
        assert found.ci_low[name] < found.value[name] < found.ci_high[name]


def test_draws_with_one_class_are_left_out_of_the_interval():
    found = click_metrics.with_intervals([1, 0, 0], [0.9, 0.2, 0.1], rng()).set_index("metric")
    assert (found.ci_low["auc"], found.ci_high["auc"]) == (1, 1)


def test_two_thousand_resamples_of_ten_thousand_rows_take_seconds():
    labels, p = predictions(10_000, decimals=6)
    start = time.process_time()
    click_metrics.resampled(labels, p, rng())
    assert time.process_time() - start < 6  # 0.9 s measured; 2,000 calls of scikit-learn take 9 s


def test_a_paired_difference_is_known_better_than_its_parts():
    labels, p = predictions(800, decimals=6)
    other = np.clip(p + 0.02 * (2 * labels - 1) + 0.002 * rng(4).normal(size=800), 0, 1)
    found = click_metrics.difference(labels, p, other, rng(2)).set_index("metric")
    alone = click_metrics.with_intervals(labels, p, rng(2)).set_index("metric")
    for name, sign in (("auc", 1), ("log_loss", -1)):
        row = found.loc[name]
        assert row.difference * sign > 0 and row.ci_low * row.ci_high > 0 and row.p == pytest.approx(2 / 2001)
        assert row.ci_high - row.ci_low < 0.3 * (alone.ci_high[name] - alone.ci_low[name])
        assert row.difference == pytest.approx(
            click_metrics.scores(labels, other)[name] - click_metrics.scores(labels, p)[name]
        )
    same = click_metrics.difference(labels, p, p, rng(2))
    assert (same.difference == 0).all() and (same.p == 1).all()


def test_the_p_value_of_a_difference_is_about_uniform_where_there_is_none():
    found = []
    for seed in range(150):
        labels, p = predictions(150, seed, decimals=6)
        other = click_metrics.difference(labels, p, predictions_like(labels, seed + 7000), rng(seed), draws=200)
        found.append(other.p[0])
    assert np.mean(np.array(found) < 0.1) == pytest.approx(0.1, abs=0.07)
    assert np.mean(np.array(found) < 0.5) == pytest.approx(0.5, abs=0.12)


def predictions_like(labels, seed):
    return 1 / (1 + np.exp(-(labels - 0.5) - rng(seed).normal(size=len(labels))))


def test_seeds_are_compared_by_the_paired_t_test():
    base, other = rng(1).normal(0.7, 0.01, 5), rng(2).normal(0.71, 0.01, 5)
    found, expected = click_metrics.difference_over_seeds(base, other), stats.ttest_rel(other, base)
    assert found["p"] == pytest.approx(expected.pvalue)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    alone = click_metrics.difference_over_seeds([0.7], [0.72])
    assert alone["difference"] == pytest.approx(0.02) and np.isnan(alone["p"])


def test_delong_agrees_with_the_bootstrap_and_with_its_definition():
    labels, p = predictions(500)
    other = np.clip(p + 0.1 * rng(9).normal(size=500), 0, 1)
    found = click_metrics.delong(labels, p, other)
    by_rows = click_metrics.difference(labels, p, other, rng(1)).set_index("metric").loc["auc"]
    assert found["difference"] == pytest.approx(by_rows.difference)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((by_rows.ci_low, by_rows.ci_high), abs=0.006)
    # the definition: over all pairs, 1 where the liked row is above, 1/2 where they are equal
    wins = [np.sign(q[labels == 1][:, None] - q[labels == 0][None]) / 2 + 0.5 for q in (p, other)]
    gains = wins[1] - wins[0]
    variance = gains.mean(1).var(ddof=1) / len(gains) + gains.mean(0).var(ddof=1) / gains.shape[1]
    assert found["p"] == pytest.approx(2 * stats.norm.sf(abs(gains.mean()) / np.sqrt(variance)))


@pytest.mark.parametrize(
    ("labels", "p", "said"),
    [
        ([1, 0], [0.1], "1 predictions for 2 labels"),
        ([], [], "some rows"),
        ([1, 2], [0.1, 0.2], "row 1: a label is 1"),
        ([1, 0], [0.1, 1.2], "row 1: 1.2 is no probability"),
        ([1, 0], [np.nan, 0.2], "row 0: nan is no probability"),
    ],
)
def test_what_is_no_prediction_is_refused(labels, p, said):
    with pytest.raises(UserError, match=said):
        click_metrics.scores(labels, p)


def test_the_weighted_auc_is_that_of_the_repeated_samples():
    rng = np.random.default_rng(0)
    scores, labels = rng.integers(0, 5, 60) / 4, rng.integers(0, 2, 60)
    weights = np.vstack([np.ones(60), rng.integers(0, 4, (3, 60))])
    expected = [
        sklearn.roc_auc_score(np.repeat(labels, w.astype(int)), np.repeat(scores, w.astype(int))) for w in weights
    ]
    assert click_metrics.weighted_auc(labels, scores, weights) == pytest.approx(expected)
