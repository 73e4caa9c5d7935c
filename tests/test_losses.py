import pytest
import torch
from torch.nn.functional import cosine_similarity

from lib import losses


def naive_info_nce(anchors, positives, candidates, temperature):
    """The formula as written, row by row in float64."""
    total = 0
    for anchor, positive in zip(anchors.double(), positives.double(), strict=True):
        near = cosine_similarity(anchor[None], candidates.double()) / temperature
        total = total - cosine_similarity(anchor, positive, dim=0) / temperature + near.exp().sum().log()
    return total


@pytest.mark.parametrize("temperature", [0.1, 1.0])
@pytest.mark.parametrize("block", [8, 10**6])
def test_info_nce_equals_the_formula_with_gradients(monkeypatch, temperature, block):
    monkeypatch.setattr(losses, "BLOCK", block)  # 8 forces a block per row
    anchors, positives, candidates = (torch.randn(n, 6, requires_grad=True) for n in (9, 9, 14))
    ours = losses.info_nce(anchors, positives, candidates, temperature)
    truth = naive_info_nce(anchors, positives, candidates, temperature)
    torch.testing.assert_close(ours.double(), truth, rtol=1e-5, atol=1e-5)
    for one, other in zip(
        torch.autograd.grad(ours, (anchors, positives, candidates)),
        torch.autograd.grad(truth, (anchors, positives, candidates)),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_counts_equal_repeated_rows():
    x, y = torch.randn(5, 4), torch.randn(5, 4)
    counts = torch.tensor([1, 3, 1, 2, 4])
    repeated = torch.repeat_interleave(torch.arange(5), counts)
    merged = losses.info_nce(x, y, y, 0.2, counts, counts)
    torch.testing.assert_close(merged, losses.info_nce(x[repeated], y[repeated], y[repeated], 0.2))


@pytest.mark.parametrize("block", [8, 10**6])
def test_log_partition_by_row_and_as_a_weighted_sum(monkeypatch, block):
    monkeypatch.setattr(losses, "BLOCK", block)
    x, candidates = torch.randn(9, 6, requires_grad=True), torch.randn(14, 6, requires_grad=True)
    weights, counts = torch.rand(9), torch.randint(1, 4, (14,))
    naive = (x @ candidates.T + counts.log()).logsumexp(1)
    summed = losses.log_partition(x, candidates, weights, counts)
    torch.testing.assert_close(summed, naive @ weights)
    rows = losses.log_partition(x, candidates.detach(), counts=counts)
    torch.testing.assert_close(rows, naive)
    pairs = [(summed.exp(), (naive @ weights).exp(), (x, candidates)), (rows.sin().sum(), naive.sin().sum(), (x,))]
    for ours, truth, of in pairs:
        for got, wanted in zip(
            torch.autograd.grad(ours, of, retain_graph=True),
            torch.autograd.grad(truth, of, retain_graph=True),
            strict=True,
        ):
            torch.testing.assert_close(got / wanted.abs().max(), wanted / wanted.abs().max(), rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="weights"):
        losses.log_partition(x, candidates)


def test_log_partition_does_not_overflow():
    x = torch.full((2, 3), 100.0)
    assert losses.log_partition(x, x).isfinite().all()


def test_bpr_is_log_2_for_equal_scores_and_the_textbook_formula():
    users, positives, negatives = (torch.randn(7, 4) for _ in range(3))
    assert losses.bpr(users, positives, positives).item() == pytest.approx(0.6931, abs=1e-4)
    margin = (users * positives).sum(1) - (users * negatives).sum(1)
    torch.testing.assert_close(losses.bpr(users, positives, negatives), -torch.sigmoid(margin).log().mean())


def test_unit_has_the_papers_epsilon():
    assert losses.unit(torch.zeros(1, 3)).tolist() == [[0, 0, 0]]
    x = torch.tensor([[3e-4, 4e-4]])
    torch.testing.assert_close(losses.unit(x), x / (2.5e-7 + 1e-8) ** 0.5)
