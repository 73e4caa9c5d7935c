"""What every backbone must hold, and each against its equations on dense matrices."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
import toys
from small_backbones import ADDED, DATA, N_USERS, SETTINGS, WORKING_ENGINES, N, batch, made

from lib.core.errors import UserError
from lib.core.names import ALIGNMENTS, BACKBONES
from lib.data.interactions import Interactions
from lib.models import alignment, backbones
from lib.training.fit import fit
from lib.training.recommender import Recommender


def test_every_backbone_is_tested_here():
    """One that is not shipped too, if a yaml file has settings for it."""
    assert sorted(SETTINGS) == backbones.names()


def dense_lightgcn(ego, backbone):
    matrix = toys.dense_normalised(DATA.train)
    return sum(np.linalg.matrix_power(matrix, layer) @ ego for layer in range(backbone.settings.layers + 1))


dense_sgl = dense_simgcl = dense_lightgcn  # they differ in training only


def dense_gccf(ego, backbone):
    matrix = toys.dense_normalised(DATA.train, backbone.settings.self_loops)
    return np.hstack([np.linalg.matrix_power(matrix, layer) @ ego for layer in range(backbone.settings.layers + 1)])


def softmax(x):
    return np.exp(x) / np.exp(x).sum(1, keepdims=True)


def dense_dccf(ego, backbone):
    matrix = toys.dense_normalised(DATA.train)
    tables = [table.detach().double().numpy() for table in (backbone.user_intents, backbone.item_intents)]
    layers = [ego]
    for _ in range(backbone.settings.layers):
        e = layers[-1]
        sides = zip((e[:N_USERS], e[N_USERS:]), tables, strict=True)
        g, t = matrix @ e, np.vstack([softmax(side @ table) @ table.T for side, table in sides])
        total = e + g + t
        for x in (g, t):
            x = x / np.linalg.norm(x, axis=1, keepdims=True)
            weights = np.where(matrix > 0, (x @ x.T + 1) / 2, 0)
            total = total + weights / weights.sum(1, keepdims=True) @ e
        layers.append(total)
    return sum(layers)


def dense_autocf(ego, backbone):
    matrix, heads = toys.dense_normalised(DATA.train), backbone.settings.heads
    layers = [np.linalg.matrix_power(matrix, layer) @ ego for layer in range(backbone.settings.layers + 1)]
    weights = [getattr(backbone.attention[0], name).detach().double().numpy() for name in ("query", "key", "value")]
    parts = zip(*(np.split(layers[-1] @ weight, heads, axis=1) for weight in weights), strict=True)
    attended = [softmax(np.where(matrix > 0, np.clip(q @ k.T, -10, 10), -np.inf)) @ v for q, k, v in parts]
    return sum(layers) + np.hstack(attended)


@pytest.mark.parametrize("engine", WORKING_ENGINES)
@pytest.mark.parametrize("name", BACKBONES)
def test_final_vectors_equal_the_dense_equations(name, engine):
    backbone = made(name, engine=engine)
    with torch.no_grad():
        backbone.ego *= 3  # so that no part is small
    ego = backbone.ego.detach().double().numpy()
    expected = globals()[f"dense_{name}"](ego, backbone)
    final = backbone(backbone.ego).detach()
    assert final.shape == (N, backbone.output_size)
    np.testing.assert_allclose(final, expected, atol=2e-6, rtol=1e-5)


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


ALIGNMENT_SETTINGS = dict(
    base={},
    contrastive=dict(weight=0.1, temperature=0.2),
    generative=dict(weight=0.1, temperature=0.2, mask_ratio=0.3),
)
CELLS = [*((name, kind) for kind in ALIGNMENTS for name in BACKBONES), *ADDED]


def recommender(name, kind):
    backbone, aligned_class = made(name), alignment.get(kind)
    settings = ADDED[name, kind].alignment_settings if (name, kind) in ADDED else ALIGNMENT_SETTINGS[kind]
    aligned = aligned_class(
        aligned_class.Settings(**settings),
        toys.text(DATA),
        N_USERS,
        8,
        backbone.output_size,
        torch.Generator().manual_seed(1),
    )
    return Recommender(backbone, aligned)


@pytest.mark.parametrize(("name", "kind"), CELLS)
def test_masked_rows_get_gradient_from_nothing_but_the_regulariser(name, kind):
    """docs/methods/rlmrec.md 3.2; and base and contrastive leave no row out."""
    model = recommender(name, kind)
    model.losses(batch())
    one = batch()._replace(step=1)  # AutoCF's step 0 has a term of its own on the true table: test_backbone_terms.py
    state = one.generator.get_state()
    sum(model.losses(one).values()).backward()
    one.generator.set_state(state)
    masked = model.alignment.mask(model.backbone.ego, one.generator)[1]
    ego = model.backbone.ego
    if masked is None:
        assert (ego.grad.abs().sum(1) > 0).all()
        return
    torch.testing.assert_close(ego.grad[masked], 2 * model.backbone.settings.reg_weight * ego.detach()[masked])
    assert model.alignment.token.grad.abs().sum() > 0


@pytest.mark.parametrize("name", SETTINGS)
def test_base_is_the_backbone_alone(name):
    """Its terms are the backbone's and one norm, whatever alignment code surrounds them."""
    model, one = recommender(name, "base"), batch()
    state = one.generator.get_state()
    terms = model.losses(one)
    one.generator.set_state(state)
    alone = model.backbone.losses(model.backbone.ego, one)[1]
    norm = sum(parameter.square().sum() for parameter in model.backbone.parameters())
    assert terms == alone | {"regularisation": model.backbone.settings.reg_weight * norm}
    assert {id(p) for p in model.parameters()} == {id(p) for p in model.backbone.parameters()}


@pytest.mark.parametrize(("name", "kind"), CELLS)
def test_training_repeats_and_resumes_bit_for_bit(name, kind, tmp_path):
    def trained(epochs, checkpoint=None):
        model = recommender(name, kind)
        fit(model, DATA, toys.protocol(epochs=epochs), 1, checkpoint)
        return [tensor.numpy().tobytes() for tensor in model.state_dict().values()]

    whole, checkpoint = trained(8), tmp_path / "checkpoint.safetensors"
    trained(4, checkpoint)
    assert trained(8, checkpoint) == whole == trained(8)


def test_lightgcn_trains_on_the_dropped_graph_with_one_draw():
    backbone, one = made("lightgcn"), batch()
    state = one.generator.get_state()
    final, _ = backbone.losses(backbone.ego, one)
    one.generator.set_state(state)
    dropped = backbone.graph.drop_edges(0.8, one.generator)
    matrix = dropped.propagate(torch.eye(N))
    expected = sum(torch.linalg.matrix_power(matrix, layer) @ backbone.ego for layer in range(4))
    torch.testing.assert_close(final, expected, atol=1e-6, rtol=1e-5)


def test_heads_must_divide_the_embedding_size():
    with pytest.raises(UserError, match="3 heads do not divide the embedding size 8"):
        made("autocf", heads=3)


def test_unknown_backbone_offers_the_nearest():
    with pytest.raises(UserError, match="did you mean 'lightgcn'"):
        backbones.get("ligthgcn")
