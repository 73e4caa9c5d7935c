import math

import pytest
import torch
import torch.nn.functional as F
import toys

from lib.core.errors import UserError
from lib.models import alignment
from lib.models.losses import info_nce_plain as nce
from lib.training import run_settings
from lib.training.fit import fit
from lib.training.recommender import build
from lib.training.sampler import Sampler

DATA = toys.interactions()
TEXT = toys.text(DATA)
N, D = DATA.n_users + DATA.n_items, 6


def made(name, **settings):
    kind = alignment.get(name)
    generator = torch.Generator().manual_seed(0)
    return kind(kind.Settings(**settings), TEXT, DATA.n_users, 8, D, generator)


def batch():
    sampler = Sampler(DATA.train, 64)
    return next(sampler.epoch(torch.Generator().manual_seed(2)))


@pytest.mark.parametrize("negative_items", [True, False])
def test_contrastive_is_the_specs_formula_with_gradients(negative_items):
    aligned = made("contrastive", weight=0.3, temperature=0.2, negative_items=negative_items)
    final, one = torch.randn(N, D, requires_grad=True), batch()
    ours = aligned.losses(final, one, None)["alignment"]
    text = aligned.project(TEXT)
    users, items = final[: DATA.n_users], final[DATA.n_users :]
    text_users, text_items = text[: DATA.n_users], text[DATA.n_users :]
    total = nce(users[one.users], text_users[one.users], text_users, 0.2)
    for index in [one.positives, one.negatives] if negative_items else [one.positives]:
        total = total + nce(items[index], text_items[index], text_items[index], 0.2)
    truth = 0.3 / len(one.users) * total
    torch.testing.assert_close(ours, truth, rtol=1e-5, atol=1e-6)
    weights = (final, *aligned.project.parameters())
    for got, wanted in zip(torch.autograd.grad(ours, weights), torch.autograd.grad(truth, weights), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-6)


def test_generative_is_the_specs_formula_with_gradients():
    aligned = made("generative", weight=0.3, temperature=0.4, mask_ratio=0.2)
    final, masked = torch.randn(N, D, requires_grad=True), torch.randperm(N)[:14]
    ours = aligned.losses(final, batch(), masked)["alignment"]
    guess, truth = F.normalize(aligned.generate(final[masked])), F.normalize(TEXT[masked])
    near = (guess @ truth.T / 0.4).exp()
    expected = 0.3 * -(near.diagonal() / (near.sum(1) + 1e-8) + 1e-8).log().mean()
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)
    weights = (final, *aligned.generate.parameters())
    for got, wanted in zip(torch.autograd.grad(ours, weights), torch.autograd.grad(expected, weights), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-6)


def test_kar_puts_gated_experts_beside_the_ego_table():
    kar = made("kar", experts=3)
    ego = torch.randn(N, 8)
    ours = kar.inputs(ego)
    for row in range(N):
        score = torch.stack([TEXT[row] @ gate for gate in kar.gate]).exp()
        mixed = sum(score[k] / score.sum() * expert(TEXT[row : row + 1])[0] for k, expert in enumerate(kar.experts))
        torch.testing.assert_close(ours[row], torch.cat([ego[row], mixed]), rtol=1e-4, atol=1e-5)
    assert kar.mask(ego, torch.Generator())[0].equal(ours) and kar.losses(ego, batch(), None) == {}
    ours.square().sum().backward()
    assert all(parameter.grad is not None for parameter in kar.parameters())


@pytest.mark.parametrize("backbone", ["lightgcn", "sgl", "simgcl"])
def test_kar_trains_and_scores_with_the_text(backbone):
    settings = run_settings.resolve("amazon", backbone, "kar", scale="paper")
    settings = settings.model_copy(update={"protocol": toys.protocol()})
    model = build(settings, DATA, TEXT)
    before = model.final()
    fit(model, DATA, settings.protocol, seed=1)
    assert model.final().shape == before.shape and not model.final().equal(before)
    assert model.final().shape[1] == 2 * model.backbone.ego.shape[1]


def test_mask_replaces_distinct_rows_by_the_token():
    aligned = made("generative", weight=0.3, temperature=0.4, mask_ratio=0.2)
    torch.nn.init.constant_(aligned.token, 7)
    ego = torch.randn(N, 8)
    hidden, masked = aligned.mask(ego, torch.Generator().manual_seed(0))
    assert len(masked.unique()) == len(masked) == int(0.2 * N)
    others = torch.ones(N, dtype=bool).index_fill(0, masked, False)
    assert (hidden[masked] == 7).all()
    assert (hidden[others] == ego[others]).all()


def test_first_step_values():
    """docs/methods/rlmrec.md 3.1: untrained vectors make every candidate equally likely at a high temperature."""
    one = batch()
    ego = torch.randn(N, D)
    contrastive = made("contrastive", weight=0.5, temperature=100.0).losses(ego, one, None)["alignment"].item()
    assert contrastive == pytest.approx(0.5 * (math.log(DATA.n_users) + 2 * math.log(len(one.users))), rel=1e-2)
    generative = made("generative", weight=0.5, temperature=100.0, mask_ratio=0.3)
    masked = generative.mask(torch.randn(N, 8), torch.Generator().manual_seed(0))[1]
    assert generative.losses(ego, one, masked)["alignment"].item() == pytest.approx(
        0.5 * math.log(len(masked)), rel=1e-2
    )


def test_perceptron_has_the_specs_shape():
    """1536 -> 784 -> 32 has 1,230,128 parameters (docs/methods/rlmrec.md 3.1)."""
    net = alignment.perceptron(1536, 32, torch.Generator())
    assert sum(parameter.numel() for parameter in net.parameters()) == 1_230_128


def test_base_does_nothing():
    base = made("base")
    ego = torch.randn(N, 8)
    assert base.mask(ego, torch.Generator())[0] is ego
    assert base.losses(ego, batch(), None) == {}
    assert not list(base.parameters())


def test_unknown_name_offers_the_nearest():
    with pytest.raises(UserError, match="did you mean 'contrastive'"):
        alignment.get("contrastiv")
