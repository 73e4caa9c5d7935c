"""I1 to I4 hold for the metrics of any ranks, rounded or not, and each notices cells that break it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies

from lib.core.errors import UserError
from lib.evaluation.invariants import checks, gain_bounds, tail_shares, violations
from lib.evaluation.target_rank import mean_metrics

KS = (1, 5, 10, 20, 50)


def long_tail(ranks: dict, tail_item, tail_user, ks=KS) -> pd.DataFrame:
    """A result table of several methods' ranks [n] with groups of rows [n]."""
    groups = {"overall": np.full(len(tail_item), True), "tail_item": tail_item, "head_item": ~tail_item}
    groups |= {"tail_user": tail_user, "head_user": ~tail_user}
    tables = [
        mean_metrics(values[rows], ks).assign(dataset="toy", method=method, seed=1, group=group)
        for method, values in ranks.items()
        for group, rows in groups.items()
    ]
    return pd.concat(tables, ignore_index=True)


def planted(rng, ties, n=300) -> pd.DataFrame:
    draw = {"optimistic": lambda: rng.integers(1, 80, n), "expected": lambda: rng.uniform(1, 80, n)}[ties]
    return long_tail({"a": draw(), "b": draw()}, rng.random(n) < 0.3, rng.random(n) < 0.7)


@pytest.mark.parametrize(("ties", "digits"), [("optimistic", 15), ("expected", 15), ("expected", 4), ("optimistic", 2)])
def test_all_hold_for_random_ranks(ties, digits):
    for seed in range(5):
        table = planted(np.random.default_rng(seed), ties)
        rounded = table.assign(value=table["value"].round(digits))
        assert set(checks(rounded, 0.5 * 10**-digits, ties)["invariant"]) == {"I1", "I2", "I3", "I4"}
        assert violations(rounded, 0.5 * 10**-digits, ties).empty


@settings(max_examples=30, deadline=None)
@given(strategies.lists(strategies.integers(2, 140), min_size=1, max_size=30), strategies.sampled_from([2, 4, 6]))
def test_all_hold_for_any_half_ranks(doubled, digits):
    table = mean_metrics(np.array(doubled) / 2, KS)
    assert violations(table.assign(value=table["value"].round(digits)), 0.5 * 10**-digits).empty


def test_rounding_without_allowance_is_noticed():
    table = planted(np.random.default_rng(0), "expected")
    coarse = table.assign(value=table["value"].round(2))
    assert set(violations(coarse)["invariant"]) >= {"I2", "I3"}


@pytest.mark.parametrize(("k", "next_k"), [(1, 5), (10, 20), (20, 50)])
def test_bounds_of_gains_are_reached(k, next_k):
    least, most = gain_bounds(k, next_k, "optimistic")
    for rank, bound in ((next_k, least), (k + 1, most)):
        table = mean_metrics([rank], (k, next_k)).set_index(["metric", "k"])["value"]
        gained = {name: table[name, next_k] - table[name, k] for name in ("ndcg", "mrr")}
        assert gained["mrr"] / gained["ndcg"] == pytest.approx(bound)
    assert gain_bounds(k, next_k)[1] > most


def test_the_bounds_from_10_to_20():
    assert gain_bounds(10, 20, "optimistic") == pytest.approx((0.2196, 0.3259), abs=5e-5)
    assert gain_bounds(10, 20)[1] == pytest.approx(0.346, abs=5e-4)


def changed(table, value, **cell) -> pd.DataFrame:
    rows = np.logical_and.reduce([table[name] == wanted for name, wanted in cell.items()])
    assert rows.sum() == 1
    return table.assign(value=table["value"].mask(rows, value))


@pytest.mark.parametrize(
    ("cell", "shift", "broken"),
    [
        (("hr", 20), -0.3, {("I1", "hr@10 to @20"), ("I4", "ndcg and hr@20"), ("I4", "mrr and hr@20")}),
        (("hr", 5), 0.2, {("I1", "hr@5 to @10")}),
        (("mrr", 20), 0.01, {("I2", "most gain of mrr, 10 to 20"), ("I2", "least gain of mrr, 20 to 50")}),
        (("mrr", 10), 0.01, {("I2", "most gain of mrr, 5 to 10"), ("I2", "least gain of mrr, 10 to 20")}),
        (("mrr", 1), 0.01, {("I4", "mrr and ndcg@1"), ("I4", "mrr and hr@1"), ("I2", "least gain of mrr, 1 to 5")}),
    ],
)
def test_a_changed_cell_is_noticed_where_it_is(cell, shift, broken):
    table = pd.concat([mean_metrics(np.arange(1, 60)).assign(method=name) for name in "ab"])
    metric, k = cell
    value = table.query("method == 'a' and metric == @metric and k == @k")["value"].item()
    found = violations(changed(table, value + shift, method="a", metric=metric, k=k))
    assert set(found["method"]) == {"a"}
    assert set(zip(found["invariant"], found["cells"], strict=True)) == broken


def test_how_far_a_cell_misses():
    table = mean_metrics(np.arange(1, 60), (10, 20)).query("metric == 'mrr'")
    first, second = table["value"]
    (row,) = violations(table.assign(value=[first, first - 0.003]), 5e-5).to_dict("records")
    assert row["gap"] == pytest.approx(0.003) and row["allowed"] == pytest.approx(1e-4) and second > first
    assert violations(table.assign(value=[first, first - 0.0001]), 5e-5).empty
    assert len(violations(table.assign(value=[first, first - 0.00011]), 5e-5)) == 1


def test_the_share_of_tail_rows_is_found_again():
    rng = np.random.default_rng(4)
    tail_item, tail_user = rng.random(500) < 0.2, rng.random(500) < 0.8
    table = long_tail({"a": rng.integers(1, 90, 500), "b": rng.integers(1, 90, 500)}, tail_item, tail_user)
    shares = tail_shares(table.assign(value=table["value"].round(4)), 5e-5)
    assert len(shares) == 2 * 2 * 3 * len(KS)
    for grouping, tail in (("item", tail_item), ("user", tail_user)):
        part = shares[shares["grouping"] == grouping]
        assert ((part["low"] <= tail.mean()) & (tail.mean() <= part["high"])).all()
        assert part["common"].to_numpy() == pytest.approx(tail.mean(), abs=0.01) and part["common"].nunique() == 1
        assert (part["gap"] <= 1e-4 + 1e-9).all()


def test_a_method_tested_on_other_rows_is_noticed():
    rng = np.random.default_rng(2)
    tail_item, tail_user = rng.random(400) < 0.3, rng.random(400) < 0.7
    table = long_tail({name: rng.integers(1, 60, 400) for name in "ab"}, tail_item, tail_user, (5, 10))
    other = rng.random(400) < 0.5
    alien = long_tail({"c": np.where(other, 3, rng.integers(1, 60, 400))}, other, tail_user, (5, 10))
    found = violations(pd.concat([table, alien], ignore_index=True))
    assert set(found["invariant"]) == {"I3"} and set(found["method"]) == {"c"} and set(found["group"]) == {"item"}
    assert violations(alien).empty, "by itself it is sound"
    apart = pd.concat([table, alien.assign(dataset="elsewhere")], ignore_index=True)
    assert violations(apart).empty, "each dataset has rows of its own"


def test_overall_beyond_both_groups_has_no_share():
    table = long_tail({"a": np.arange(1, 31)}, np.arange(30) < 9, np.arange(30) < 20, (10,))
    beyond = changed(table, 0.99, group="overall", metric="hr")
    row = tail_shares(beyond).query("metric == 'hr' and grouping == 'user'").iloc[0]
    assert np.isnan(row["low"]) and row["gap"] > 0.3
    assert ("I3", "user") in set(violations(beyond)[["invariant", "group"]].itertuples(index=False, name=None))


def test_equal_groups_allow_every_share():
    values = {"overall": 0.5, "tail_item": 0.5, "head_item": 0.5}
    table = pd.DataFrame({"group": values.keys(), "metric": "hr", "k": 10, "value": values.values()})
    (row,) = tail_shares(table).to_dict("records")
    assert (row["low"], row["high"]) == (0, 1) and violations(table).empty


def test_tables_of_one_metric_and_cutoff_and_of_others_beside():
    alone = pd.DataFrame({"method": ["a", "b"], "metric": "hr", "k": 10, "value": [0.1, 0.2]})
    assert checks(alone).empty
    beside = pd.concat([alone, alone.assign(metric="coverage", value=40.0)])
    assert violations(beside).empty


def test_methods_with_other_cutoffs_and_seeds():
    ranks = np.random.default_rng(1).integers(1, 60, (3, 90))
    tables = [mean_metrics(ranks[0], (10, 20)).assign(method="a", seed=1), mean_metrics(ranks[1], (5, 50))]
    tables = [tables[0], *(tables[1].assign(method="b", seed=seed, published=np.nan) for seed in (1, 2))]
    found = checks(pd.concat(tables, ignore_index=True))
    assert found["holds"].all() and len(found.query("invariant == 'I1'")) == 3 * 3
    assert len(found.query("invariant == 'I2'")) == 3 * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.assign(value=table["value"] * 100), r"a hr@1 is .*numbers from 0 to 1, not percent"),
        (lambda table: table.assign(value=np.nan), "a hr@1 is nan"),
        (lambda table: pd.concat([table, table]), "a hr@1 stands twice: tell the two apart"),
    ],
)
def test_what_is_no_result_table(change, message):
    table = mean_metrics([1, 2, 3], (1, 5)).assign(method="a")
    with pytest.raises(UserError, match=message):
        violations(change(table))


def test_an_unknown_way_to_count_ties():
    with pytest.raises(UserError, match="unknown ties 'half'"):
        checks(mean_metrics([1]), ties="half")
