"""What tables say of ranking: users and seeds must agree, the sparse must gain, and one seed settles nothing."""

import numpy as np
import pandas as pd
import pytest

from lib.core.names import COMPARISON
from lib.evaluation.verdicts import claims_on_ranking

# Over users and seeds


def judged(difference, p_users, p_seeds):
    key = dict(zip(COMPARISON, ("toy", "minilm", "gccf", "contrastive", "base", "recall@20"), strict=True))
    tests = pd.DataFrame([key | {"difference": difference, "ci_low": 0, "ci_high": 0, "p_holm": p_users}])
    over = pd.DataFrame([key | {"seeds": 3, "base_seeds": 3, "base": 0.2, "base_sd": 0.01, "p_holm": p_seeds}])
    return claims_on_ranking.judged(tests, over).verdict.item()


def test_a_difference_holds_where_users_and_seeds_agree():
    assert judged(0.1, 0.01, 0.01) == "better"
    assert judged(-0.1, 0.01, 0.01) == "worse"
    assert judged(0.1, 0.01, np.nan) == "better over users only"
    assert judged(-0.1, 0.01, np.nan) == "worse over users only"
    assert {judged(0.1, *p) for p in [(0.2, 0.01), (0.01, 0.2), (0.2, np.nan)]} == {"not told apart"}


def test_claims():
    assert claims_on_ranking.ranking_claim(["better"] * 3).startswith("supported: better in 3 of 3")
    assert claims_on_ranking.ranking_claim(["better", "not told apart"]).startswith("inconclusive")
    assert claims_on_ranking.ranking_claim(["better over users only"] * 2) == (
        "inconclusive: better in 0 of 2, worse in 0 (over users only: better in 2 more, worse in 0 more)"
    )
    mixed = ["better", "worse", "worse over users only"]
    assert claims_on_ranking.ranking_claim(mixed) == (
        "inconclusive: better in 1 of 3, worse in 1 (over users only: better in 0 more, worse in 1 more)"
    )
    assert claims_on_ranking.ranking_claim(["worse", "not told apart"]) == "not supported: better in 0 of 2, worse in 1"
    assert claims_on_ranking.ranking_claim(["worse over users only", "not told apart"]).startswith("inconclusive")
    assert claims_on_ranking.ranking_claim(["not told apart"] * 3).startswith("inconclusive")


def comparisons(*rows, columns=("verdict",)) -> pd.DataFrame:
    """Rows of (alignment, against, values in `columns`)."""
    return pd.DataFrame(rows, columns=["alignment", "against", *columns])


def test_a_claim_is_made_for_each_alignment_of_the_paper_and_each_kind_of_base():
    table = comparisons(
        ("contrastive", "base", "better"),
        ("generative", "base", "worse"),
        ("contrastive", "base", "better"),
        ("contrastive", "base@contrastive", "better"),
        ("contrastive", "base@contrastive", "not told apart"),
        ("kar", "base", "better"),  # shown beside the paper's table, not counted
        ("contrastive+weight=1", "base", "worse"),
    )
    assert claims_on_ranking.ranking_claims(table) == [
        "contrastive against base: supported: better in 2 of 2, worse in 0",
        "contrastive against base with the same settings: inconclusive: better in 1 of 2, worse in 0",
        "generative against base: not supported: better in 0 of 1, worse in 1",
    ]
    assert claims_on_ranking.ranking_claims(table[:0]) == []


# Sparse against dense


def test_verdicts_tell_a_gain_from_a_smaller_loss():
    row = {"backbone": "gccf", "alignment": "generative", "against": "base", "p_holm": 0.01}
    cases = [(0.01, 0.05, "GAIN MORE than dense"), (-0.01, 0.05, "fare better, without"), (0.01, -0.05, "fare worse")]
    for low, difference, words in cases:
        table = pd.DataFrame([row | {"sparse_low": low, "difference": difference}])
        assert f"sparse items {words}" in claims_on_ranking.sparsity_verdicts(table, "item")[0]


def test_claims_on_sparsity():
    def claim(*rows):
        return claims_on_ranking.sparsity_claim(pd.DataFrame(rows, columns=["sparse_low", "difference", "p_holm"]))

    more, less, open_ = (0.1, 0.1, 0.01), (0.1, -0.1, 0.01), (0.1, 0.1, 0.5)
    unsure = (-0.1, 0.1, 0.01)  # more than the dense, who lose, but no sure gain
    assert claim(more, more) == "supported: the sparse gain more in 2 of 2, fare worse in 0"
    assert claim(more, more, open_).startswith("inconclusive") and claim(more, less).startswith("inconclusive")
    assert claim(open_).startswith("inconclusive") and claim(unsure).startswith("inconclusive")
    assert claim(less, open_) == "not supported: the sparse gain more in 0 of 2, fare worse in 1"


def test_claims_on_sparsity_are_made_for_each_kind_of_base():
    columns = ("sparse_low", "difference", "p_holm")
    table = comparisons(
        ("contrastive", "base", 0.1, 0.1, 0.01),
        ("generative", "base@generative", 0.1, -0.1, 0.01),
        ("kar", "base", 0.1, -0.1, 0.01),  # not counted
        columns=columns,
    )
    assert claims_on_ranking.sparsity_claims(table) == (
        "against base: supported: the sparse gain more in 1 of 1, fare worse in 0; "
        "against base with the same settings: not supported: the sparse gain more in 0 of 1, fare worse in 1"
    )


# A study


@pytest.fixture
def study():
    """Two comparisons of which one is told apart, and one of another metric."""
    rows = [("contrastive", 0.0, "recall@20", 0.02, 0.001), ("contrastive", 0.5, "recall@20", 0.0, 0.9)]
    rows += [("contrastive", 0.0, "ndcg@20", -0.02, 0.001)]  # not read by the claim
    table = pd.DataFrame(rows, columns=["alignment", "noise", "metric", "difference", "p_holm"])
    return table.assign(ci_low=table["difference"] - 0.01, ci_high=table["difference"] + 0.01, p=0.0, p_wilcoxon=0.0)


def test_a_study_needs_several_seeds_and_all_of_its_comparisons(study):
    claim = claims_on_ranking.study_claim
    assert claim(study, seeds=2) == "inconclusive (over users better in 1 of 2, worse in 0; 2 seeds)"
    assert claim(study[:1], seeds=2) == "supported (over users better in 1 of 1, worse in 0; 2 seeds)"
    assert claim(study[:1], seeds=1) == "inconclusive (over users better in 1 of 1, worse in 0; one seed)"
    assert claim(study[1:2], seeds=2).startswith("inconclusive")
    worse = study[2:].assign(metric="recall@20")
    assert claim(worse, seeds=2).startswith("not supported")
    assert claim(worse, seeds=1).startswith("inconclusive")  # one seed settles nothing


def test_a_study_says_each_comparison_by_its_labels(study):
    assert claims_on_ranking.study_verdicts(study) == [
        "contrastive 0.0: +0.0200 [+0.0100, +0.0300], better",
        "contrastive 0.5: +0.0000 [-0.0100, +0.0100], not told apart",
    ]
    assert claims_on_ranking.study_verdicts(study[2:].assign(metric="recall@20"))[0].endswith("worse")
