"""Nearness to published numbers, against sums by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_runs import run

from lib.analysis.published import published_table
from lib.papers.rlmrec import reproduction
from lib.papers.rlmrec.ranking_table import ranking_table

# One value


@pytest.fixture
def references(tmp_path):
    """A folder with one cell of the paper and one of our own."""
    paper = dict(dataset="amazon", backbone="lightgcn", alignment="base", metric="recall", k=20, value=0.1)
    own = paper | dict(dataset="movielens-100k", scale="tiny", encoder="none", seed=2023)
    pd.DataFrame([paper]).to_csv(tmp_path / "rlmrec_table1.csv", index=False)
    pd.DataFrame([own]).to_csv(tmp_path / "own_runs.csv", index=False)
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "value", "sentence"),
    [
        ({}, 0.1019, "recall@20 is within 2% of 0.1000 (the paper, mean of five seeds)"),
        ({}, 0.0979, "recall@20 is NOT within 2% of 0.1000 (the paper, mean of five seeds)"),
        (dict(dataset="movielens-100k", scale="tiny"), 0.104, "recall@20 is within 5% of 0.1000 (our own run)"),
        (dict(dataset="movielens-100k", scale="tiny"), 0.106, "recall@20 is NOT within 5% of 0.1000 (our own run)"),
        (dict(scale="quick"), 0.1, "recall@20: there is no reference for this setting"),
        (dict(alignment="contrastive"), 0.1, "recall@20: there is no reference for this setting"),
    ],
)
def test_verdict_compares_with_the_right_reference(references, changes, value, sentence):
    made = run(**changes)
    made.metrics.test["recall@20"] = value
    assert reproduction.run_verdict(made, "recall@20", references) == sentence


def test_own_runs_are_what_verdict_reads(tmp_path, references):
    made = [run(dataset="movielens-100k", scale="tiny", alignment=name) for name in ("base", "contrastive")]
    reproduction.own_runs(made).to_csv(references / "own_runs.csv", index=False)
    for one in made:
        for metric in ("recall@20", "ndcg@20"):
            assert "is within 5% of" in reproduction.run_verdict(one, metric, references)


# Rows


PAPER = {"recall@5": 0.06, "recall@20": 0.15, "ndcg@20": 0.09}


OTHERS = {"recall@5": 0.05, "recall@20": 0.14, "ndcg@20": 0.10}


def ranking(**values):
    """A frame of `ranking_table`: lists of values by seed, of one base model and of an aligned one that counts not."""
    rows = []
    for name, seeds in values.items():
        metric, k = name.split("_")[0], int(name.split("_")[1])
        key = f"{metric}@{k}"
        for alignment in ("base", "contrastive"):
            for seed, value in enumerate(seeds):
                cell = dict(dataset="amazon", encoder="none", backbone="gccf", alignment=alignment, seed=seed, k=k)
                cell |= dict(metric=metric, value=value, published=PAPER[key], third_party=OTHERS[key])
                rows.append(cell | dict(comparable=alignment == "base"))
    return pd.DataFrame(rows)


def test_rows_are_measured_against_the_nearer_reference():
    table = reproduction.reproduction_table(
        ranking(recall_5=[0.059, 0.0605], recall_20=[0.138, 0.139], ndcg_20=[0.0942, 0.0938])
    )
    assert len(table) == 3 and set(table["alignment"]) == {"base"}
    found = table.set_index(["metric", "k"])
    assert found.loc[("recall", 5), "deviation"] == pytest.approx(0.05975 / 0.06 - 1)
    assert found.loc[("recall", 20), "deviation"] == pytest.approx(0.1385 / 0.14 - 1)
    assert found.loc[("ndcg", 20), "deviation"] == pytest.approx(0.094 / 0.09 - 1)
    sd = np.std([0.0942, 0.0938], ddof=1)  # against the mean of five seeds
    assert found.loc[("ndcg", 20), "times_noise"] == pytest.approx(0.004 / (sd * (1 / 2 + 1 / 5) ** 0.5))
    assert found["verdict"].to_dict() == {("recall", 5): "within", ("recall", 20): "within", ("ndcg", 20): "outside"}


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.1373], "within"),  # 1.9% below the others' run
        ([0.1371], "outside"),  # 2.1%, and one seed does not tell how far seeds go
        ([0.1341, 0.1401], "outside, no more than seeds do"),
        ([0.1370, 0.1372], "outside"),  # two seeds that agree
    ],
)
def test_verdict_of_a_row(values, verdict):
    assert reproduction.reproduction_table(ranking(recall_20=values))["verdict"].tolist() == [verdict]


def test_layout_marks_what_is_outside():
    table = reproduction.reproduction_table(ranking(recall_20=[0.13], ndcg_20=[0.0905], recall_5=[0.06]))
    line = reproduction.reproduction_layout(table).iloc[0]
    assert line[["R@5", "R@20", "N@20"]].tolist() == ["+0.0%", r"−7.1% (run)\*", "+0.6%"]
    assert list(reproduction.reproduction_layout(table))[-3:] == ["R@5", "R@20", "N@20"] and line["seeds"] == 1
    first, second = reproduction.reproduction_sentences(table)
    assert first == "recall@20: 0 of 1 within 2% of the paper or the public run (0 of the paper itself), 1 outside"
    assert second == "the other metrics: 2 of 2 within 3% of the paper or the public run (2 of the paper itself)"
    near_the_run = reproduction.reproduction_table(ranking(recall_20=[0.1375]))
    assert (
        "1 of 1 within 2% of the paper or the public run (0 of" in reproduction.reproduction_sentences(near_the_run)[0]
    )


def test_nothing_comparable_is_said():
    table = reproduction.reproduction_table(ranking_table([run(scale="quick")], published_table("rlmrec_table1")))
    assert not len(table) and not len(reproduction.reproduction_layout(table))
    assert reproduction.reproduction_sentences(table) == [
        "no cell has the paper's data, protocol and texts: there is nothing to reproduce"
    ]


def test_the_papers_gains_are_counted_by_hand():
    assert reproduction.rows_above_base(published_table("rlmrec_table1"), "yelp") == (
        "contrastive: above base in 6 of 6; generative: above base in 5 of 6"  # gccf .1074 against .1084
    )
    assert reproduction.rows_above_base(published_table("rlmrec_table1"), "mine") == ""  # no finding of other data


# Learning curves


def trained(seed, values, alignment="base", scale="paper"):
    """A run with validation recall at epochs 0, 3 and 6."""
    history = pd.DataFrame({"epoch": range(7), "recall@20": np.nan})
    history.loc[[0, 3, 6], "recall@20"] = values
    settings = SimpleNamespace(dataset="amazon", scale=scale, alignment=alignment, encoder="minilm")
    return SimpleNamespace(settings=settings, history=history.assign(backbone="gccf", alignment=alignment, seed=seed))


LOGS = pd.DataFrame(
    [("amazon", 0, 0.02), ("amazon", 3, 0.05), ("amazon", 15, 0.08), ("yelp", 0, 0.5), ("amazon", "best", 0.13)],
    columns=["dataset", "epoch", "validation_recall20"],
).assign(backbone="gccf", alignment="base")


def test_curves_meet_public_logs_epoch_by_epoch():
    runs = [trained(1, [0.02, 0.05, 0.06]), trained(2, [0.028, 0.07, 0.08])]
    others = [trained(1, [1, 1, 1], "contrastive"), trained(1, [1, 1, 1], scale="quick")]
    table = reproduction.curve_points([*runs, *others], LOGS)
    assert table["epoch"].tolist() == [0, 3]
    np.testing.assert_allclose(table["difference"], [0.004, 0.01])
    sentence = reproduction.curve_sentence(table)
    assert sentence.startswith("1 of 2 points") and sentence.endswith("gccf at epoch 3: 0.0600, public 0.0500")


def test_curves_without_a_public_log():
    table = reproduction.curve_points([trained(1, [1, 1, 1], scale="quick")], LOGS)
    assert reproduction.curve_sentence(table) == "no public log has this setting"


def test_the_table_of_curves_holds_every_point_of_the_figure():
    runs = [trained(1, [0.02, 0.05, 0.06]), trained(2, [0.028, 0.09, 0.08])]
    histories = pd.concat([run.history for run in runs])
    histories.loc[histories["epoch"] == 1, "recall@20"] = np.nan  # an epoch without evaluation
    points = reproduction.curve_points(runs, LOGS)
    table = reproduction.curve_table(histories, points)
    evaluated = histories.dropna(subset="recall@20")
    for seed, part in evaluated.groupby("seed"):
        own = table[table["run"] == f"seed {seed}"]
        assert own[["epoch", "recall@20"]].to_numpy().tolist() == part[["epoch", "recall@20"]].to_numpy().tolist()
        assert own.loc[own["weights_used"], "recall@20"].tolist() == [part["recall@20"].max()]
    public = table[table["run"] == "public"]
    assert public["recall@20"].tolist() == points["public"].tolist() and not public["weights_used"].any()
    assert set(reproduction.curve_table(histories, points[:0])["run"]) == {"seed 1", "seed 2"}
