"""Ranks of targets against sorting by hand and scipy, metrics against scikit-learn and sums by hand."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import rankdata
from sklearn.metrics import ndcg_score

from lib.core.errors import UserError
from lib.evaluation.target_rank import TIES, mean_metrics, metrics_of_ranks, rank_of_target


def by_sorting(scores, target, masked, ties) -> float:
    """The places of all candidates that tie with the target in a sorted list: their mean, or the first."""
    competing = [column for column in range(len(scores)) if column == target or not masked[column]]
    if math.isnan(scores[target]):
        return float(len(competing))
    ordered = sorted(
        (-math.inf if math.isnan(scores[column]) else scores[column] for column in competing), reverse=True
    )
    places = [place for place, score in enumerate(ordered, start=1) if score == scores[target]]
    return float(places[0]) if ties == "optimistic" else sum(places) / len(places)


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("kind", ["ties", "nan", "masked"])
def test_ranks_equal_those_by_sorting(ties, kind):
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 5, (300, 9)).astype(np.float32)
    if kind == "nan":
        scores[rng.random(scores.shape) < 0.3] = np.nan
    masked = rng.random(scores.shape) < (0.5 if kind == "masked" else 0)
    target = rng.integers(0, 9, len(scores))
    mask = torch.from_numpy(masked) if kind == "masked" else None
    found = rank_of_target(torch.from_numpy(scores), torch.from_numpy(target), mask, ties)
    expected = [by_sorting(*row, ties) for row in zip(scores.tolist(), target, masked, strict=True)]
    assert found.dtype == torch.float64 and found.tolist() == expected
    assert len(set(expected)) > 4, "ranks of many kinds occur"


def test_expected_ranks_are_scipys_average_ranks():
    scores = torch.randint(0, 6, (50, 101), generator=torch.Generator().manual_seed(0)).double()
    target = torch.zeros(50, dtype=torch.long)  # before its negatives
    assert rank_of_target(scores, target).tolist() == rankdata(-scores.numpy(), axis=1)[:, 0].tolist()


def test_equal_scores_are_worth_chance_and_nan_is_worth_nothing():
    same, target = torch.zeros(4, 11), torch.arange(4)
    assert rank_of_target(same, target).tolist() == [6] * 4
    assert rank_of_target(same, target, ties="optimistic").tolist() == [1] * 4
    for ties in TIES:
        assert rank_of_target(same * math.nan, target, ties=ties).tolist() == [11] * 4


def test_one_mask_for_all_rows_and_nothing_is_written_into_what_is_given():
    scores, target = torch.tensor([[9.0, 1, 2], [9, 2, 1], [9, 1, 2]]), torch.tensor([2, 2, 0])
    padding = torch.tensor([True, False, False])
    kept = scores.clone()
    assert rank_of_target(scores, target, padding).tolist() == [1, 2, 1]
    assert rank_of_target(scores, target).tolist() == [2, 3, 1]
    assert torch.equal(scores, kept) and padding.tolist() == [True, False, False]


def test_an_unknown_way_to_count_ties():
    with pytest.raises(UserError, match="unknown ties 'expectd': did you mean 'expected'"):
        rank_of_target(torch.zeros(1, 2), torch.tensor([0]), ties="expectd")


def test_ndcg_is_that_of_scikit_learn():
    rng = np.random.default_rng(5)
    scores, target = rng.normal(size=(200, 40)), rng.integers(0, 40, 200)
    ranks = rank_of_target(torch.from_numpy(scores), torch.from_numpy(target)).numpy()
    relevant = np.eye(40)[target]
    for k in (1, 5, 20):
        rows = metrics_of_ranks(ranks, [k])[f"ndcg@{k}"]
        assert rows == pytest.approx([ndcg_score([a], [b], k=k) for a, b in zip(relevant, scores, strict=True)])


def test_metrics_by_hand():
    rows = metrics_of_ranks([1, 2.5, 10, 10.5, 21], [10, 20])
    assert set(rows) == {f"{name}@{k}" for name in ("hr", "ndcg", "mrr") for k in (10, 20)}
    assert rows["hr@10"].tolist() == [1, 1, 1, 0, 0]
    assert rows["mrr@20"] == pytest.approx([1, 1 / 2.5, 0.1, 1 / 10.5, 0])
    assert rows["ndcg@20"] == pytest.approx([1, 1 / math.log2(3.5), 1 / math.log2(11), 1 / math.log2(11.5), 0])


def test_means_are_tidy():
    table = mean_metrics(torch.tensor([1.0, 3.0, 30.0]), ks=(1, 5))
    assert list(table) == ["metric", "k", "value"] and table["k"].dtype == int
    found = table.set_index(["metric", "k"])["value"]
    expected = {("hr", 1): 1 / 3, ("mrr", 1): 1 / 3, ("ndcg", 1): 1 / 3}
    expected |= {("hr", 5): 2 / 3, ("mrr", 5): 4 / 9, ("ndcg", 5): 0.5}
    assert found.to_dict() == pytest.approx(expected)


def test_means_of_no_row():
    with pytest.raises(UserError, match="no test row is left"):
        mean_metrics([])
