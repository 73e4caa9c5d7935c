"""LLM-ESR against its formulas in loops, and what may have a gradient."""

import math

import numpy as np
import pytest
import torch
from sequence_stand_ins import Encoder
from torch.nn import functional as F

from lib.analysis.text_overlap import neighbours
from lib.core.errors import UserError
from lib.evaluation.target_rank import metrics_of_ranks, rank_of_target
from lib.models.sequential.items.llm_esr import Items, LlmEsrSettings, principal_components
from lib.models.sequential.llm_esr import CrossAttention, LlmEsr
from lib.models.sequential.losses import LossSettings, negatives
from lib.models.sequential.sasrec import SequenceEncoder

SIZE, TEXT, ITEMS, LENGTH = 8, 20, 25, 5


def drawing(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(2)


def model(loss="bce", positions="all", **changes) -> LlmEsr:
    text = torch.randn(ITEMS, TEXT, generator=drawing(1)).numpy()
    items = Items(ITEMS, 2 * SIZE, text, LlmEsrSettings(**changes))
    objective = LossSettings(kind=loss, score="dot")
    return LlmEsr(items, Encoder(SIZE, LENGTH), objective, positions, drawing(2))


def states(found, history):
    return found.states(history, found.items.table())


def batch(rows=6, k=3, seed=3) -> dict[str, torch.Tensor]:
    """Histories, left-padded in every second row, what follows at each place, and neighbours that rows share."""
    generator = drawing(seed)
    whole = torch.randint(1, ITEMS + 1, (rows, LENGTH + 1), generator=generator)
    whole[::2, :2] = 0
    near = torch.randint(1, ITEMS + 1, (rows, LENGTH), generator=generator)
    nearest = torch.randint(rows, (rows, k), generator=generator)
    return {"whole": whole, "neighbours": near, "nearest": nearest, "generator": drawing(seed)}


def teachers(found, given) -> torch.Tensor:
    """Row by row, the mean of the last states of its neighbours."""
    return torch.stack([states(found, given["neighbours"][own])[:, -1].mean(0) for own in given["nearest"]])


def histories() -> torch.Tensor:
    return batch()["whole"][:, :-1]


def attention_by_loops(layer, queries, others, allowed):
    """softmax(q k / sqrt(width of a head)) v, one query, head and row after the other."""
    found = torch.zeros_like(queries)
    width = queries.shape[2] // layer.heads
    for row, place in np.ndindex(*queries.shape[:2]):
        heads = []
        for head in range(layer.heads):
            of_head = slice(head * width, (head + 1) * width)
            q = layer.query.weight[of_head] @ queries[row, place]
            seen = [other for other in range(queries.shape[1]) if allowed[row, 0, place, other]]
            weights = [math.exp(q @ (layer.key.weight[of_head] @ others[row, other]) / width**0.5) for other in seen]
            values = [layer.value.weight[of_head] @ others[row, other] for other in seen]
            heads.append(sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights))
        found[row, place] = layer.output.weight @ torch.cat(heads) + layer.output.bias
    return found


@torch.no_grad()
@pytest.mark.parametrize("heads", [1, 2])
def test_attention_across_views_is_that_of_the_formula(heads):
    layer, allowed = CrossAttention(SIZE, heads, drawing()), torch.rand(3, 1, LENGTH, LENGTH) < 0.6
    allowed |= torch.eye(LENGTH, dtype=torch.bool)
    queries, others = torch.randn(2, 3, LENGTH, SIZE, generator=drawing(1))
    assert torch.allclose(
        layer(queries, others, allowed), attention_by_loops(layer, queries, others, allowed), atol=1e-5
    )


@torch.no_grad()
def test_states_are_each_view_as_the_other_asks_for_it():
    """The attention of text replaces the learned view, that of the learned view replaces text; one encoder for both."""
    found, history = model().eval(), histories()[:2]
    present = history > 0
    ids, text = (SIZE**0.5 * table[history] + found.places for table in found.items.table().chunk(2, -1))
    allowed = (present[:, None, None] & torch.ones(LENGTH, LENGTH).tril().bool()) | torch.eye(LENGTH).bool()
    views = [
        found.encoder(attention_by_loops(layer, queries, others, allowed), present)
        for layer, queries, others in ((found.text_to_ids, text, ids), (found.ids_to_text, ids, text))
    ]
    assert torch.allclose(states(found, history)[present], torch.cat(views, -1)[present], atol=1e-5)


@torch.no_grad()
def test_the_tables_are_principal_components_and_adapted_text():
    found = model()
    ids, text = found.items.table().chunk(2, -1)
    assert not ids[0].any() and not text[0].any()
    assert torch.allclose(text[1:], found.items.adapter(found.items.text), atol=1e-5)
    centred = (found.items.text - found.items.text.mean(0)).double()
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    expected = centred @ directions[:SIZE].T
    signs = (expected * ids[1:]).sum(0).sign()
    assert torch.allclose(ids[1:].double(), expected * signs, atol=1e-4)


def test_too_many_components_are_refused():
    with pytest.raises(UserError, match="25 text vectors of 20 numbers have no 21 principal components"):
        principal_components(np.ones((25, 20)), 21)


def test_the_loss_is_that_of_the_formula():
    """Logistic loss of what follows against one negative, and the distance to the mean of the neighbours."""
    given, found = batch(), model(view_dropout=0.0, distillation_weight=0.3)
    terms = found.losses(**given)
    whole, table = given["whole"], found.items.table()
    users, present = states(found, whole[:, :-1]), whole[:, :-1] > 0
    following = whole[:, 1:][present]
    drawn = negatives(following, 1, ITEMS, drawing(3))[:, 0]  # drawn again in the same order
    bce = 0
    for items, label in ((following, 1.0), (drawn, 0.0)):
        logits = (users[present] * table[items]).sum(-1)
        bce = bce + F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))
    teacher = teachers(found, given)
    assert terms["bce"].item() == pytest.approx(bce.item(), rel=1e-5)
    assert terms["distillation"].item() == pytest.approx(0.3 * F.mse_loss(users[:, -1], teacher).item(), rel=1e-5)


def test_the_target_alone_can_be_trained_among_all_items():
    given, found = batch(), model("softmax", "last", view_dropout=0.0)
    whole, table = given["whole"], found.items.table()
    scores = states(found, whole[:, :-1])[:, -1] @ table[1:].T
    expected = F.cross_entropy(scores, whole[:, -1] - 1)
    assert found.losses(**given)["softmax"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_no_gradient_reaches_neighbours_nor_the_frozen_text():
    found, given = model(view_dropout=0.0), batch()
    given["whole"][:, :-1] = given["whole"][:, :-1].clamp(max=10)
    given["neighbours"] = given["neighbours"].clamp(min=20)  # items that stand in no history
    found.losses(**given)["distillation"].backward()
    touched = set((found.items.ids.grad.abs().sum(1).nonzero()[:, 0] + 1).tolist())
    assert touched == set(given["whole"][:, :-1].unique().tolist()) - {0}
    assert (
        not found.items.text.requires_grad and found.items.text.grad is None and "items.text" not in found.state_dict()
    )
    assert {name for name, value in found.named_parameters() if value.grad is None or not value.grad.any()} == set()


def test_the_teacher_is_a_constant():
    """The gradient is that of the distance to a fixed vector."""
    given, found = batch(), model(view_dropout=0.0, distillation_weight=1.0)
    found.losses(**given)["distillation"].backward()
    with torch.no_grad():
        teacher = teachers(found, given)
    parameters = list(found.parameters())
    expected = torch.autograd.grad(F.mse_loss(states(found, given["whole"][:, :-1])[:, -1], teacher), parameters)
    for parameter, gradient in zip(parameters, expected, strict=True):
        assert torch.allclose(parameter.grad, gradient, atol=1e-5)


@torch.no_grad()
def test_no_place_sees_later_items():
    found, history = model().eval(), histories()
    changed = history.clone()
    changed[:, -1] = changed[:, -1] % ITEMS + 1
    before, after = states(found, history), states(found, changed)
    assert torch.equal(before[:, 2:-1], after[:, 2:-1]) and not torch.equal(before[:, -1], after[:, -1])


@torch.no_grad()
def test_users_are_the_last_states():
    """With the encoder of the library, which computes no more than it is asked for."""
    found = model().eval()
    found.encoder = SequenceEncoder(SIZE, blocks=2, length=LENGTH).eval()
    history, table = histories(), found.items.table()
    assert torch.allclose(found.users(history, table), found.states(history, table)[:, -1], atol=1e-6)


@torch.no_grad()
def test_padding_does_not_matter():
    found, history = model().eval(), histories()
    padded = history.clone()
    padded[:, :2] = 0
    shorter = padded[:, 2:]
    found_padded, found_shorter = states(found, padded)[:, 2:], states(found, shorter)
    assert torch.allclose(found_padded, found_shorter, atol=1e-5)


def test_users_repeat_bit_for_bit_also_in_the_midst_of_training():
    found, history = model(), histories()
    assert torch.equal(*(found.train().queries(history, found.items.table()) for _ in range(2)))
    assert found.items.table().shape == (ITEMS + 1, 2 * SIZE)


def test_users_with_like_texts_are_found_and_what_the_last_item_tells_is_learned():
    """Two kinds of users, told apart by their text vectors; each item is followed by one other."""
    generator = drawing(5)
    follows = torch.randperm(ITEMS, generator=generator) + 1
    first = torch.randint(1, ITEMS + 1, (200, 1), generator=generator)
    chain = [first]
    for _ in range(LENGTH):
        chain.append(follows[chain[-1] - 1])
    whole = torch.cat(chain, 1)
    kinds = torch.arange(200) % 2
    like = torch.from_numpy(neighbours(F.one_hot(kinds, 4) + 0.1 * torch.randn(200, 4, generator=generator), 10)).long()
    assert (kinds[like] == kinds[:, None]).all() and (like != torch.arange(200)[:, None]).all()

    found = model(view_dropout=0.0)
    optimizer = torch.optim.Adam(found.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        sum(found.losses(whole, generator, whole[:, :-1], like).values()).backward()
        optimizer.step()
    scores = found.queries(whole[:, :-1], found.items.table()) @ found.items.table().T
    ranks = rank_of_target(scores, whole[:, -1], torch.arange(ITEMS + 1) == 0)
    assert metrics_of_ranks(ranks)["hr@1"].mean() > 0.8
