"""Users far apart, against graph searches, double loops over Python sets and a greedy loop."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.sparse.csgraph import shortest_path

from lib.analysis import distant_users
from lib.core.errors import UserError


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def train(n_users=60, n_items=50, density=0.06, seed=0) -> sp.csr_matrix:
    return sp.random(n_users, n_items, density, format="csr", random_state=seed, dtype=np.float32)


def cosine(space, i, j) -> float:
    return float(space[i] @ space[j] / np.linalg.norm(space[i]) / np.linalg.norm(space[j]))


def shared(matrix, i, j) -> int:
    return len(set(matrix[i].indices) & set(matrix[j].indices))


def test_users_without_a_shared_item_are_those_more_than_three_hops_apart():
    matrix = train()
    n_users = matrix.shape[0]
    graph = sp.bmat([[None, matrix], [matrix.T, None]])
    hops = shortest_path(graph, unweighted=True, directed=False)[:n_users, :n_users]
    far = np.array([[shared(matrix, i, j) == 0 and i != j for j in range(n_users)] for i in range(n_users)])
    assert (far == (hops > 3)).all() and 0 < far.sum() < far.size - n_users
    found = distant_users._shared(matrix, np.arange(n_users)) == distant_users.fewest_shared(matrix)
    assert (found == far).all()


@pytest.mark.parametrize("chunk", [7, 1024])
def test_fewest_shared_where_every_two_users_share_an_item(monkeypatch, chunk):
    monkeypatch.setattr(distant_users, "CHUNK", chunk)
    matrix = train(density=0.5)
    expected = min(shared(matrix, i, j) for i in range(60) for j in range(i))
    assert distant_users.fewest_shared(matrix) == expected > 0


def greedy(matrix, text):
    """Pairs by falling text cosine among those who share fewest items, each user once."""
    n, taken, found = matrix.shape[0], set(), []
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    fewest = min(shared(matrix, *pair) for pair in pairs)
    pairs = [pair for pair in pairs if shared(matrix, *pair) == fewest]
    for pair in sorted(pairs, key=lambda pair: -cosine(text, *pair)):
        if not taken & set(pair):
            taken |= set(pair)
            found.append(pair)
    return found, fewest


@pytest.mark.parametrize("density", [0.06, 0.5])
@pytest.mark.parametrize(("n", "chunk"), [(3, 1024), (12, 7), (1000, 1024)])
def test_far_pairs_are_those_of_a_greedy_loop(monkeypatch, density, n, chunk):
    monkeypatch.setattr(distant_users, "CHUNK", chunk)
    matrix, text = train(density=density), normal(0, 60, 5)
    pairs = distant_users.far_pairs(matrix, text, n)
    expected, fewest = greedy(matrix, text)
    assert list(zip(pairs["user"], pairs["partner"], strict=True)) == expected[:n]
    assert pairs["shared"].eq(fewest).all() and len(pairs) == min(n, len(expected))
    assert pairs["text_cosine"].tolist() == pytest.approx([cosine(text, *pair) for pair in expected[:n]], abs=1e-5)


def test_far_pairs_of_equal_texts_and_of_one_user():
    pairs = distant_users.far_pairs(sp.identity(6, format="csr"), np.ones((6, 3)))
    assert pairs[["user", "partner"]].to_numpy().tolist() == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(UserError, match="one user only"):
        distant_users.far_pairs(sp.identity(1, format="csr"), np.ones((1, 3)))


def test_positions_equal_a_ranking_of_all_far_users():
    matrix, text = train(), normal(0, 60, 5)
    spaces = {"base": normal(1, 60, 4), "contrastive": text}
    pairs = distant_users.far_pairs(matrix, text, 8)
    table = distant_users.positions(pairs, spaces, matrix)
    assert len(table) == 2 * len(pairs)
    for row in table.itertuples():
        space, shares = spaces[row.space], []
        for one, other in ((row.user, row.partner), (row.partner, row.user)):
            far = [j for j in range(60) if j != one and shared(matrix, one, j) == 0]
            rank = sorted(far, key=lambda j: -cosine(space, one, j)).index(other)  # noqa: B023
            shares.append(rank / (len(far) - 1))
            if one == row.user:
                assert (row.rank, row.candidates) == (rank + 1, len(far))
        assert row.cosine == pytest.approx(cosine(space, row.user, row.partner), abs=1e-5)
        assert row.nearer == pytest.approx(np.mean(shares))


def test_random_spaces_put_the_partner_in_the_middle_and_the_text_itself_first():
    matrix, text = train(400, 500, 0.01), normal(0, 400, 6)
    pairs = distant_users.far_pairs(matrix, text, 100)
    table = distant_users.positions(pairs, {"base": normal(1, 400, 6), "text": text}, matrix)
    mean = table.groupby("space")["nearer"].mean()
    assert mean["base"] == pytest.approx(0.5, abs=0.08) and mean["text"] < 0.05


@pytest.mark.parametrize("chunk", [7, 1024])
def test_mean_far_cosine_equals_a_double_loop(monkeypatch, chunk):
    monkeypatch.setattr(distant_users, "CHUNK", chunk)
    matrix, space = train(), normal(1, 60, 4)
    values = [cosine(space, i, j) for i in range(60) for j in range(60) if i != j and shared(matrix, i, j) == 0]
    assert distant_users.mean_far_cosine({"base": space}, matrix)["base"] == pytest.approx(np.mean(values), abs=1e-5)


def test_pair_summary_is_paired():
    rng = np.random.default_rng(0)
    base = rng.random(100)
    frames = [
        pd.DataFrame(
            {"user": range(100), "partner": range(100, 200), "space": space, "nearer": base - gain, "cosine": base}
        )
        for space, gain in (("base", 0), ("contrastive", rng.normal(0.05, 0.01, 100)))
    ]
    summary = distant_users.pair_summary(pd.concat(frames), rng).set_index(["space", "measure"])
    row = summary.loc[("contrastive", "nearer")]
    assert row["difference"] == pytest.approx(-0.05, abs=0.005) == row["mean"] - base.mean()
    assert row["difference_error"] == pytest.approx((row["difference_high"] - row["difference_low"]) / 3.92, rel=0.15)
    assert row["freedom"] == 99
    assert row["difference_high"] - row["difference_low"] < 0.1 * (row["ci_high"] - row["ci_low"])
    assert summary.loc[("contrastive", "cosine"), "difference"] == 0
