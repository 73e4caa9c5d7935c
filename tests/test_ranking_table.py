"""RLMRec's ranking table: values by hand and the paper's own cells."""

import numpy as np
import pandas as pd
import pytest
from made_runs import run

from lib.analysis import comparisons
from lib.analysis.published import published_table
from lib.papers.rlmrec.ranking_table import ranking_layout, ranking_table

NO_TESTS = pd.DataFrame()


@pytest.fixture
def paper():
    return published_table("rlmrec_table1")


def test_ranking_is_tidy_and_stands_beside_the_paper(paper):
    runs = [run(), run(alignment="contrastive"), run(dataset="movielens-100k")]
    table = ranking_table(runs, paper)
    assert list(table) == [
        "dataset", "encoder", "backbone", "alignment", "seed", "metric", "k", "value", "published", "comparable",
        "third_party",
    ]  # fmt: skip
    cells = table.set_index(["dataset", "alignment", "metric", "k"])
    assert cells.loc[("amazon", "base", "recall", 20), "published"] == 0.1411
    assert cells.loc[("amazon", "contrastive", "ndcg", 5), "published"] == 0.0606
    assert cells.loc[("amazon", "base", "recall", 20), "value"] == runs[0].metrics.test["recall@20"]
    assert table.loc[table["dataset"] == "movielens-100k", "published"].isna().all() and len(table) == 18
    pd.testing.assert_frame_equal(ranking_table(runs[::-1], paper), table)


@pytest.mark.parametrize(
    "changes, comparable",
    [
        ({}, True),
        ({"scale": "quick"}, False),
        ({"alignment": "generative"}, False),
        ({"alignment": "generative", "encoder": "published"}, True),
        ({"dataset": "movielens-100k"}, False),
    ],
)
def test_only_the_papers_setting_is_comparable(paper, changes, comparable):
    assert ranking_table([run(**changes)], paper)["comparable"].unique().tolist() == [comparable]


def test_ranking_layout_shows_ours_the_paper_and_the_difference(paper):
    runs = [run(alignment="contrastive", seed=1, shift=0.2), *(run(seed=seed) for seed in (1, 2, 3))]
    tests = comparisons.against_base(runs)
    layout = ranking_layout(ranking_table(runs, paper), tests, comparisons.best_models(runs))
    assert list(layout) == ["backbone", "alignment", "source", "R@5", "R@10", "R@20", "N@5", "N@10", "N@20"]
    assert layout["alignment"].tolist() == ["base"] * 3 + ["contrastive"] * 2
    assert layout["source"].tolist() == ["ours", "paper", "difference", "ours", "paper, other setting"]
    values = [each.metrics.test["recall@20"] for each in runs[1:]]
    assert layout.loc[0, "R@20"] == f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}"
    assert layout.loc[1, "R@20"] == "0.1411"
    assert layout.loc[2, "R@20"] == f"{np.mean(values) / 0.1411 - 1:+.1%}".replace("-", "−")
    assert layout.loc[3, "R@20"] == rf"**{runs[0].metrics.test['recall@20']:.4f}**\*"
    assert layout.loc[4, "R@20"] == "0.1483"


def test_the_run_of_others_stands_below_the_paper(paper):
    others = published_table("rlmrec_third_party_seed2023")
    table = ranking_table([run(), run(dataset="movielens-100k")], paper, others)
    wanted = others.query("dataset == 'amazon' and backbone == 'lightgcn' and alignment == 'base'")
    found = table[table["dataset"] == "amazon"].set_index(["metric", "k"])["third_party"]
    assert found.to_dict() == wanted.set_index(["metric", "k"])["value"].to_dict()
    assert table.loc[table["dataset"] == "movielens-100k", "third_party"].isna().all()
    layout = ranking_layout(table[table["dataset"] == "amazon"], NO_TESTS, set())
    assert layout["source"].tolist() == ["ours", "paper", "difference", "third party, one seed"]


def test_ranking_layout_stars_only_what_survives_the_correction(paper):
    table = ranking_table([run(), run(alignment="contrastive", seed=1)], paper)
    tests = comparisons.against_base([run(), run(alignment="contrastive", seed=1)])
    tests["verdict"] = np.where(tests["metric"] == "ndcg@10", "worse", "inconclusive")
    layout = ranking_layout(table, tests, set())
    stars = [name for name in layout if layout[name].str.contains(r"\*", regex=False).any()]
    assert stars == ["N@10"] and "\\*" not in layout.loc[0, "N@10"]


def test_ranking_layout_of_own_data_has_no_paper_rows_and_follows_the_papers_order(paper):
    runs = [run(b, a, dataset="movielens-100k") for a in ("generative", "base") for b in ("autocf", "lightgcn", "gccf")]
    layout = ranking_layout(ranking_table(runs, paper), NO_TESTS, set())
    assert list(layout)[:3] == ["backbone", "alignment", "R@5"]
    assert layout["backbone"].tolist() == ["gccf", "gccf", "lightgcn", "lightgcn", "autocf", "autocf"]
    assert layout["alignment"].tolist() == ["base", "generative"] * 3


def test_matched_bases_stand_between_base_and_the_aligned(paper):
    runs = [run(seed=1), run(alignment="base@contrastive", seed=2), run(alignment="contrastive", seed=3)]
    tests = comparisons.against_base(runs)
    layout = ranking_layout(ranking_table(runs, paper), tests, set())
    assert layout["alignment"].drop_duplicates().tolist() == ["base", "base@contrastive", "contrastive"]
