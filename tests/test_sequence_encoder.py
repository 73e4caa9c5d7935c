"""The encoder of histories, held against loops over positions and heads, and SASRec's choice of positions."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from lib.models.sequential import items, sasrec
from lib.models.sequential.items import TableSettings
from lib.models.sequential.losses import LossSettings
from lib.models.sequential.sasrec import EncoderSettings, SASRec, SequenceEncoder

D, LENGTH = 6, 7


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(3)


def encoder(blocks=2, heads=2, scaled=False, dropout=0.0) -> SequenceEncoder:
    """In float64, with weights that are far from zero everywhere."""
    made = SequenceEncoder(D, blocks, heads, LENGTH, dropout, scaled).double()
    for weight in made.parameters():
        nn.init.normal_(weight, std=0.6)
    return made


def drawn(n=5, length=LENGTH):
    """Vectors [n, length, D] and left-padded histories: the first row is full, the last is nothing but padding."""
    lengths = torch.tensor([length, *torch.randint(1, length, (n - 2,)).tolist(), 0])
    return torch.randn(n, length, D).double(), torch.arange(length) >= length - lengths[:, None]


def norm(x, layer):
    x = (x - x.mean()) / np.sqrt(x.var() + 1e-8)
    return x * array(layer.weight) + array(layer.bias)


def array(tensor):
    return tensor.detach().numpy()


def affine(x, layer):
    return array(layer.weight) @ x + array(layer.bias)


def states_by_loops(model, vectors, heads):
    """States [L, D] of one history without padding, position by position."""
    length = len(vectors)
    x = [model.scale * array(vectors[t]) + array(model.position)[LENGTH - length + t] for t in range(length)]
    for block in model.blocks:
        key_value = [affine(row, block.key_value) for row in x]
        width, after = D // heads, []
        for t in range(length):
            query = norm(x[t], block.norm_attention)
            q, seen = affine(query, block.query), np.zeros(D)
            for head in range(heads):
                part = slice(head * width, (head + 1) * width)
                logits = np.array([q[part] @ key_value[s][:D][part] / math.sqrt(width) for s in range(t + 1)])
                weights = np.exp(logits) / np.exp(logits).sum()
                seen[part] = sum(weights[s] * key_value[s][D:][part] for s in range(t + 1))
            hidden = norm(query + affine(seen, block.out), block.norm_feed)
            after.append(hidden + affine(np.maximum(affine(hidden, block.feed[0]), 0), block.feed[3]))
        x = after
    return np.array([norm(row, model.norm) for row in x])


@pytest.mark.parametrize(("blocks", "heads", "scaled"), [(1, 1, False), (2, 2, True), (1, 3, False)])
def test_states_are_those_of_loops_over_what_is_no_padding(blocks, heads, scaled):
    model = encoder(blocks, heads, scaled)
    vectors, present = drawn()
    states = model(vectors, present)
    for row in range(len(vectors) - 1):
        expected = states_by_loops(model, vectors[row][present[row]], heads)
        np.testing.assert_allclose(array(states[row][present[row]]), expected, rtol=1e-9, atol=1e-9)


def test_attention_is_that_of_torch():
    """The same weights in nn.MultiheadAttention, with its own two masks."""
    model, (vectors, present) = encoder(blocks=1), drawn()
    vectors, present = vectors[:-1], present[:-1]  # of nothing but padding torch makes NaN
    (block,) = model.blocks
    other = nn.MultiheadAttention(D, 2, batch_first=True).double()
    other.in_proj_weight.data = torch.cat([block.query.weight, block.key_value.weight])
    other.in_proj_bias.data = torch.cat([block.query.bias, block.key_value.bias])
    other.out_proj.weight.data, other.out_proj.bias.data = block.out.weight.data, block.out.bias.data
    x = (vectors + model.position) * present[..., None]
    query = block.norm_attention(x)
    later = ~torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()
    seen, _ = other(query, x, x, key_padding_mask=~present, attn_mask=later)
    hidden = block.norm_feed(query + seen)
    expected = model.norm(hidden + block.feed(hidden))
    torch.testing.assert_close(model(vectors, present)[present], expected[present])


def test_a_later_item_changes_no_earlier_state():
    model, (vectors, present) = encoder(), drawn()
    before = model(vectors, present)
    for place in range(1, LENGTH):
        changed = vectors.clone()
        changed[:, place] += 5
        after = model(changed, present)
        assert torch.equal(after[:, :place], before[:, :place])
        seen = present[:, place]
        assert (after[seen, place] != before[seen, place]).any(1).all()


def test_padding_is_never_read_and_its_length_changes_nothing():
    model, (vectors, present) = encoder(), drawn()
    states = model(vectors, present)
    other = torch.where(present[..., None], vectors, 1e3)
    assert torch.equal(model(other, present), states)
    last = present[1].sum()  # of the second row alone, without its padding
    short = model(vectors[1:2, -last:], present[1:2, -last:])
    torch.testing.assert_close(short, states[1:2, -last:])


def test_rows_of_padding_are_finite_with_finite_gradients():
    model, (vectors, present) = encoder(), drawn()
    vectors.requires_grad_()
    states = model(vectors, present)
    assert states.isfinite().all() and torch.equal(states[-1, 0], states[-1, -1])
    states.square().sum().backward()
    assert vectors.grad.isfinite().all() and not vectors.grad[~present].any()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())


@pytest.mark.parametrize("blocks", [1, 2])
def test_last_is_the_last_state(blocks):
    model, (vectors, present) = encoder(blocks), drawn()
    torch.testing.assert_close(model.last(vectors, present), model(vectors, present)[:, -1])


def test_dropout_draws_only_while_training():
    model, (vectors, present) = encoder(dropout=0.5), drawn()
    assert not torch.equal(model(vectors, present), model(vectors, present))
    assert torch.equal(model.eval()(vectors, present), model(vectors, present))


# SASRec


def recommender(positions, length=4, kind="softmax") -> SASRec:
    table = items.get("identity")(9, D, None, TableSettings(spread=1))
    settings = EncoderSettings(d=D, blocks=1, heads=1, length=length, dropout=0)
    return SASRec(table, settings, LossSettings(kind=kind, score="dot"), positions)


WHOLE = torch.tensor([[0, 0, 0, 1, 2, 3], [0, 0, 0, 0, 0, 4], [0, 9, 8, 7, 6, 5]])


@pytest.mark.parametrize("positions", ["last", "all"])
def test_which_positions_have_a_target(positions, monkeypatch):
    model, seen = recommender(positions, length=3), {}
    monkeypatch.setattr(sasrec, "loss", lambda states, target, *_: seen.update(n=len(states), target=target) or 0)
    model.losses(WHOLE)
    # of the last row three items are read, so that from 9 to 8 is no step of it; the second has nothing to look at
    expected = [3, 4, 5] if positions == "last" else [2, 3, 7, 6, 5]
    assert seen["target"].tolist() == expected and seen["n"] == len(expected)


def test_of_long_histories_the_latest_items_count():
    model = recommender("last").eval()
    table = model.items.table()
    states = model.queries(WHOLE[:, :-1], table)
    torch.testing.assert_close(states, model.queries(WHOLE[:, 1:-1], table))
    longer = torch.cat([torch.tensor([[0], [0], [3]]), WHOLE[:, :-1]], 1)
    assert torch.equal(model.queries(longer, table), states)


def test_each_state_is_scored_at_its_own_target():
    """With all positions, the loss is the mean over them of what one row that ends there has as loss."""
    model = recommender("all", length=5)
    row = torch.tensor([[0, 2, 7, 1, 5, 4]])
    parts = []
    for end in range(3, 7):
        cut = torch.nn.functional.pad(row[:, :end], (6 - end, 0))
        # counted from the end, positions differ, so that they are taken away
        model.encoder.position.data.zero_()
        model.positions = "last"
        parts.append(model.losses(cut)["softmax"])
    model.positions = "all"
    torch.testing.assert_close(model.losses(row)["softmax"], torch.stack(parts).mean())
