import pytest
import torch
from torch.nn.functional import cosine_similarity

from lib.models.log_partition import log_partition, softmax_mean
from lib.models.losses import bpr, info_nce, info_nce_plain, unit


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_plain_info_nce_is_the_formula_row_by_row(temperature):
    """docs/methods/rlmrec.md 0, in float64."""
    anchors, positives, candidates = (torch.randn(n, 6) for n in (9, 9, 14))
    total = 0
    for anchor, positive in zip(anchors.double(), positives.double(), strict=True):
        near = cosine_similarity(anchor[None], candidates.double()) / temperature
        total = total - cosine_similarity(anchor, positive, dim=0) / temperature + near.exp().sum().log()
    plain = info_nce_plain(anchors, positives, candidates, temperature)
    torch.testing.assert_close(plain.double(), total, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
@pytest.mark.parametrize("block", [8, 10**6])
@pytest.mark.parametrize("counted", [False, True])
def test_fast_info_nce_equals_the_plain_one_with_gradients(monkeypatch, temperature, block, counted):
    """Counts stand for rows that the plain form sees repeated, or not at all."""
    monkeypatch.setattr("lib.models.log_partition.BLOCK", block)  # 8 forces a block per row
    tables = [torch.randn(n, 6, requires_grad=True) for n in (9, 9, 14)]
    anchor_counts, candidate_counts = None, None
    repeated = tables
    if counted:
        anchor_counts, candidate_counts = torch.randint(0, 4, (9,)), torch.randint(1, 4, (14,))
        counts = (anchor_counts, anchor_counts, candidate_counts)
        repeated = [table.repeat_interleave(count, 0) for table, count in zip(tables, counts, strict=True)]
    fast = info_nce(*tables, temperature, anchor_counts, candidate_counts)
    plain = info_nce_plain(*repeated, temperature)
    torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-5)
    gradients = torch.autograd.grad(fast, tables), torch.autograd.grad(plain, tables)
    for ours, truth in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, truth, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("block", [8, 10**6])
def test_log_partition_is_the_weighted_sum_of_logarithms_with_gradients(monkeypatch, block):
    monkeypatch.setattr("lib.models.log_partition.BLOCK", block)
    x, candidates = torch.randn(9, 6, requires_grad=True), torch.randn(14, 6, requires_grad=True)
    weights, counts = torch.rand(9), torch.randint(1, 4, (14,))
    naive = (x @ candidates.T + counts.log()).logsumexp(1) @ weights
    fast = log_partition(x, candidates, weights, counts)
    torch.testing.assert_close(fast, naive)
    gradients = (torch.autograd.grad(value.exp(), (x, candidates)) for value in (fast, naive))
    for got, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(got / wanted.abs().max(), wanted / wanted.abs().max(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("block", [8, 10**6])
def test_softmax_mean_is_torchs_softmax(monkeypatch, block):
    monkeypatch.setattr("lib.models.log_partition.BLOCK", block)
    x, candidates, values = torch.randn(9, 6), torch.randn(14, 6), torch.randn(14, 11)
    rows, means = softmax_mean(x, candidates, values)
    logits = x @ candidates.T
    torch.testing.assert_close(rows, logits.logsumexp(1))
    torch.testing.assert_close(means, logits.softmax(1) @ values)


def test_log_partition_does_not_overflow():
    x = torch.full((2, 3), 100.0)
    assert log_partition(x, x, torch.ones(2)).isfinite()


def test_bpr_is_log_2_for_equal_scores_and_the_textbook_formula():
    users, positives, negatives = (torch.randn(7, 4) for _ in range(3))
    assert bpr(users, positives, positives).item() == pytest.approx(0.6931, abs=1e-4)
    margin = (users * positives).sum(1) - (users * negatives).sum(1)
    torch.testing.assert_close(bpr(users, positives, negatives), -torch.sigmoid(margin).log().mean())


def test_unit_has_the_papers_epsilon():
    assert unit(torch.zeros(1, 3)).tolist() == [[0, 0, 0]]
    x = torch.tensor([[3e-4, 4e-4]])
    torch.testing.assert_close(unit(x), x / (2.5e-7 + 1e-8) ** 0.5)
