"""What tables say of ranking: the mean over backbones decides, the sparse must gain, a study needs all conditions."""

import numpy as np
import pandas as pd
import pytest

from lib.evaluation.verdicts import claims_on_ranking

# Over all backbones


def comparisons(*rows, columns=("verdict",)) -> pd.DataFrame:
    """Rows of (alignment, against, values in `columns`)."""
    return pd.DataFrame(rows, columns=["alignment", "against", *columns])


def test_a_claim_is_about_the_mean_over_backbones_and_counts_each():
    columns = ("verdict", "detectable", "base")
    table = comparisons(
        ("contrastive", "base", "better", 0.01, 0.1),
        ("contrastive", "base", "inconclusive", 0.004, 0.1),
        ("contrastive", "base", "inconclusive", 0.01, 0.2),
        ("contrastive", "base@contrastive", "worse", 0.01, 0.1),
        ("generative", "base", "inconclusive", np.nan, 0.1),
        ("kar", "base", None, 0.1, 0.1),  # shown beside the paper's table, not counted
        columns=columns,
    )
    effects = [
        ("contrastive", "base", 3, 0.018, 0.002, 0.034, 0.03, "better"),
        ("contrastive", "matched base", 1, -0.02, np.nan, np.nan, np.nan, "inconclusive"),
        ("generative", "base", 1, 0.01, np.nan, np.nan, np.nan, "inconclusive"),
    ]
    names = ["alignment", "against", "backbones", "difference", "ci_low", "ci_high", "p", "verdict"]
    assert claims_on_ranking.ranking_claims(pd.DataFrame(effects, columns=names), table) == [
        "contrastive against base: supported, +1.8% on average of 3 [+0.2%, +3.4%]; by itself better in 1, worse in 0, "
        "inconclusive in 2 (differences of 4.0% to 5.0% would show)",
        "contrastive against base with the same settings: inconclusive, -2.0% on average of 1, without an interval; "
        "by itself better in 0, worse in 1",
        "generative against base: inconclusive, +1.0% on average of 1, without an interval; by itself better in 0, "
        "worse in 0, inconclusive in 1 (the spread between seeds is unknown)",
    ]
    assert claims_on_ranking.ranking_claims(pd.DataFrame(columns=names), table[:0]) == [claims_on_ranking.NOTHING]


# Sparse against dense


def test_verdicts_tell_a_gain_from_a_smaller_loss():
    row = {"backbone": "gccf", "alignment": "generative", "against": "base", "detectable": 0.03}
    cases = [(0.01, 0.05, "GAIN MORE than dense"), (-0.01, 0.05, "fare better, without"), (0.01, -0.05, "fare worse")]
    for low, difference, words in cases:
        verdict = "better" if difference > 0 else "worse"
        table = pd.DataFrame([row | {"sparse_low": low, "verdict": verdict}])
        assert f"sparse items {words}" in claims_on_ranking.sparsity_verdicts(table, "item")[0]
    open_ = pd.DataFrame([row | {"sparse_low": 0.1, "verdict": "inconclusive"}])
    assert claims_on_ranking.sparsity_verdicts(open_, "item")[0].endswith(
        "not told apart from dense ones (0.0300 would show)"
    )


def test_claims_on_sparsity():
    def claim(*rows):
        table = pd.DataFrame(rows, columns=["sparse_low", "verdict"])
        return claims_on_ranking.sparsity_claim(table.assign(detectable=0.1))

    more, less, open_ = (0.1, "better"), (0.1, "worse"), (0.1, "inconclusive")
    unsure = (-0.1, "better")  # more than the dense, who lose, but no sure gain
    assert claim(more, more) == "supported: the sparse gain more in 2 of 2, fare worse in 0"
    assert claim(more, more, open_).startswith("inconclusive") and claim(more, less).startswith("inconclusive")
    assert claim(open_).startswith("inconclusive") and claim(unsure).startswith("inconclusive")
    assert claim(less, open_) == "not supported: the sparse gain more in 0 of 2, fare worse in 1"


def test_claims_on_sparsity_are_made_for_each_kind_of_base():
    table = comparisons(
        ("contrastive", "base", 0.1, "better"),
        ("generative", "base@generative", 0.1, "worse"),
        columns=("sparse_low", "verdict"),
    )
    assert claims_on_ranking.sparsity_claims(table) == (
        "against base: supported: the sparse gain more in 1 of 1, fare worse in 0; "
        "against base with the same settings: not supported: the sparse gain more in 0 of 1, fare worse in 1"
    )


# A study


@pytest.fixture
def study():
    """Two comparisons of which one is told apart, and one of another metric."""
    rows = [("contrastive", 0.0, "recall@20", 0.02, "better"), ("contrastive", 0.5, "recall@20", 0.0, "inconclusive")]
    rows += [("contrastive", 0.0, "ndcg@20", -0.02, None)]  # not read by the claim
    table = pd.DataFrame(rows, columns=["alignment", "noise", "metric", "difference", "verdict"])
    return table.assign(ci_low=table["difference"] - 0.01, ci_high=table["difference"] + 0.01, detectable=0.005)


def test_a_study_needs_all_of_its_comparisons(study):
    claim = claims_on_ranking.study_claim
    assert claim(study) == "inconclusive (better in 1 of 2, worse in 0)"
    assert claim(study[:1]) == "supported (better in 1 of 1, worse in 0)"
    assert claim(study[1:2]).startswith("inconclusive")
    assert claim(study[:1].assign(verdict="worse")).startswith("not supported")


def test_a_study_says_each_comparison_by_its_labels(study):
    assert claims_on_ranking.study_verdicts(study) == [
        "contrastive 0.0: +0.0200 [+0.0100, +0.0300], better",
        "contrastive 0.5: +0.0000 [-0.0100, +0.0100], inconclusive (0.0050 would show)",
    ]
    unknown = study[1:2].assign(detectable=np.nan)
    assert claims_on_ranking.study_verdicts(unknown)[0].endswith("inconclusive (seeds' spread unknown)")


def test_a_grid_of_base_models_is_said_to_compare_nothing():
    """In place of every sentence on a comparison, from tables without rows."""
    said = claims_on_ranking
    studied = pd.DataFrame(columns=["alignment", "noise", "metric", "verdict"])
    sparse = pd.DataFrame(columns=["backbone", "alignment", "against", "verdict"])
    assert said.study_verdicts(studied) == said.sparsity_verdicts(sparse, "user") == [said.NOTHING]
    assert said.study_claim(studied) == said.sparsity_claims(sparse) == said.NOTHING
    assert said.study_claims(studied) == {"base": said.NOTHING}
