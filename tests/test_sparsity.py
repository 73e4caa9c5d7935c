"""Groups by degree against loops over users and ranks."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import toys
from hypothesis import given
from hypothesis import strategies as st

from lib.analysis import comparisons, sparsity
from lib.analysis.item_hits import item_hits
from lib.evaluation import ranking
from lib.evaluation.verdicts.claims_on_ranking import sparsity_verdicts
from lib.training.run_settings import resolve

DATA = toys.interactions(60, 80, seed=3)


N_NODES = 140


def final(seed=0, width=6) -> torch.Tensor:
    return torch.randn(N_NODES, width, generator=torch.Generator().manual_seed(seed))


def run(alignment, per_user, seed=2023):
    settings = resolve("movielens-100k", "lightgcn", alignment, seed)
    return SimpleNamespace(settings=settings, per_user=per_user)


# Groups


@given(st.lists(st.integers(0, 30), min_size=1, max_size=200), st.integers(1, 6))
def test_groups_are_ordered_by_degree_and_named_by_their_range(degrees, n):
    found, degrees = sparsity.degree_groups(degrees, n), np.array(degrees)
    assert 1 <= len(found.categories) <= n and len(found) == len(degrees)
    ends = []
    for name in found.categories:
        inside = degrees[found == name]
        low, high = inside.min(), inside.max()
        assert name == (f"{low}-{high}" if low < high else str(low))
        ends += [low, high] if low < high else [low]
    assert ends == sorted(set(ends))  # rows of one degree stay together


def test_groups_are_equally_large_where_degrees_do_not_repeat():
    found = sparsity.degree_groups(np.random.default_rng(0).permutation(1000), 5)
    assert found.value_counts().tolist() == [200] * 5
    assert list(found.categories) == ["0-199", "200-399", "400-599", "600-799", "800-999"]


def test_by_users_divides_the_test_users():
    degrees = np.diff(DATA.train.indptr)
    found = sparsity.degree_groups(degrees, 3)
    per_user = ranking.evaluate(final(), DATA.n_users, DATA.train, DATA.test)
    parts = sparsity.by_users([run("base", per_user), run("contrastive", per_user[::-1])], found)
    assert list(parts) == list(found.categories)
    for name, (base, other) in parts.items():
        wanted = per_user.loc[[found[user] == name for user in per_user["user"]], ["user", "recall@20", "ndcg@20"]]
        pd.testing.assert_frame_equal(base.per_user, wanted)
        pd.testing.assert_frame_equal(other.per_user.sort_index(), wanted)
        assert other.settings.alignment == "contrastive"


def test_item_hits_equal_a_loop_over_users_and_ranks():
    found = sparsity.degree_groups(DATA.train.getnnz(axis=0), 4)
    vectors = final()
    hits = item_hits(vectors, DATA, found, k=10).set_index(["user", "group"])
    scores = (vectors[: DATA.n_users] @ vectors[DATA.n_users :].T).numpy()
    test_users = np.flatnonzero(np.diff(DATA.test.indptr))
    assert len(hits) == len(test_users) * 4
    for user in test_users:
        seen, wanted = set(DATA.train[user].indices), set(DATA.test[user].indices)
        top = [item for item in np.argsort(-scores[user]) if item not in seen][:10]
        for name in found.categories:
            own = {item for item in range(DATA.n_items) if found[item] == name}
            row = hits.loc[(user, name)]
            assert row.relevant == len(wanted & own)
            assert row.recommended == len(own.intersection(top))
            assert row.hits == len(wanted & own.intersection(top))


def test_recall_by_item_group():
    found = sparsity.degree_groups(DATA.train.getnnz(axis=0), 4)
    hits = item_hits(final(), DATA, found, k=20)
    whole = ranking.evaluate(final(), DATA.n_users, DATA.train, DATA.test).set_index("user")["recall@20"]
    both = hits.groupby("user")[["hits", "relevant"]].sum()
    np.testing.assert_allclose(both["hits"] / both["relevant"], whole.loc[both.index])  # groups add up to the ranking
    (part,) = sparsity.by_items([run("base", None)], [hits])[found.categories[0]]
    rows = hits[(hits["group"] == found.categories[0]) & (hits["relevant"] > 0)]
    assert list(part.per_user) == ["user", "recall@20"] and len(part.per_user) == len(rows)
    np.testing.assert_allclose(part.per_user["recall@20"], rows["hits"] / rows["relevant"])


def test_parts_serve_comparisons_as_runs_do():
    per_user = ranking.evaluate(final(), DATA.n_users, DATA.train, DATA.test)
    parts = sparsity.by_users([run("base", per_user), run("base", per_user, 1)], sparsity.degree_groups(range(60), 2))
    summary = comparisons.ranking_summary(parts["0-29"], np.random.default_rng(0)).set_index("metric")
    assert summary.loc["recall@20", "mean"] == pytest.approx(per_user.query("user < 30")["recall@20"].mean())


# What runs reach and gain in each group


def test_shares_add_up_and_count():
    found = sparsity.degree_groups(DATA.train.getnnz(axis=0), 4)
    hits = item_hits(final(), DATA, found, k=20)
    shares = sparsity.item_shares(hits)
    assert list(shares.index) == list(found.categories)
    np.testing.assert_allclose(shares.sum(), 1)
    own = np.asarray(found == found.categories[1])
    assert shares["relevant"].iloc[1] == pytest.approx(DATA.test[:, own].nnz / DATA.test.nnz)


def test_means_and_differences_are_those_of_comparisons_in_each_group():
    found = sparsity.degree_groups(np.diff(DATA.train.indptr), 3)
    per_user = [ranking.evaluate(final(seed), DATA.n_users, DATA.train, DATA.test) for seed in (0, 1)]
    parts = sparsity.by_users([run("base", per_user[0]), run("contrastive", per_user[1])], found)
    level = sparsity.group_means(parts, np.random.default_rng(0)).set_index(["group", "alignment", "metric"])["mean"]
    gain = sparsity.group_differences(parts).set_index(["group", "metric"])
    assert len(level) == 3 * 2 * 2 and len(gain) == 3 * 2
    for name in found.categories:
        base, other = (level[name, kind, "ndcg@20"] for kind in ("base", "contrastive"))
        assert gain.loc[(name, "ndcg@20"), "difference"] == pytest.approx(other - base)
    assert gain["p"].isna().all()  # one seed


def test_sparse_users_are_compared_by_their_gain():
    rng = np.random.default_rng(4)
    users = np.arange(200)
    found = sparsity.degree_groups(users, 4)  # the first fifty users are the sparsest
    taste = rng.random(200)

    def trained(kind, gain=0.0):
        values = taste + gain + rng.normal(0, 0.02, 200) + rng.normal(0, 0.002)
        return run(kind, pd.DataFrame({"user": users, "recall@20": values}))

    models = [trained("base") for _ in range(3)] + [trained("generative") for _ in range(2)]
    models += [trained("contrastive", np.where(users < 50, 0.1, 0.02)) for _ in range(2)]
    parts = sparsity.by_users(models, found, ["recall@20"])
    table = sparsity.sparse_against_dense(parts).set_index("alignment")
    row = table.loc["contrastive"]
    assert (row["sparse"], row["dense"]) == (pytest.approx(0.1, abs=0.01), pytest.approx(0.02, abs=0.01))
    assert row["sparse_low"] < row["sparse"] and row["ci_low"] < 0.08 < row["ci_high"]
    means = {kind: _mean_of(models, kind) for kind in ("base", "contrastive", "generative")}
    change = means["contrastive"] - means["base"]
    of_users = change[:50].var(ddof=1) / 50 + change[150:].var(ddof=1) / 50
    gaps = {kind: _gaps(models, kind) for kind in means}
    pooled = sum(((gap - gap.mean()) ** 2).sum() for gap in gaps.values()) / 4  # 2 + 1 + 1 degrees of freedom
    assert row["error"] == pytest.approx((of_users + pooled / 2 + pooled / 3) ** 0.5)
    sentences = sparsity_verdicts(table.reset_index(), "user")
    assert sentences[0] == "lightgcn generative against base: sparse users not told apart from dense ones " + (
        f"({table.loc['generative', 'detectable']:.4f} would show)"
    ) or sentences[0].startswith("lightgcn contrastive against base: sparse users GAIN MORE than dense ones")


def _mean_of(models, kind) -> np.ndarray:
    return np.mean([one.per_user["recall@20"] for one in models if one.settings.alignment == kind], axis=0)


def _gaps(models, kind) -> np.ndarray:
    """By how much each run ranks the sparsest group better than the densest."""
    values = [one.per_user["recall@20"].to_numpy() for one in models if one.settings.alignment == kind]
    return np.array([value[:50].mean() - value[150:].mean() for value in values])
