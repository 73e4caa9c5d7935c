"""Semantics against scikit-learn's exact search, Python sets, double loops and known values."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

from lib import semantics
from lib.files import UserError


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


# Neighbours and overlap


@pytest.mark.parametrize("chunk", [7, 1024])
def test_neighbours_are_those_of_an_exact_search(chunk):
    vectors = normal(0, 200, 8) * np.random.default_rng(1).uniform(0.1, 9, (200, 1)).astype(np.float32)
    found = semantics.neighbours(vectors, 10, chunk)
    exact = NearestNeighbors(n_neighbors=11, algorithm="brute", metric="cosine").fit(vectors)
    assert (found == exact.kneighbors(return_distance=True, n_neighbors=10)[1]).all()  # X=None leaves the item out


def test_an_item_is_never_its_own_neighbour_even_among_duplicates():
    vectors = np.repeat(normal(0, 20, 4), 5, axis=0)
    found = semantics.neighbours(vectors, 4)
    for item, near in enumerate(found):
        assert set(near) == {5 * (item // 5) + twin for twin in range(5)} - {item}


def test_neighbours_of_tensors_and_of_too_few_items():
    vectors = normal(0, 30, 4)
    parameter = torch.nn.Parameter(torch.from_numpy(vectors))
    assert (semantics.neighbours(parameter, 5) == semantics.neighbours(vectors, 5)).all()
    with pytest.raises(UserError, match="30 neighbours among 30 items: use at most 29"):
        semantics.neighbours(vectors, 30)


def test_overlap_equals_python_sets():
    a, b = semantics.neighbours(normal(0, 80, 5), 12), semantics.neighbours(normal(1, 80, 5), 12)
    expected = [len(set(x) & set(y)) / len(set(x) | set(y)) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    np.testing.assert_allclose(semantics.overlap(a, b), expected, rtol=1e-12)


def test_chance_overlap_equals_enumeration_and_the_spec():
    subsets = [set(subset) for subset in combinations(range(6), 3)]  # 3 of the 6 others
    expected = np.mean([len(a & b) / len(a | b) for a in subsets for b in subsets])
    assert semantics.chance_overlap(7, 3) == pytest.approx(expected)
    for n, k, value in ((3000, 100, 0.0170), (9332, 100, 0.0054), (11010, 100, 0.0046), (5237, 100, 0.0096)):
        assert semantics.chance_overlap(n, k) == pytest.approx(value, abs=1e-4)


def test_identical_spaces_overlap_fully_and_random_ones_by_chance():
    text = normal(0, 3000, 64)
    spaces = {"same": text * 3, "random": normal(1, 3000, 32)}
    means = semantics.item_overlap(spaces, text, 100).mean()
    assert means["same"] == 1
    assert means["random"] == pytest.approx(0.017, abs=0.001)


def test_overlap_table_measures_each_setting_and_brackets_it():
    text = normal(0, 3100, 16)
    spaces = {"ego": text + normal(1, 3100, 16), "final": normal(2, 3100, 8)}
    table = semantics.overlap_table(spaces, text, np.random.default_rng(0), ks=(5, 20), draws=200)
    names = ["vectors", "items", "neighbours", "mean_jaccard", "ci_low", "ci_high", "chance", "permuted"]
    assert list(table) == names and len(table) == 8
    assert (table["ci_low"] < table["mean_jaccard"]).all() and (table["mean_jaccard"] < table["ci_high"]).all()
    for row in table.itertuples():
        n = 3100 if row.items == "all" else 3000
        values = semantics.item_overlap({"x": spaces[row.vectors]}, text, row.neighbours, n)["x"]
        assert len(values) == n and row.mean_jaccard == pytest.approx(values.mean())
        error = 1.96 * values.std() / np.sqrt(n)
        assert row.ci_high - row.ci_low == pytest.approx(2 * error, rel=0.3)
        assert row.permuted == pytest.approx(row.chance, abs=0.001)  # meaning is lost with the pairing


def test_permuting_the_lists_equals_permuting_the_texts():
    text, space = normal(0, 120, 6), normal(1, 120, 6)
    table = semantics.overlap_table(
        {"x": text + space}, text, np.random.default_rng(5), ks=(9,), items=("all",), draws=2
    )
    other = np.random.default_rng(5).permutation(120)
    expected = semantics.item_overlap({"x": text + space}, text[other], 9)["x"].mean()
    assert table["permuted"].item() == pytest.approx(expected)


def test_overlap_table_is_one_measurement_where_all_items_are_the_first_3000():
    text = normal(0, 150, 6)
    table = semantics.overlap_table({"x": normal(1, 150, 6)}, text, np.random.default_rng(0), ks=(5,), draws=50)
    assert table["items"].tolist() == ["all", "first3000"]
    assert table.drop(columns="items").nunique().eq(1).all()
    with pytest.raises(UserError, match="items must be 'all' or 'first3000', not 'half'"):
        semantics.overlap_table({"x": text}, text, np.random.default_rng(0), items=("half",))


# Gains over base


def two_backbones():
    text = normal(0, 400, 8)
    spaces = {("gccf", "base"): text + 2 * normal(1, 400, 8), ("gccf", "contrastive"): text + normal(1, 400, 8)}
    return spaces | {("sgl", "generative"): normal(2, 400, 8), ("sgl", "base"): text[:, :4]}, text


def test_overlap_gains_hold_the_levels_of_each_model_and_its_change():
    spaces, text = two_backbones()
    table = semantics.overlap_gains(spaces, text, np.random.default_rng(0), ks=(5, 20), n_items=300)
    assert len(table) == 8 and table["neighbours"].tolist() == [5] * 4 + [20] * 4
    for row in table.itertuples():
        labels = {"own": spaces[row.backbone, row.alignment], "base": spaces[row.backbone, "base"]}
        values = semantics.item_overlap(labels, text, row.neighbours, 300)
        assert row.mean_jaccard == pytest.approx(values["own"].mean())
        assert row.chance == semantics.chance_overlap(300, row.neighbours)
        assert row.permuted == pytest.approx(row.chance, abs=0.01) and row.ci_low < row.mean_jaccard < row.ci_high
        if row.alignment == "base":
            assert np.isnan([row.difference, row.difference_low, row.gain_pct, row.gain_high]).all()
        else:
            assert row.difference == pytest.approx(values["own"].mean() - values["base"].mean())
            assert row.gain_pct == pytest.approx(100 * (values["own"].mean() / values["base"].mean() - 1))


def test_intervals_of_gains_are_paired():
    rng = np.random.default_rng(0)
    base = rng.uniform(0.1, 0.3, 500)
    change = rng.normal(0.02, 0.01, 500)
    values = pd.DataFrame({("x", "base"): base, ("x", "contrastive"): base + change})
    row = semantics.gains(values, rng, draws=4000).loc[("x", "contrastive")]
    low, high = stats.t.interval(0.95, 499, change.mean(), stats.sem(change))
    assert [row["difference_low"], row["difference_high"]] == pytest.approx([low, high], rel=0.01)
    # the delta method for a ratio of two means of the same items
    error = 1.96 * stats.sem((base + change) - (base + change).mean() / base.mean() * base) / base.mean()
    gain = 100 * change.mean() / base.mean()
    assert row["gain_pct"] == pytest.approx(gain)
    assert [row["gain_low"], row["gain_high"]] == pytest.approx([gain - 100 * error, gain + 100 * error], rel=0.01)


def test_a_gain_needs_its_base():
    spaces, text = two_backbones()
    del spaces["sgl", "base"]
    with pytest.raises(UserError, match="no base run of sgl"):
        semantics.overlap_gains(spaces, text, np.random.default_rng(0), ks=(5,))


@pytest.mark.parametrize(("noise", "supported"), [(None, "2 of 5 backbones above base;"), (3.0, "1 of 5")])
def test_gain_verdicts_ask_for_more_than_another_seed_makes(noise, supported):
    rows = [("a", "base", np.nan, np.nan, np.nan), ("a", "contrastive", 5.0, 4.0, 6.0), ("b", "contrastive", 3, 2, 4)]
    rows += [("c", "contrastive", 0, -1, 1), ("d", "contrastive", -5, -6, -4), ("e", "contrastive", -3, -4, -2)]
    again = [("a", semantics.AGAIN, -3.0, -4.0, -2.0), ("b", semantics.AGAIN, 1.0, 0.0, 2.0)] if noise else []
    table = pd.DataFrame(rows + again, columns=["backbone", "alignment", "gain_pct", "gain_low", "gain_high"])
    (sentence,) = semantics.gain_verdicts(table)
    assert sentence.startswith(f"contrastive: {supported}") and ("(3.0%)" in sentence) == bool(noise)
    if noise:
        assert sentence.endswith("supported for a; inconclusive for b, c, e; not supported for d")
    else:
        assert sentence.endswith("supported for a, b; inconclusive for c; not supported for d, e")


# Alignment trend


def cosine_pairs(vectors, sample):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.array([unit[i] @ unit[j] for i, j in combinations(sample, 2)])


def trend_case(bins):
    text = normal(0, 130, 6)
    spaces = {"base": normal(1, 130, 4), "contrastive": text[:, :4] + normal(2, 130, 4)}
    sample = np.random.default_rng(3).permutation(130)[:60]
    return text, spaces, sample, *semantics.alignment_trend(text, spaces, n_items=60, seed=3, bins=bins)


@pytest.mark.parametrize("bins", ["quantile", "report"])
def test_trend_equals_a_loop_over_pairs(bins):
    text, spaces, sample, trend, _ = trend_case(bins)
    x = cosine_pairs(text, sample)
    for row in trend.itertuples():
        y = cosine_pairs(spaces[row.space], sample)
        inside = (x >= row.low - 1e-7) & (x < row.high + 1e-7)
        assert row.pairs == pytest.approx(inside.sum(), abs=1)
        assert row.mean == pytest.approx(y[inside].mean(), abs=1e-3)
        assert row.ci_low < row.mean < row.ci_high
        centre = (row.low + row.high) / 2 if bins == "report" else x[inside].mean()
        assert row.text_cosine == pytest.approx(centre, abs=1e-3)


def test_quantile_bins_share_all_pairs_and_report_bins_are_the_reports():
    *_, quantile, _ = trend_case("quantile")
    base = quantile[quantile["space"] == "base"]
    assert len(base) == 20 and base["pairs"].sum() == 60 * 59 / 2 and np.ptp(base["pairs"]) <= 2
    text, _, sample, report, _ = trend_case("report")
    edges = np.linspace(-0.1, 1.0, 22)
    counts, _ = np.histogram(cosine_pairs(text, sample), edges)
    base = report[report["space"] == "base"]
    np.testing.assert_allclose(base["low"], edges[:-1][counts > 50])
    assert base["pairs"].tolist() == counts[counts > 50].tolist()


def test_slopes_and_ranks_equal_scipy():
    text, spaces, sample, _, slopes = trend_case("quantile")
    x = cosine_pairs(text, sample)
    for row in slopes.itertuples():
        y = cosine_pairs(spaces[row.space], sample)
        assert row.slope == pytest.approx(stats.linregress(x, y).slope, abs=1e-5)
        assert row.spearman == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-5)


def test_the_interval_is_a_jackknife_over_blocks_of_items():
    text, spaces, sample, _, slopes = trend_case("quantile")
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
        _, slopes = semantics.alignment_trend(normal(seed, 100, 8), {"x": normal(1000 + seed, 100, 8)})
        hits += slopes["ci_low"].item() <= 0 <= slopes["ci_high"].item()
    assert hits >= 52  # 57 expected; an interval over pairs as if independent covers fewer


def test_trend_refuses_other_bins():
    with pytest.raises(UserError, match="bins must be 'quantile' or 'report', not 'equal'"):
        semantics.alignment_trend(normal(0, 20, 3), {}, bins="equal")


# Clusters and maps


@pytest.fixture
def blobs():
    truth = np.repeat([0, 1, 2, 3, 4], [60, 50, 40, 30, 20])
    return normal(0, 5, 12)[truth] * 5 + normal(1, 200, 12) * 0.3, truth


def test_clusters_find_blobs_and_are_numbered_by_size(blobs):
    vectors, truth = blobs
    assert (semantics.clusters(vectors) == truth).all()
    shuffled = np.random.default_rng(0).permutation(200)
    assert (semantics.clusters(vectors[shuffled] * 7) == truth[shuffled]).all()


def test_separation_is_high_where_the_labels_live_and_low_elsewhere(blobs):
    vectors, truth = blobs
    own, other = semantics.separation(vectors, truth), semantics.separation(normal(2, 200, 12), truth)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert own["nmi"] == pytest.approx(1)
    assert own["silhouette"] == pytest.approx(
        silhouette_score(1 - unit @ unit.T - np.diag(np.diag(1 - unit @ unit.T)), truth, metric="precomputed"), abs=1e-4
    )
    assert other["nmi"] < 0.15 and other["silhouette"] < 0.05


def test_umap_keeps_blobs_apart_and_is_read_from_its_cache(blobs, tmp_path, monkeypatch):
    vectors, truth = blobs
    places = semantics.umap_coordinates(vectors, tmp_path)
    assert places.shape == (200, 2)
    nearest = NearestNeighbors(n_neighbors=5).fit(places).kneighbors(return_distance=False)
    assert (truth[nearest] == truth[:, None]).mean() > 0.95
    monkeypatch.setattr(semantics, "_fit_umap", None)
    assert (semantics.umap_coordinates(torch.from_numpy(vectors), tmp_path) == places).all()
    with pytest.raises(TypeError):  # other content or another seed is not in the cache
        semantics.umap_coordinates(vectors + 1, tmp_path)
    with pytest.raises(TypeError):
        semantics.umap_coordinates(vectors, tmp_path, seed=1)


def test_dashboard_gathers_what_the_report_shows(tmp_path, monkeypatch):
    monkeypatch.setattr(semantics, "_fit_umap", lambda vectors, options: vectors[:, :2])
    text = normal(0, 150, 6)
    spaces = {"base": normal(1, 150, 4), "contrastive": text, "generative": normal(2, 150, 4)}
    data = semantics.dashboard(spaces, text, tmp_path)
    assert data.nearest_100["contrastive"].eq(1).all() and len(data.nearest_20) == 150
    assert data.slopes["space"].tolist() == data.trend["space"].unique().tolist() == list(spaces)
    assert data.separation["space"].tolist() == [*spaces, "text"]
    assert data.separation.set_index("space").loc["text", "nmi"] == pytest.approx(1)
    labels = [part["cluster"].tolist() for _, part in data.points.groupby("space")]
    assert labels.count(labels[0]) == 4 and isinstance(data.points, pd.DataFrame)  # one colouring for all maps
