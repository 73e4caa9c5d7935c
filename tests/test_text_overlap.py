"""Neighbours and overlap against scikit-learn's exact search, Python sets, enumeration and the delta method."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from lib.analysis import text_overlap
from lib.core.errors import UserError


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


# Neighbours and overlap


@pytest.mark.parametrize("chunk", [7, 1024])
def test_neighbours_are_those_of_an_exact_search(monkeypatch, chunk):
    monkeypatch.setattr(text_overlap, "CHUNK", chunk)
    vectors = normal(0, 200, 8) * np.random.default_rng(1).uniform(0.1, 9, (200, 1)).astype(np.float32)
    found = text_overlap.neighbours(vectors, 10)
    exact = NearestNeighbors(n_neighbors=11, algorithm="brute", metric="cosine").fit(vectors)
    assert (found == exact.kneighbors(return_distance=True, n_neighbors=10)[1]).all()  # X=None leaves the item out


def test_an_item_is_never_its_own_neighbour_even_among_duplicates():
    vectors = np.repeat(normal(0, 20, 4), 5, axis=0)
    found = text_overlap.neighbours(vectors, 4)
    for item, near in enumerate(found):
        assert set(near) == {5 * (item // 5) + twin for twin in range(5)} - {item}


def test_neighbours_of_tensors_and_of_too_few_items():
    vectors = normal(0, 30, 4)
    parameter = torch.nn.Parameter(torch.from_numpy(vectors))
    assert (text_overlap.neighbours(parameter, 5) == text_overlap.neighbours(vectors, 5)).all()
    with pytest.raises(UserError, match="30 neighbours among 30 items: use at most 29"):
        text_overlap.neighbours(vectors, 30)


def test_overlap_equals_python_sets():
    a, b = text_overlap.neighbours(normal(0, 80, 5), 12), text_overlap.neighbours(normal(1, 80, 5), 12)
    expected = [len(set(x) & set(y)) / len(set(x) | set(y)) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    np.testing.assert_allclose(text_overlap.neighbour_overlap(a, b), expected, rtol=1e-12)


def test_chance_overlap_equals_enumeration_and_known_values():
    subsets = [set(subset) for subset in combinations(range(6), 3)]  # 3 of the 6 others
    expected = np.mean([len(a & b) / len(a | b) for a in subsets for b in subsets])
    assert text_overlap.chance_overlap(7, 3) == pytest.approx(expected)
    for n, k, value in ((3000, 100, 0.0170), (9332, 100, 0.0054), (11010, 100, 0.0046), (5237, 100, 0.0096)):
        assert text_overlap.chance_overlap(n, k) == pytest.approx(value, abs=1e-4)


def test_identical_spaces_overlap_fully_and_random_ones_by_chance():
    text = normal(0, 3000, 64)
    spaces = {"same": text * 3, "random": normal(1, 3000, 32)}
    means = text_overlap.item_overlap(spaces, text, 100).mean()
    assert means["same"] == 1
    assert means["random"] == pytest.approx(0.017, abs=0.001)


def test_mean_overlap_measures_each_setting_and_brackets_it():
    text = normal(0, 3100, 16)
    spaces = {"ego": text + normal(1, 3100, 16), "final": normal(2, 3100, 8)}
    table = text_overlap.mean_overlap(spaces, text, np.random.default_rng(0), ks=(5, 20))
    names = ["vectors", "items", "neighbours", "mean_jaccard", "ci_low", "ci_high", "chance", "permuted"]
    assert list(table) == names and len(table) == 8
    assert (table["ci_low"] < table["mean_jaccard"]).all() and (table["mean_jaccard"] < table["ci_high"]).all()
    for row in table.itertuples():
        n = 3100 if row.items == "all" else 3000
        values = text_overlap.item_overlap({"x": spaces[row.vectors]}, text, row.neighbours, n)["x"]
        assert len(values) == n and row.mean_jaccard == pytest.approx(values.mean())
        error = 1.96 * values.std() / np.sqrt(n)
        assert row.ci_high - row.ci_low == pytest.approx(2 * error, rel=0.3)
        assert row.permuted == pytest.approx(row.chance, abs=0.001)  # meaning is lost with the pairing


def test_permuting_the_lists_equals_permuting_the_texts():
    text, space = normal(0, 120, 6), normal(1, 120, 6)
    table = text_overlap.mean_overlap({"x": text + space}, text, np.random.default_rng(5), ks=(9,), items=("all",))
    other = np.random.default_rng(5).permutation(120)
    expected = text_overlap.item_overlap({"x": text + space}, text[other], 9)["x"].mean()
    assert table["permuted"].item() == pytest.approx(expected)


def test_mean_overlap_is_one_measurement_where_all_items_are_the_first_3000():
    text = normal(0, 150, 6)
    table = text_overlap.mean_overlap({"x": normal(1, 150, 6)}, text, np.random.default_rng(0), ks=(5,))
    assert table["items"].tolist() == ["all", "first3000"]
    assert table.drop(columns="items").nunique().eq(1).all()
    with pytest.raises(UserError, match="items must be 'all' or 'first3000', not 'half'"):
        text_overlap.mean_overlap({"x": text}, text, np.random.default_rng(0), items=("half",))


# Gains over base


def two_backbones():
    text = normal(0, 400, 8)
    spaces = {("gccf", "base"): text + 2 * normal(1, 400, 8), ("gccf", "contrastive"): text + normal(1, 400, 8)}
    return spaces | {("sgl", "generative"): normal(2, 400, 8), ("sgl", "base"): text[:, :4]}, text


def test_overlap_gains_hold_the_levels_of_each_model_and_its_change():
    spaces, text = two_backbones()
    table = text_overlap.overlap_gains(spaces, text, np.random.default_rng(0), ks=(5, 20), n_items=300)
    assert len(table) == 8 and table["neighbours"].tolist() == [5] * 4 + [20] * 4
    for row in table.itertuples():
        labels = {"own": spaces[row.backbone, row.alignment], "base": spaces[row.backbone, "base"]}
        values = text_overlap.item_overlap(labels, text, row.neighbours, 300)
        assert row.mean_jaccard == pytest.approx(values["own"].mean())
        assert row.chance == text_overlap.chance_overlap(300, row.neighbours)
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
    row = text_overlap.gains_over_base(values, rng, draws=4000).loc[("x", "contrastive")]
    low, high = stats.t.interval(0.95, 499, change.mean(), stats.sem(change))
    assert [row["difference_low"], row["difference_high"]] == pytest.approx([low, high], rel=0.01)
    # the delta method for a ratio of two means of the same items
    error = 1.96 * stats.sem((base + change) - (base + change).mean() / base.mean() * base) / base.mean()
    gain = 100 * change.mean() / base.mean()
    assert row["gain_pct"] == pytest.approx(gain)
    assert [row["gain_low"], row["gain_high"]] == pytest.approx([gain - 100 * error, gain + 100 * error], rel=0.01)
    assert 1.96 * row["gain_error"] == pytest.approx(100 * error) and row["freedom"] == 499


def test_a_gain_needs_its_base():
    spaces, text = two_backbones()
    del spaces["sgl", "base"]
    with pytest.raises(UserError, match="no base run of sgl"):
        text_overlap.overlap_gains(spaces, text, np.random.default_rng(0), ks=(5,))
