"""Each loss term of the self-supervised backbones against its formula written out, with gradients."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import toys
from small_backbones import DATA, N_USERS, N, batch, made

from lib.models.backbones.autocf import mask_around
from lib.models.losses import info_nce_plain as nce

ADJACENCY = torch.from_numpy((toys.dense_normalised(DATA.train) > 0).astype(np.float32))
WHOLE = torch.from_numpy(toys.dense_normalised(DATA.train)).float()


def agree(backbone, ours, truth):
    """Same terms, and the same gradient of each term in every parameter."""
    assert ours.keys() == truth.keys()
    parameters = list(backbone.parameters())
    for name, term in ours.items():
        torch.testing.assert_close(term, truth[name], rtol=1e-5, atol=1e-6, msg=lambda text, name=name: name + text)
        both = (torch.autograd.grad(x, parameters, retain_graph=True, allow_unused=True) for x in (term, truth[name]))
        for one, other in zip(*both, strict=True):
            assert (one is None) == (other is None)
            if one is not None:
                torch.testing.assert_close(one, other, rtol=1e-3, atol=2e-6, msg=lambda text, name=name: name + text)


def rewound(one):
    """A batch and a function that puts its generator back to where it is now."""
    state = one.generator.get_state()
    return one, lambda: one.generator.set_state(state)


def plain_bpr(final, one):
    users, items = final[:N_USERS], final[N_USERS:]
    margin = (users[one.users] * (items[one.positives] - items[one.negatives])).sum(1)
    return -torch.sigmoid(margin).log().mean()


def summed(ego, matrix, layers):
    return sum(torch.linalg.matrix_power(matrix, layer) @ ego for layer in range(layers + 1))


def contrast(first, second, one, items, temperature):
    users = (first[:N_USERS][one.users], second[:N_USERS][one.users], second[:N_USERS])
    total = nce(*users, temperature)
    for index in items:
        total = total + nce(first[N_USERS:][index], second[N_USERS:][index], second[N_USERS:], temperature)
    return total / len(one.users)


@pytest.mark.parametrize("negatives", [True, False])
def test_sgl_terms(negatives):
    backbone, (one, rewind) = made("sgl", ssl_negatives=negatives), rewound(batch())
    final, ours = backbone.losses(backbone.ego, one)
    rewind()
    dropped = [backbone.graph.drop_edges(0.8, one.generator).propagate(torch.eye(N)) for _ in range(2)]
    views = [summed(backbone.ego, matrix, 3) for matrix in dropped]
    assert not torch.equal(*dropped)
    items = [one.positives, one.negatives] if negatives else [one.positives]
    clean = summed(backbone.ego, WHOLE, 3)
    torch.testing.assert_close(final, clean)
    agree(backbone, ours, {"bpr": plain_bpr(clean, one), "ssl": 0.1 * contrast(*views, one, items, 0.2)})


@pytest.mark.parametrize("negatives", [True, False])
def test_simgcl_terms(negatives):
    backbone, (one, rewind) = made("simgcl", ssl_negatives=negatives), rewound(batch())
    final, ours = backbone.losses(backbone.ego, one)
    rewind()
    views = []
    for _ in range(2):
        layers = [backbone.ego]
        for _ in range(3):
            clean = WHOLE @ layers[-1]
            noise = torch.rand(N, 8, generator=one.generator)
            layers.append(clean + 0.3 * clean.sign() * noise / noise.norm(dim=1, keepdim=True))
        views.append(sum(layers))
    items = [one.positives, one.negatives] if negatives else [one.positives]
    clean = summed(backbone.ego, WHOLE, 3)
    torch.testing.assert_close(final, clean)
    agree(backbone, ours, {"bpr": plain_bpr(clean, one), "ssl": 0.1 * contrast(*views, one, items, 0.2)})


def dense_dccf_layer(e, backbone):
    """g, t, a, b of one layer with full [n, n] masks."""
    tables = (backbone.user_intents, backbone.item_intents)
    sides = zip((e[:N_USERS], e[N_USERS:]), tables, strict=True)
    views = [WHOLE @ e, torch.cat([(side @ table).softmax(1) @ table.T for side, table in sides])]
    for x in views[:2]:
        alpha = ADJACENCY * (F.cosine_similarity(x[:, None], x[None], dim=2) + 1) / 2
        views.append(alpha / alpha.sum(1, keepdim=True) @ e)
    return views


def test_dccf_masks_equal_the_dense_ones():
    backbone = made("dccf")
    ours = backbone._layers(backbone.ego)[1][0]
    for one, other in zip(ours, dense_dccf_layer(backbone.ego, backbone), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("negatives", "per_user"), [(False, True), (True, True), (False, False)])
def test_dccf_terms(negatives, per_user):
    backbone, one = made("dccf", ssl_negatives=negatives, ssl_per_user=per_user), batch()
    final, ours = backbone.losses(backbone.ego, one)
    users = torch.tensor(sorted(set(one.users.tolist())))
    items = torch.tensor(sorted(set(one.positives.tolist() + one.negatives.tolist() * negatives)))
    layer = clean = backbone.ego
    ssl = 0
    for _ in range(2):
        g, *others = dense_dccf_layer(layer, backbone)
        for y in others:
            ssl = ssl + nce(g[users], y[users], y[users], 0.1) / len(users)
            nodes = N_USERS + items
            ssl = ssl + nce(g[nodes], y[nodes], y[nodes], 0.1) / len(users if per_user else items)
        layer = layer + g + sum(others)
        clean = clean + layer
    torch.testing.assert_close(final, clean)
    agree(backbone, ours, {"bpr": plain_bpr(clean, one), "ssl": 1e-2 * ssl})


# AutoCF


def dense(graph):
    """The 0/1 matrix of a graph's entries."""
    matrix = torch.zeros(N, N)
    matrix[graph.rows, graph.columns] = 1
    return matrix


def plain_scores(ego, uniform, own=1.0):
    degree = ADJACENCY.sum(1, keepdim=True)
    f = ADJACENCY @ ego - own * ego
    s = (ADJACENCY @ f - own * f) - degree * ego
    q = (f + s) / (degree + (ADJACENCY @ degree - own * degree) - degree + 1e-8)
    cosine = (q * ego).sum(1) / (q.norm(dim=1) * ego.norm(dim=1))
    return torch.sigmoid(cosine).log() - torch.log(-torch.log(uniform))


@pytest.mark.parametrize("assume", [True, False])
def test_autocf_seed_scores(assume):
    backbone, (one, rewind) = made("autocf", assume_self_loops=assume), rewound(batch())
    ours = backbone.seed_scores(one.generator)
    rewind()
    truth = plain_scores(backbone.ego, torch.rand(N, generator=one.generator), float(assume))
    agree(backbone, {"infomax": -ours.mean()}, {"infomax": -truth.mean()})
    torch.testing.assert_close(ours, truth, rtol=1e-5, atol=1e-5)


def test_gumbel_noise_is_finite_for_a_zero_draw(monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.zeros(*shape))
    assert made("autocf").seed_scores(None).isfinite().all()


def masked_by_loops(train, seeds, depth):
    """Per-node loops over a set of directed entries: entries left, nodes reached."""
    users, items = train.nonzero()
    entries = {(int(u), int(i) + N_USERS) for u, i in zip(users, items, strict=True)}
    entries |= {(i, u) for u, i in entries}
    hidden, reached = set(), set(seeds)
    for _ in range(depth):
        hidden |= reached
        ends = set()
        for node in sorted(reached):
            touching = {entry for entry in entries if node in entry}
            entries -= touching
            ends |= {end for entry in touching for end in entry}
        reached = ends
    return entries, hidden


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("n_seeds", [1, 4, N])
def test_autocf_masks_what_the_per_node_loop_masks(depth, n_seeds):
    """docs/methods/rlmrec.md 4.6, on a graph sparse enough that something is left."""
    data = toys.interactions(density=0.02)
    graph = made("autocf", data).graph
    for seed in range(5):
        seeds = np.random.default_rng(seed).permutation(N)[:n_seeds]
        left, hidden = mask_around(graph, torch.from_numpy(seeds), depth)
        entries, nodes = masked_by_loops(data.train, seeds.tolist(), depth)
        ours = set(zip(graph.rows[left].tolist(), graph.columns[left].tolist(), strict=True))
        assert ours == entries
        assert set(hidden.nonzero().ravel().tolist()) == nodes
        assert depth > 2 or n_seeds == N or entries


def test_autocf_graphs_are_the_specs_sets():
    data = toys.interactions(density=0.02)
    backbone, (one, rewind) = made("autocf", data, mask_depth=2), rewound(batch())
    scores = torch.randn(N)
    encoder, decoder = backbone.draw_graphs(scores, one.generator)
    entries, masked = masked_by_loops(data.train, [scores.argmax().item()], 2)
    rewind()
    masked = torch.tensor(sorted(masked | set(torch.randint(N, (int(0.2 * N),), generator=one.generator).tolist())))
    ends = masked[torch.randint(len(masked), (2, 2 * data.train.nnz), generator=one.generator)].tolist()
    pairs = set(zip(*ends, strict=True))
    expected = pairs | {(b, a) for a, b in pairs} | {(node, node) for node in range(N)} | entries
    pairs_of = lambda graph: list(zip(graph.rows.tolist(), graph.columns.tolist(), strict=True))  # noqa: E731
    assert pairs_of(encoder) == sorted(entries)
    assert pairs_of(decoder) == sorted(expected)
    degrees = torch.bincount(encoder.rows, minlength=N)  # of what is left, not of the whole graph
    matrix = dense(encoder) * (degrees[:, None] * degrees + 1e-12) ** -0.5
    torch.testing.assert_close(encoder.propagate(torch.eye(N)), matrix, atol=1e-6, rtol=1e-5)


def test_autocf_terms():
    backbone, one = made("autocf"), batch()._replace(step=1)
    backbone.losses(backbone.ego, batch())
    final, ours = backbone.losses(backbone.ego, one)
    encoder, decoder = dense(backbone.encoder), dense(backbone.decoder)
    assert encoder.sum() > 0
    degrees = encoder.sum(1)
    matrix = encoder * (degrees[:, None] * degrees + 1e-12) ** -0.5
    last, parts = torch.linalg.matrix_power(matrix, 2) @ backbone.ego, []
    attention = backbone.attention[0]
    for head in range(4):
        q, k, v = (
            (last @ weight)[:, 2 * head : 2 * head + 2] for weight in (attention.query, attention.key, attention.value)
        )
        weights = decoder * (q @ k.T).clamp(-10, 10).exp()
        parts.append(weights @ v / (weights.sum(1, keepdim=True) + 1e-8))
    clean = summed(backbone.ego, matrix, 2) + torch.cat(parts, 1)
    torch.testing.assert_close(final, clean)
    users, items = clean[:N_USERS], clean[N_USERS:]
    matched = (users[one.users] * items[one.positives]).sum(1).mean()
    unique_users, unique_items = one.users.unique(), one.positives.unique()
    truth = {
        "reconstruction": (users[one.users] @ items.T).exp().sum(1).log().mean() - matched,
        "ssl": 0.5
        * (
            (users[unique_users] @ users.T).exp().sum(1).log().mean()
            + (items[unique_items] @ items.T).exp().sum(1).log().mean()
        ),
    }
    agree(backbone, ours, truth)


def test_autocf_logits_are_bounded():
    backbone = made("autocf")
    with torch.no_grad():
        backbone.ego *= 1e4
    assert backbone(backbone.ego).isfinite().all()


def test_autocf_draws_graphs_at_steps_0_10_20():
    """docs/methods/rlmrec.md 4.6: anew in each epoch, kept between, and the infomax term is there only then."""
    backbone, generator = made("autocf", refresh_every=10), torch.Generator().manual_seed(0)
    for _ in range(2):
        graphs, with_infomax = [], []
        for step in range(25):
            _, terms = backbone.losses(backbone.ego, batch()._replace(step=step, generator=generator))
            graphs.append((backbone.encoder, backbone.decoder))
            with_infomax += [step] * ("infomax" in terms)
        changes = [step for step in range(1, 25) if graphs[step][1] is not graphs[step - 1][1]]
        assert with_infomax == [0, 10, 20]
        assert changes == [10, 20]


def test_autocf_scores_seeds_on_the_true_table():
    """docs/methods/rlmrec.md 3.2: rows hidden by an alignment still get the infomax gradient on a drawing step."""
    backbone = made("autocf")
    terms = backbone.losses(torch.zeros(N, 8), batch())[1]
    sum(terms.values()).backward()
    expected = torch.autograd.grad(-plain_scores(backbone.ego, torch.full((N,), 0.5)).mean(), backbone.ego)[0]
    torch.testing.assert_close(backbone.ego.grad, expected, rtol=1e-3, atol=1e-6)


def test_autocf_graphs_carry_no_gradient_and_may_be_empty():
    backbone = made("autocf", seeds=N)
    final, terms = backbone.losses(backbone.ego, batch())
    assert len(backbone.encoder.rows) == 0
    assert len(backbone.decoder.rows) > N
    sum(terms.values()).backward()
    assert final.isfinite().all()
    assert backbone.ego.grad.isfinite().all()


def test_first_step_values():
    """With tiny vectors or a high temperature every candidate is equally likely."""
    one, users, items = batch(), math.log(N_USERS), math.log(N - N_USERS)
    unique_users, unique_items = len(one.users.unique()), len(one.positives.unique())
    expected = {
        "sgl": dict(bpr=math.log(2), ssl=0.1 * (users + 2 * items)),
        "simgcl": dict(bpr=math.log(2), ssl=0.1 * (users + items)),
        "dccf": dict(
            bpr=None,  # its intents make vectors large from the start
            ssl=1e-2 * 2 * 3 * (math.log(unique_users) + unique_items / unique_users * math.log(unique_items)),
        ),
        "autocf": dict(reconstruction=items, ssl=0.5 * (users + items), infomax=None),
    }
    for name, values in expected.items():
        backbone = made(name, **{} if name == "autocf" else dict(ssl_temperature=1e3))
        with torch.no_grad():
            backbone.ego *= 1e-2
        terms = backbone.losses(backbone.ego, one)[1]
        assert terms.keys() == values.keys()
        for term, value in values.items():
            assert value is None or terms[term].item() == pytest.approx(value, rel=3e-3), (name, term)
