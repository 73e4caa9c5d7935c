"""The audit of PtE's published rows: which blocks fail, against differences and shares computed by hand."""

import numpy as np
import pandas as pd
import pytest

from lib.core.errors import UserError
from lib.evaluation import invariants
from lib.evaluation.target_rank import mean_metrics
from lib.papers.pte import audit
from lib.papers.pte.audit_figure import audit_figure
from lib.papers.pte.published import HALF_DIGIT, LARGEST_GAIN, published


@pytest.fixture(scope="module")
def cold():
    return published("cold_start")


@pytest.fixture(scope="module")
def tail():
    return published("long_tail")


def values(cells, *names) -> pd.Series:
    return cells.set_index([*names])["value"].sort_index()


def test_the_tables_are_complete(cold, tail):
    assert len(cold) == 2 * 10 * 3 * 4 and len(tail) == 3 * 4 * 5 * 2
    assert not cold.drop(columns="value").duplicated().any() and not tail.drop(columns="value").duplicated().any()
    known = values(cold, "dataset", "backbone", "method", "metric", "k")
    assert (
        known["toys", "sasrec", "base", "ndcg", 10] == 0.0255
        and known["sports", "dreamrec", "pte", "mrr", 20] == 0.0181
    )
    known = values(tail, "dataset", "method", "group", "metric")
    assert known["beauty", "llm_esr", "head_user", "ndcg"] == 0.4032
    assert known["yelp", "base", "overall", "hr"] == 0.5940
    for cells in (cold, tail):
        assert np.allclose(cells["value"], cells["value"].round(4), atol=0)
    with pytest.raises(UserError, match="unknown table of PtE 'coldstart': did you mean 'cold_start'"):
        published("coldstart")


def failing(table) -> set:
    return set(table.loc[~table["consistent"], audit.BLOCK].itertuples(index=False, name=None))


@pytest.mark.parametrize("ties", ["expected", "optimistic"])
def test_five_of_six_cold_start_blocks_fail_and_no_other_row(cold, ties):
    table = audit.blocks(cold, ties)
    assert len(table) == 2 * 10 * 3
    every = {
        (dataset, backbone, "pte") for dataset in ("movies", "toys", "sports") for backbone in ("sasrec", "dreamrec")
    }
    assert failing(table) == every - {("movies", "sasrec", "pte")}
    assert (table["failed"] == table["failed_alone"]).all(), "no rule there looks at two blocks"


def test_what_fails_in_the_cold_start_rows(cold):
    value = values(cold[cold["method"] == "pte"], "backbone", "dataset", "metric", "k")

    def gained(backbone, dataset, metric):
        return value[backbone, dataset, metric, 20] - value[backbone, dataset, metric, 10]

    for backbone, dataset in (("sasrec", "sports"), ("dreamrec", "movies"), ("dreamrec", "sports")):
        assert gained(backbone, dataset, "mrr") < -2 * HALF_DIGIT
    assert gained("sasrec", "toys", "mrr") / gained("sasrec", "toys", "ndcg") == pytest.approx(0.97, abs=0.005)
    assert gained("dreamrec", "toys", "mrr") / gained("dreamrec", "toys", "ndcg") == pytest.approx(0.5)
    table = audit.blocks(cold).query("method == 'pte'").set_index(["backbone", "dataset"])
    falling = {("sasrec", "sports"), ("dreamrec", "movies"), ("dreamrec", "sports")}
    assert set(table.index[table["invariants"].str.contains("I1")]) == falling
    row = table.loc["dreamrec", "sports"]
    assert (
        row["worst"] == "I1 mrr@10 to @20" and row["gap"] == pytest.approx(0.0037) and row["times"] == pytest.approx(37)
    )
    assert table.loc[("sasrec", "toys"), "gap"] == pytest.approx(0.0037 - np.log2(11) / 10 * 0.0038)


def test_all_long_tail_blocks_of_pte_fail_and_one_cell_of_another_method(tail):
    table = audit.blocks(tail)
    own = {(dataset, "sasrec", "pte") for dataset in ("yelp", "fashion", "beauty")}
    assert failing(table) == own | {("yelp", "sasrec", "alphafuse")}
    counts = table.set_index(["dataset", "method"])
    assert counts.loc[("yelp", "alphafuse"), ["failed", "failed_alone"]].tolist() == [1, 1]
    assert (counts.loc[[(name, "pte") for name in ("yelp", "fashion", "beauty")], "failed_alone"] > 0).all()
    assert set(table["invariants"]) == {"", "I3"}


def test_the_shares_behind_the_long_tail(tail):
    def share(dataset, method, metric, grouping="item"):
        cell = values(tail.query("dataset == @dataset and method == @method and metric == @metric"), "group")
        head = cell[f"head_{grouping}"]
        return (cell["overall"] - head) / (cell[f"tail_{grouping}"] - head)

    table = invariants.tail_shares(tail, HALF_DIGIT).set_index(["dataset", "grouping", "method", "metric"])
    for dataset, known in (("yelp", 0.2275), ("fashion", 0.2847), ("beauty", 0.1926)):
        for method in ("base", "llm_esr", "alphafuse"):
            assert share(dataset, method, "hr") == pytest.approx(known, abs=4e-4)
            assert share(dataset, method, "ndcg") == pytest.approx(known, abs=4e-4)
        common = table.query("dataset == @dataset and grouping == 'item'")["common"]
        assert common.nunique() == 1 and common.iloc[0] == pytest.approx(known, abs=2e-4)
    for dataset, of_hr, of_ndcg in (("yelp", 0.2315, 0.2653), ("beauty", 0.1806, 0.1982)):
        assert share(dataset, "pte", "hr") == pytest.approx(of_hr, abs=5e-5)
        assert share(dataset, "pte", "ndcg") == pytest.approx(of_ndcg, abs=5e-5)
    for row in table.itertuples():
        if not np.isnan(row.low):
            dataset, grouping, method, metric = row.Index
            assert row.low <= share(dataset, method, metric, grouping) <= row.high
    assert table["low"].isna().sum() == 2 and np.isnan(table.loc[("yelp", "user", "pte", "ndcg"), "low"])


def test_rows_from_one_test_set_pass(cold):
    ranks = np.random.default_rng(0).integers(1, 200, 2000)
    real = mean_metrics(ranks, (10, 20)).query("metric != 'hr'").assign(value=lambda table: table["value"].round(4))
    block = real.assign(dataset="toys", backbone="sasrec", method="pte")
    others = cold.query("not (dataset == 'toys' and backbone == 'sasrec' and method == 'pte')")
    assert ("toys", "sasrec", "pte") not in failing(audit.blocks(pd.concat([others, block], ignore_index=True)))


def test_how_far_pte_is_above_the_best_other_row(cold, tail):
    leads = audit.leads(tail).set_index(["dataset", "group", "metric"])
    assert len(leads) == 3 * 5 * 2
    row = leads.loc[("fashion", "tail_item", "ndcg")]
    assert (row["value"], row["best"], row["of"]) == (0.2457, 0.1646, "alphafuse")
    assert row["gain_pct"] == leads["gain_pct"].max() == pytest.approx(49.27, abs=0.005)
    assert int(row["gain_pct"]) == LARGEST_GAIN
    others = values(tail[tail["method"] != "pte"], "dataset", "group", "metric")
    for cell, row in leads.iterrows():
        assert row["best"] == max(others.loc[[cell]])
    above = audit.leads(cold).query("gain_pct > @LARGEST_GAIN")
    assert set(zip(above["dataset"], above["backbone"], above["metric"], above["k"], strict=True)) == {
        ("movies", "dreamrec", "mrr", 10), ("sports", "dreamrec", "mrr", 10), ("sports", "sasrec", "ndcg", 20),
    }  # fmt: skip


def test_the_figure_shows_every_row(cold, tail):
    shares = invariants.tail_shares(tail, HALF_DIGIT)
    figure = audit_figure(invariants.gains(cold), shares)
    gained = [axes for axes in figure.axes if "cold start" in axes.get_title(loc="left")]
    assert len(gained) == 2 and len(figure.axes) == 2 + 6
    for axes in gained:
        assert {text.get_text() for text in axes.texts} == {"Movies", "Toys", "Sports"}
        points = {line.get_label(): len(line.get_xdata()) for line in axes.lines}
        assert points["PtE"] == 3 and points["other methods"] == 9 * 3
    told = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert told.count("no share fits") == 2
    assert figure.get_suptitle().endswith(f"no share of the tail fits 2 of {len(shares)} rows")
