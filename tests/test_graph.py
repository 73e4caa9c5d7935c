import numpy as np
import pytest
import scipy.sparse as sp
import torch
import toys

from lib import graph
from lib.files import UserError

DATA = toys.interactions()
ENGINES = [name for name in graph.ENGINES if name != "dgl" or graph.choose_engine() == "dgl"]


@pytest.mark.parametrize("engine", ENGINES)
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


@pytest.mark.skipif(len(ENGINES) < 2, reason="DGL does not import here, so there is nothing to compare")
@pytest.mark.parametrize("keep_rate", [None, 0.7])
def test_engines_agree_forward_and_backward(keep_rate):
    results = []
    for engine in ENGINES:
        made = graph.bipartite(DATA.train, engine=engine)
        if keep_rate:
            made = made.drop_edges(keep_rate, torch.Generator().manual_seed(3))
        x = torch.randn(made.n_nodes, 6, generator=torch.Generator().manual_seed(4)).requires_grad_()
        y = made.propagate(made.propagate(x))
        (y * torch.arange(6.0)).sum().backward()
        results.append((y.detach(), x.grad))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_dropped_edges_keep_weights_and_lose_symmetry(engine):
    whole = graph.bipartite(DATA.train, engine=engine)
    dropped = whole.drop_edges(0.5, torch.Generator().manual_seed(0))
    seen = dropped.propagate(torch.eye(whole.n_nodes)).numpy()
    expected = toys.dense_normalised(DATA.train)
    kept = seen != 0
    np.testing.assert_allclose(seen[kept], expected[kept], atol=1e-6)  # neither rescaled nor renormalised
    assert 0.4 < kept.sum() / (expected != 0).sum() < 0.6
    assert (kept != kept.T).any()


@pytest.mark.parametrize("engine", ENGINES)
def test_gradient_of_dropped_graph_is_the_transpose(engine):
    dropped = graph.bipartite(DATA.train, engine=engine).drop_edges(0.5, torch.Generator().manual_seed(0))
    dense = dropped.propagate(torch.eye(dropped.n_nodes))
    x = torch.randn(dropped.n_nodes, 3, requires_grad=True)
    weights = torch.randn(dropped.n_nodes, 3)
    (dropped.propagate(x) * weights).sum().backward()
    torch.testing.assert_close(x.grad, dense.T @ weights, atol=1e-6, rtol=1e-5)


def test_isolated_node_gets_zero():
    train = sp.csr_matrix(np.array([[1, 0], [0, 0]], np.float32))
    made = graph.bipartite(train)
    assert made.propagate(torch.ones(4, 1)).ravel().tolist() == [1, 0, 1, 0]


def test_engine_choice_falls_back_and_says_why(monkeypatch):
    monkeypatch.setattr(graph, "_dgl", lambda: (None, "ImportError: no wheel"))
    monkeypatch.setattr(graph, "_dgl_on", lambda device: False)
    assert graph.choose_engine() == "torch"
    assert "no wheel" in graph.engine_report()
    with pytest.raises(UserError, match="use torch"):
        graph.choose_engine(engine="dgl")
    with pytest.raises(UserError, match="unknown graph engine"):
        graph.choose_engine(engine="jax")
