"""The alignment trend against loops over pairs, scipy and a jackknife by hand."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from lib.analysis.trend import alignment_trend, item_pairs, slope_estimates


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def cosine_pairs(vectors, sample):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.array([unit[i] @ unit[j] for i, j in combinations(sample, 2)])


def trend_case():
    text = normal(0, 130, 6)
    spaces = {"base": normal(1, 130, 4), "contrastive": text[:, :4] + normal(2, 130, 4)}
    sample = np.random.default_rng(3).permutation(130)[:60]
    return text, spaces, sample, *alignment_trend(text, spaces, n_items=60, seed=3)


def test_trend_equals_a_loop_over_pairs():
    text, spaces, sample, trend, _ = trend_case()
    x = cosine_pairs(text, sample)
    for row in trend.itertuples():
        y = cosine_pairs(spaces[row.space], sample)
        inside = (x >= row.low - 1e-7) & (x < row.high + 1e-7)
        assert row.pairs == pytest.approx(inside.sum(), abs=1)
        assert row.mean == pytest.approx(y[inside].mean(), abs=1e-3)
        assert row.ci_low < row.mean < row.ci_high
        drawn_at = (row.low + row.high) / 2 if row.bins == "report" else x[inside].mean()
        assert row.text_cosine == pytest.approx(drawn_at, abs=1e-3)


def test_equal_bins_share_all_pairs():
    *_, trend, _ = trend_case()
    base = trend[(trend["space"] == "base") & (trend["bins"] == "equal counts")]
    assert len(base) == 20 and base["pairs"].sum() == 60 * 59 / 2 and np.ptp(base["pairs"]) <= 2


def test_the_reports_bins_are_21_of_equal_width_without_those_of_few_pairs():
    text, _, sample, trend, _ = trend_case()
    counts, edges = np.histogram(cosine_pairs(text, sample), np.linspace(-0.1, 1, 22))
    drawn = trend[(trend["space"] == "base") & (trend["bins"] == "report")]
    assert 0 < (counts > 50).sum() < 21  # the case has bins of both kinds
    np.testing.assert_allclose(drawn["low"], edges[:-1][counts > 50])
    np.testing.assert_allclose(drawn["pairs"], counts[counts > 50], atol=1)


def slopes_by_hand(text, space, kept, drawn):
    """Least squares over all pairs of some items, and through the means of the bins `drawn`."""
    x, y = cosine_pairs(text, kept), cosine_pairs(space, kept)
    edges = np.linspace(-0.1, 1, 22)
    bins = np.digitize(x, edges) - 1
    points = [((edges[b] + edges[b + 1]) / 2, y[bins == b].mean()) for b in drawn if (bins == b).any()]
    return stats.linregress(x, y).slope, stats.linregress(*np.transpose(points)).slope


def test_slopes_without_a_block_are_those_of_the_other_items():
    text, spaces, sample, _, _ = trend_case()
    estimates = slope_estimates(item_pairs(text, 60, 3), spaces["contrastive"])
    counts = np.histogram(cosine_pairs(text, sample), np.linspace(-0.1, 1, 22))[0]
    for block in (None, 0, 7, 49):
        kept = [item for place, item in enumerate(sample) if block is None or place % 50 != block]
        found = [estimates[name][0 if block is None else 1 + block] for name in ("slope", "slope of bins")]
        wanted = slopes_by_hand(text, spaces["contrastive"], kept, np.flatnonzero(counts > 50))
        assert found == pytest.approx(wanted, abs=2e-3 if block is None else 5e-3)


def test_slopes_and_ranks_equal_scipy():
    text, spaces, sample, _, slopes = trend_case()
    x = cosine_pairs(text, sample)
    for row in slopes.itertuples():
        y = cosine_pairs(spaces[row.space], sample)
        assert row.slope == pytest.approx(stats.linregress(x, y).slope, abs=1e-5)
        assert row.spearman == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-5)


def test_the_interval_is_a_jackknife_over_blocks_of_items():
    text, spaces, sample, _, slopes = trend_case()
    left_out = []
    for group in range(50):
        kept = [item for place, item in enumerate(sample) if place % 50 != group]
        left_out.append(stats.linregress(cosine_pairs(text, kept), cosine_pairs(spaces["base"], kept)).slope)
    margin = stats.t.ppf(0.975, 49) * np.sqrt(49 * np.var(left_out))
    row = slopes.set_index("space").loc["base"]
    assert row["ci_high"] - row["slope"] == pytest.approx(margin, rel=1e-3)


def test_the_interval_of_unrelated_spaces_covers_zero_as_often_as_it_says():
    hits = 0
    for seed in range(60):
        _, slopes = alignment_trend(normal(seed, 100, 8), {"x": normal(1000 + seed, 100, 8)})
        hits += slopes["ci_low"].item() <= 0 <= slopes["ci_high"].item()
    assert hits >= 52  # 57 expected; an interval over pairs as if independent covers fewer
