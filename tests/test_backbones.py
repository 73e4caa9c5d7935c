"""What every backbone must hold, and each against its equations on dense matrices."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
import toys

from lib import alignment, backbones, training
from lib.datasets import Interactions
from lib.files import UserError
from lib.graph import bipartite

DATA = toys.interactions()
N_USERS, N = DATA.n_users, DATA.n_users + DATA.n_items
SETTINGS = {
    "lightgcn": dict(layers=3, reg_weight=1e-4, keep_rate=0.8),
    "gccf": dict(layers=2, reg_weight=1e-4, self_loops=True),
}


def made(name, data=DATA, ego_size=8, **changes):
    kind = backbones.get(name)
    settings = kind.Settings(**SETTINGS[name] | changes)
    graph = bipartite(data.train, settings.self_loops)
    return kind(graph, settings, ego_size, torch.Generator().manual_seed(0))


def batch(seed=2):
    return next(training.Sampler(DATA.train, 64).epoch(torch.Generator().manual_seed(seed)))


def test_every_backbone_is_tested_here():
    assert sorted(SETTINGS) == backbones.names()


def dense_lightgcn(ego, settings):
    matrix = toys.dense_normalised(DATA.train)
    return sum(np.linalg.matrix_power(matrix, layer) @ ego for layer in range(settings.layers + 1))


def dense_gccf(ego, settings):
    matrix = toys.dense_normalised(DATA.train, settings.self_loops)
    return np.hstack([np.linalg.matrix_power(matrix, layer) @ ego for layer in range(settings.layers + 1)])


@pytest.mark.parametrize("name", SETTINGS)
def test_final_vectors_equal_the_dense_equations(name):
    backbone = made(name)
    ego = backbone.ego.detach().double().numpy()
    expected = globals()[f"dense_{name}"](ego, backbone.settings)
    final = backbone(backbone.ego).detach()
    assert final.shape == (N, backbone.output_size)
    np.testing.assert_allclose(final, expected, atol=1e-6)


@pytest.mark.parametrize("name", SETTINGS)
def test_renumbering_nodes_renumbers_the_result(name):
    users, items = np.random.default_rng(0).permutation(N_USERS), np.random.default_rng(1).permutation(N - N_USERS)
    order = np.concatenate([users, N_USERS + items])
    other = Interactions("toy", *(sp.csr_matrix(m[users][:, items]) for m in (DATA.train, DATA.validation, DATA.test)))
    backbone, renamed = made(name), made(name, other)
    ego = backbone.ego.detach()
    torch.testing.assert_close(renamed(ego[order]), backbone(ego)[order], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", SETTINGS)
def test_evaluation_is_not_random_and_training_terms_are_finite(name):
    backbone = made(name)
    torch.testing.assert_close(backbone(backbone.ego), backbone(backbone.ego), rtol=0, atol=0)
    final, terms = backbone.losses(backbone.ego, batch())
    assert final.shape == (N, backbone.output_size)
    assert all(term.ndim == 0 and term.isfinite() for term in terms.values())


@pytest.mark.parametrize("name", SETTINGS)
def test_gradient_reaches_every_parameter(name):
    backbone = made(name)
    sum(backbone.losses(backbone.ego, batch())[1].values()).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in backbone.parameters())


@pytest.mark.parametrize("name", SETTINGS)
def test_ego_tables_have_their_own_xavier_bounds(name):
    ego = made(name, ego_size=64).ego.detach()
    for table in (ego[:N_USERS], ego[N_USERS:]):
        bound = (6 / sum(table.shape)) ** 0.5
        assert 0.97 * bound < table.abs().max() <= bound


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("kind", alignment.NAMES)
def test_masked_rows_get_gradient_from_nothing_but_the_regulariser(name, kind):
    """Spec rlmrec 13.10; and base and contrastive leave no row out."""
    settings = dict(
        base={},
        contrastive=dict(weight=0.1, temperature=0.2),
        generative=dict(weight=0.1, temperature=0.2, mask_ratio=0.3),
    )[kind]
    backbone, aligned_class = made(name), alignment.get(kind)
    aligned = aligned_class(
        aligned_class.Settings(**settings),
        toys.text(DATA),
        N_USERS,
        8,
        backbone.output_size,
        torch.Generator().manual_seed(1),
    )
    model, one = training.Recommender(backbone, aligned), batch()
    state = one.generator.get_state()
    sum(model.losses(one).values()).backward()
    one.generator.set_state(state)
    masked = aligned.mask(backbone.ego, one.generator)[1]
    if masked is None:
        return
    expected = 2 * backbone.settings.reg_weight * backbone.ego.detach()[masked]
    torch.testing.assert_close(backbone.ego.grad[masked], expected)
    assert aligned.token.grad.abs().sum() > 0


def test_lightgcn_trains_on_the_dropped_graph_with_one_draw():
    backbone, one = made("lightgcn"), batch()
    state = one.generator.get_state()
    final, _ = backbone.losses(backbone.ego, one)
    one.generator.set_state(state)
    dropped = backbone.graph.drop_edges(0.8, one.generator)
    matrix = dropped.propagate(torch.eye(N))
    expected = sum(torch.linalg.matrix_power(matrix, layer) @ backbone.ego for layer in range(4))
    torch.testing.assert_close(final, expected, atol=1e-6, rtol=1e-5)


def test_unknown_backbone_offers_the_nearest():
    with pytest.raises(UserError, match="did you mean 'lightgcn'"):
        backbones.get("ligthgcn")
