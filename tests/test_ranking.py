import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
import toys
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.core.errors import UserError
from lib.evaluation import ranking


def brute_force(scores, seen, relevant, k):
    """Textbook recall and ndcg, one user and one rank at a time."""
    rows = []
    for user in range(len(scores)):
        wanted = set(relevant[user].nonzero()[1])
        if not wanted:
            continue
        order = [item for item in np.argsort(-scores[user]) if not seen[user, item]][:k]
        dcg = sum(1 / np.log2(rank + 2) for rank, item in enumerate(order) if item in wanted)
        ideal = sum(1 / np.log2(rank + 2) for rank in range(min(k, len(wanted))))
        rows.append((user, len(wanted.intersection(order)) / len(wanted), dcg / ideal))
    return np.array(rows)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 30), st.integers(21, 60))
def test_equals_brute_force(seed, n_users, n_items):
    data = toys.interactions(n_users, n_items, seed)
    final = torch.randn(n_users + n_items, 4, generator=torch.Generator().manual_seed(seed))
    if not data.test.nnz:
        return
    ours = ranking.evaluate(final, n_users, data.train, data.test, (5, 20))
    scores = (final[:n_users] @ final[n_users:].T).numpy()
    for k in (5, 20):
        truth = brute_force(scores, data.train, data.test, k)
        np.testing.assert_allclose(ours[["user", f"recall@{k}", f"ndcg@{k}"]], truth, atol=1e-9)


def test_equals_ir_measures():
    ir_measures = pytest.importorskip("ir_measures")
    data = toys.interactions(60, 80, seed=5)
    final = torch.randn(140, 4, generator=torch.Generator().manual_seed(5))
    ours = ranking.evaluate(final, 60, data.train, data.test, (5, 10, 20)).set_index("user")
    scores = (final[:60] @ final[60:].T).numpy()
    scores[data.train.nonzero()] = -np.inf
    user, item = data.test.nonzero()
    qrels = [ir_measures.Qrel(str(u), str(i), 1) for u, i in zip(user, item, strict=True)]
    run = [ir_measures.ScoredDoc(str(u), str(i), float(scores[u, i])) for u, i in np.argwhere(np.isfinite(scores))]
    wanted = [measure @ k for k in (5, 10, 20) for measure in (ir_measures.R, ir_measures.nDCG)]
    for metric in ir_measures.iter_calc(wanted, qrels, run):
        name = str(metric.measure).replace("R@", "recall@").replace("nDCG@", "ndcg@")
        assert ours.loc[int(metric.query_id), name] == pytest.approx(metric.value, abs=1e-9)


def test_the_papers_worked_example():
    """Three relevant items with hits at ranks 1 and 4 (docs/methods/rlmrec.md 2)."""
    metrics = ranking.recall_and_ndcg(np.array([[True, False, False, True, False]]), np.array([3]), (5,))
    assert metrics["recall@5"][0] == pytest.approx(2 / 3)
    assert metrics["ndcg@5"][0] == pytest.approx((1 + 1 / np.log2(5)) / (1 + 1 / np.log2(3) + 1 / 2))


def test_train_items_vanish_and_validation_items_compete():
    train, validation, test = (
        sp.csr_matrix(np.array([row], np.float32)) for row in ([1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0])
    )
    final = torch.tensor([[1.0], [4.0], [3.0], [2.0], [1.0]])  # scores 4, 3, 2, 1: train, validation, test, other
    assert ranking.top_items(final[:1], final[1:], train, np.array([0]), 2).tolist() == [[1, 2]]
    first = ranking.evaluate(final, 1, train, test, (1,))
    assert first["recall@1"].tolist() == [0]  # the validation item takes the first place (docs/methods/rlmrec.md Q3)
    assert ranking.evaluate(final, 1, train + validation, test, (1,))["recall@1"].tolist() == [1]


def test_users_without_relevant_items_do_not_count():
    data = toys.interactions(10, 25, seed=2)
    test = data.test.tolil()
    test[3] = 0
    frame = ranking.evaluate(torch.randn(35, 3), 10, data.train, test.tocsr(), (5,))
    assert 3 not in frame.user.tolist()
    assert ranking.mean(frame)["recall@5"] == pytest.approx(frame["recall@5"].mean())
    assert isinstance(frame, pd.DataFrame)


@pytest.mark.parametrize(("name", "value"), [("USERS", 7), ("SCORES", 100), ("SCORES", 1)])
def test_chunking_changes_nothing(monkeypatch, name, value):
    data, final = toys.interactions(50, 30), torch.randn(80, 4)
    whole = ranking.evaluate(final, 50, data.train, data.test)
    monkeypatch.setattr(ranking, name, value)
    pd.testing.assert_frame_equal(whole, ranking.evaluate(final, 50, data.train, data.test))


def test_fewer_items_than_k():
    data, final = toys.interactions(10, 12, seed=3), torch.randn(22, 3)
    frame = ranking.evaluate(final, 10, data.train, data.test, (5, 20))
    scores = (final[:10] @ final[10:].T).numpy()
    truth = brute_force(scores, data.train, data.test, 20)
    np.testing.assert_allclose(frame[["user", "recall@20", "ndcg@20"]], truth, atol=1e-9)


def test_empty_split_is_one_sentence():
    data = toys.interactions(10, 12)
    with pytest.raises(UserError, match="split is empty"):
        ranking.evaluate(torch.randn(22, 3), 10, data.train, sp.csr_matrix(data.test.shape))
