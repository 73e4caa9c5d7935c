import numpy as np
import pytest
import scipy.sparse as sp
import torch
import toys
from small_backbones import WORKING_ENGINES

from lib.core.errors import UserError
from lib.models import graph, graph_engine

DATA = toys.interactions()


@pytest.mark.parametrize("engine", WORKING_ENGINES)
@pytest.mark.parametrize("self_loops", [False, True])
def test_propagate_is_the_dense_product(engine, self_loops):
    made = graph.bipartite(DATA.train, self_loops, engine=engine)
    x = torch.randn(made.n_nodes, 5)
    expected = toys.dense_normalised(DATA.train, self_loops) @ x.double().numpy()
    np.testing.assert_allclose(made.propagate(x), expected, atol=1e-6)


@pytest.mark.parametrize("self_loops", [False, True])
def test_entries_are_symmetric_and_counted(self_loops):
    made = graph.bipartite(DATA.train, self_loops)
    pairs = set(zip(made.rows.tolist(), made.columns.tolist(), strict=True))
    assert len(pairs) == 2 * DATA.train.nnz + self_loops * made.n_nodes
    assert pairs == {(column, row) for row, column in pairs}


@pytest.mark.skipif(len(WORKING_ENGINES) < 2, reason="DGL does not import here, so there is nothing to compare")
@pytest.mark.parametrize("keep_rate", [None, 0.7])
def test_engines_agree_forward_and_backward(keep_rate):
    results = []
    for engine in WORKING_ENGINES:
        made = graph.bipartite(DATA.train, engine=engine)
        if keep_rate:
            made = made.drop_edges(keep_rate, torch.Generator().manual_seed(3))
        x = torch.randn(made.n_nodes, 6, generator=torch.Generator().manual_seed(4)).requires_grad_()
        y = made.propagate(made.propagate(x))
        (y * torch.arange(6.0)).sum().backward()
        results.append((y.detach(), x.grad))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("engine", WORKING_ENGINES)
def test_dropped_edges_keep_weights_and_lose_symmetry(engine):
    whole = graph.bipartite(DATA.train, engine=engine)
    dropped = whole.drop_edges(0.5, torch.Generator().manual_seed(0))
    seen = dropped.propagate(torch.eye(whole.n_nodes)).numpy()
    expected = toys.dense_normalised(DATA.train)
    kept = seen != 0
    np.testing.assert_allclose(seen[kept], expected[kept], atol=1e-6)  # neither rescaled nor renormalised
    assert 0.4 < kept.sum() / (expected != 0).sum() < 0.6
    assert (kept != kept.T).any()


@pytest.mark.parametrize("engine", WORKING_ENGINES)
def test_gradient_of_dropped_graph_is_the_transpose(engine):
    dropped = graph.bipartite(DATA.train, engine=engine).drop_edges(0.5, torch.Generator().manual_seed(0))
    dense = dropped.propagate(torch.eye(dropped.n_nodes))
    x = torch.randn(dropped.n_nodes, 3, requires_grad=True)
    weights = torch.randn(dropped.n_nodes, 3)
    (dropped.propagate(x) * weights).sum().backward()
    torch.testing.assert_close(x.grad, dense.T @ weights, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("engine", WORKING_ENGINES)
def test_learnt_weights_equal_the_dense_products_with_gradients(engine):
    made = graph.bipartite(DATA.train, engine=engine)
    pattern = torch.from_numpy(toys.dense_normalised(DATA.train) > 0)
    x, y, values = (torch.randn(made.n_nodes, 5, requires_grad=True) for _ in range(3))
    weights = made.dots(x, y).sigmoid()
    ours = made.weighted_mean(weights, values)
    dense = torch.where(pattern, (x @ y.T).sigmoid(), 0)
    truth = dense / dense.sum(1, keepdim=True) @ values
    torch.testing.assert_close(weights, dense[pattern])
    torch.testing.assert_close(ours, truth)
    both = (torch.autograd.grad((result * torch.arange(5.0)).sum(), (x, y, values)) for result in (ours, truth))
    for one, other in zip(*both, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("engine", WORKING_ENGINES)
def test_other_entries_are_merged_sorted_and_normalised_by_their_own_degrees(engine):
    made = graph.bipartite(DATA.train, engine=engine)
    half = torch.randint(made.n_nodes, (2, 60), generator=torch.Generator().manual_seed(0))
    one, other = torch.cat([half, half.flip(0), half[:, :9]], dim=1)
    new = made.with_entries(one, other)
    expected = set(zip(one.tolist(), other.tolist(), strict=True))
    assert list(zip(new.rows.tolist(), new.columns.tolist(), strict=True)) == sorted(expected)
    dense = torch.zeros(made.n_nodes, made.n_nodes)
    dense[one, other] = 1
    factors = dense.sum(1).clamp(min=1) ** -0.5
    x = torch.randn(made.n_nodes, 3, requires_grad=True)
    seen = new.propagate(x)
    torch.testing.assert_close(seen, factors[:, None] * dense * factors @ x)
    assert torch.autograd.grad(seen.sum(), x)[0].isfinite().all()


def test_entries_of_a_large_graph_keep_their_rows():
    """docs/methods/rlmrec.md Q11: float32 arithmetic on row * n + column would move some of them."""
    train = sp.csr_matrix(([1.0], ([0], [0])), (11000, 9332))
    nodes = torch.arange(20332)
    new = graph.bipartite(train).with_entries(nodes, nodes)
    assert torch.equal(new.rows.long(), nodes)


def test_isolated_node_gets_zero():
    train = sp.csr_matrix(np.array([[1, 0], [0, 0]], np.float32))
    made = graph.bipartite(train)
    assert made.propagate(torch.ones(4, 1)).ravel().tolist() == [1, 0, 1, 0]


def test_engine_choice_falls_back_and_says_why(monkeypatch):
    monkeypatch.setattr(graph_engine, "load_dgl", lambda: (None, "ImportError: no wheel"))
    monkeypatch.setattr(graph_engine, "dgl_works_on", lambda device: False)
    assert graph_engine.choose_engine() == "torch"
    assert "no wheel" in graph_engine.engine_report()
    with pytest.raises(UserError, match="use torch"):
        graph_engine.choose_engine(engine="dgl")
    with pytest.raises(UserError, match="unknown graph engine"):
        graph_engine.choose_engine(engine="jax")
