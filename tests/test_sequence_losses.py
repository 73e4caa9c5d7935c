"""Losses of the next item against loops over rows and candidates."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from lib.models.sequential import losses
from lib.models.sequential.cosines import cosines
from lib.models.sequential.losses import LossSettings

N, D, M, K = 12, 5, 7, 4


@pytest.fixture
def parts():
    """States, targets, drawn items and a table with a row of zeros, in float64."""
    torch.manual_seed(0)
    table = torch.cat([torch.zeros(1, D), torch.randn(N, D)]).double()
    target = torch.randint(1, N + 1, (M,))
    return torch.randn(M, D).double(), target, losses.negatives(target, K, N), table


def cosine(x, y):
    return x @ y / np.sqrt(x @ x) / np.sqrt(y @ y)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_infonce_is_that_of_loops(parts):
    states, target, drawn, table = (part.numpy() for part in parts)
    total = 0
    for state, item, others in zip(states, target, drawn, strict=True):
        own = np.exp(cosine(state, table[item]) / 0.3)
        total -= np.log(own / (own + sum(np.exp(cosine(state, table[j]) / 0.3) for j in others)))
    found = losses.infonce(*parts, temperature=0.3)
    np.testing.assert_allclose(found, total / M)


def test_softmax_and_bce_are_those_of_loops(parts):
    states, target, drawn, table = (part.numpy() for part in parts)
    full = [
        -s @ table[i] + np.log(sum(np.exp(s @ row) for row in table[1:])) for s, i in zip(states, target, strict=True)
    ]
    np.testing.assert_allclose(losses.softmax(parts[0], parts[1], parts[3]), np.mean(full))
    binary = [
        -np.log(sigmoid(s @ table[i])) - np.log(1 - sigmoid(s @ table[j]))
        for s, i, j in zip(states, target, drawn[:, 0], strict=True)
    ]
    np.testing.assert_allclose(losses.bce(parts[0], parts[1], parts[2][:, 0], parts[3]), np.mean(binary))


def test_gradients_of_cosines_are_those_of_autograd(parts):
    states, target, drawn, table = parts
    items = torch.cat([target[:, None], drawn, drawn[:, :1]], 1)  # an item twice in a row
    weight = torch.randn(items.shape).double()
    for part in (states, table):
        part.requires_grad_()
    plain = (F.normalize(states)[:, None] * F.normalize(table)[items]).sum(-1)
    torch.testing.assert_close(cosines(states, table, items), plain)
    expected = torch.autograd.grad((plain * weight).sum(), (states, table))
    found = torch.autograd.grad((cosines(states, table, items) * weight).sum(), (states, table))
    torch.testing.assert_close(found, expected)


def test_a_row_of_zeros_has_no_cosine_and_breaks_nothing():
    table = torch.zeros(3, D, requires_grad=True)
    found = cosines(torch.ones(1, D), table, torch.tensor([[1, 2]]))
    found.sum().backward()
    assert not found.any() and table.grad.isfinite().all()


def test_negatives_are_uniform_over_all_items_but_the_target():
    torch.manual_seed(1)
    target = torch.tensor([1, 4, 6])
    drawn = losses.negatives(target, 20000, 6)
    for item, row in zip(target.tolist(), drawn, strict=True):
        count = row.bincount(minlength=7)
        assert not count[0] and not count[item]
        assert stats.chisquare([count[j] for j in range(1, 7) if j != item]).pvalue > 1e-4


@pytest.mark.parametrize("kind", ["infonce", "softmax", "bce"])
def test_a_loss_is_lower_where_states_are_near_their_targets(kind, parts):
    _, target, _, table = parts
    settings = LossSettings(kind=kind, score="dot", negatives=8)
    near, far = (losses.loss(sign * 3 * table[target], target, table, settings) for sign in (1, -1))
    assert near < far and near.isfinite()


def test_the_padding_row_is_no_candidate(parts):
    states, target, drawn, table = parts
    other = table.clone()
    other[0] = 9
    assert losses.softmax(states, target, table) == losses.softmax(states, target, other)
    assert losses.infonce(*parts, 0.1) == losses.infonce(states, target, drawn, other, 0.1)
