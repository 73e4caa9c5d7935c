"""Sparsity groups against loops over users and ranks, and rankings without training against simulation."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import toys
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lib import groups, params, ranking, tables
from lib.statistics import holm

DATA = toys.interactions(60, 80, seed=3)
N_NODES = 140


def final(seed=0, width=6) -> torch.Tensor:
    return torch.randn(N_NODES, width, generator=torch.Generator().manual_seed(seed))


def run(alignment, per_user, seed=2023):
    settings = params.resolve("movielens-100k", "lightgcn", alignment, seed)
    return SimpleNamespace(settings=settings, per_user=per_user)


# Groups


@given(st.lists(st.integers(0, 30), min_size=1, max_size=200), st.integers(1, 6))
def test_groups_are_ordered_by_degree_and_named_by_their_range(degrees, n):
    found, degrees = groups.degree_groups(degrees, n), np.array(degrees)
    assert 1 <= len(found.categories) <= n and len(found) == len(degrees)
    ends = []
    for name in found.categories:
        inside = degrees[found == name]
        low, high = inside.min(), inside.max()
        assert name == (f"{low}-{high}" if low < high else str(low))
        ends += [low, high] if low < high else [low]
    assert ends == sorted(set(ends))  # rows of one degree stay together


def test_groups_are_equally_large_where_degrees_do_not_repeat():
    found = groups.degree_groups(np.random.default_rng(0).permutation(1000), 5)
    assert found.value_counts().tolist() == [200] * 5
    assert list(found.categories) == ["0-199", "200-399", "400-599", "600-799", "800-999"]


def test_by_users_divides_the_test_users():
    degrees = np.diff(DATA.train.indptr)
    found = groups.degree_groups(degrees, 3)
    per_user = ranking.evaluate(final(), DATA.n_users, DATA.train, DATA.test)
    parts = groups.by_users([run("base", per_user), run("contrastive", per_user[::-1])], found)
    assert list(parts) == list(found.categories)
    for name, (base, other) in parts.items():
        wanted = per_user.loc[[found[user] == name for user in per_user["user"]], ["user", "recall@20", "ndcg@20"]]
        pd.testing.assert_frame_equal(base.per_user, wanted)
        pd.testing.assert_frame_equal(other.per_user.sort_index(), wanted)
        assert other.settings.alignment == "contrastive"


def test_item_hits_equal_a_loop_over_users_and_ranks():
    found = groups.degree_groups(DATA.train.getnnz(axis=0), 4)
    vectors = final()
    hits = groups.item_hits(vectors, DATA, found, k=10).set_index(["user", "group"])
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
    found = groups.degree_groups(DATA.train.getnnz(axis=0), 4)
    hits = groups.item_hits(final(), DATA, found, k=20)
    whole = ranking.evaluate(final(), DATA.n_users, DATA.train, DATA.test).set_index("user")["recall@20"]
    both = hits.groupby("user")[["hits", "relevant"]].sum()
    np.testing.assert_allclose(both["hits"] / both["relevant"], whole.loc[both.index])  # groups add up to the ranking
    (part,) = groups.by_items([run("base", None)], [hits])[found.categories[0]]
    rows = hits[(hits["group"] == found.categories[0]) & (hits["relevant"] > 0)]
    assert list(part.per_user) == ["user", "recall@20"] and len(part.per_user) == len(rows)
    np.testing.assert_allclose(part.per_user["recall@20"], rows["hits"] / rows["relevant"])


def test_shares_add_up_and_count():
    found = groups.degree_groups(DATA.train.getnnz(axis=0), 4)
    hits = groups.item_hits(final(), DATA, found, k=20)
    shares = groups.shares(hits)
    assert list(shares.index) == list(found.categories)
    np.testing.assert_allclose(shares.sum(), 1)
    own = np.asarray(found == found.categories[1])
    assert shares["relevant"].iloc[1] == pytest.approx(DATA.test[:, own].nnz / DATA.test.nnz)


# Sparse against dense


def test_without_shared_users_it_is_welchs_test():
    rng = np.random.default_rng(1)
    a, b = pd.Series(rng.normal(0.2, 1, 300)), pd.Series(rng.normal(0, 2, 400), index=range(300, 700))
    found, truth = groups.difference_of_means(a, b), stats.ttest_ind(a, b, equal_var=False)
    assert found["difference"] == pytest.approx(a.mean() - b.mean())
    assert found["p"] == pytest.approx(truth.pvalue, rel=0.05)  # degrees of freedom differ a little
    interval = truth.confidence_interval()
    assert [found["ci_low"], found["ci_high"]] == pytest.approx([interval.low, interval.high], rel=0.01)


def test_with_the_same_users_it_is_the_paired_test():
    rng = np.random.default_rng(2)
    a = pd.Series(rng.normal(size=50))
    b = (a + rng.normal(0.1, 0.3, 50)).sample(frac=1, random_state=0)
    truth = stats.ttest_rel(a, b.sort_index())
    assert groups.difference_of_means(a, b)["p"] == pytest.approx(truth.pvalue, rel=1e-9)


def test_with_some_shared_users_the_error_is_that_of_repeated_draws():
    rng = np.random.default_rng(3)
    found = []
    for _ in range(3000):
        person = rng.normal(size=60)
        a = pd.Series(person[:40] + 0.1 * rng.normal(size=40), index=range(40))
        b = pd.Series(person[20:] + 0.1 * rng.normal(size=40), index=range(20, 60))
        found.append(groups.difference_of_means(a, b))
    found = pd.DataFrame(found)
    covered = (found["ci_low"] < 0) & (found["ci_high"] > 0)
    assert covered.mean() == pytest.approx(0.95, abs=0.015)


def test_nothing_but_zeros_is_no_difference():
    zeros = pd.Series([0.0, 0.0, 0.0])
    assert groups.difference_of_means(zeros, zeros)["p"] == 1


def test_sparse_users_are_compared_by_their_gain():
    rng = np.random.default_rng(4)
    users = np.arange(200)
    found = groups.degree_groups(users, 4)  # the first fifty users are the sparsest
    base = pd.DataFrame({"user": users, "recall@20": rng.random(200)})
    better = base.assign(
        **{"recall@20": base["recall@20"] + np.where(users < 50, 0.1, 0.02) + rng.normal(0, 0.02, 200)}
    )
    models = [run("base", base), run("contrastive", better), run("generative", base)]
    parts = groups.by_users(models, found, ["recall@20"])
    table = groups.sparse_against_dense(parts).set_index("alignment")
    row = table.loc["contrastive"]
    assert (row["sparse"], row["dense"]) == (pytest.approx(0.1, abs=0.01), pytest.approx(0.02, abs=0.01))
    sparse = (better["recall@20"] - base["recall@20"])[:50]
    assert row["sparse_low"] == pytest.approx(stats.ttest_1samp(sparse, 0).confidence_interval().low)
    assert row["ci_low"] < 0.08 < row["ci_high"] and row["p_holm"] == pytest.approx(2 * row["p"])
    sentences = groups.sparse_verdicts(table.reset_index(), "user")
    assert sentences == [
        "lightgcn contrastive against base: sparse users GAIN MORE than dense ones",
        "lightgcn generative against base: sparse users not told apart from dense ones",
    ]


def test_verdicts_tell_a_gain_from_a_smaller_loss():
    row = {"backbone": "gccf", "alignment": "generative", "against": "base", "p_holm": 0.01}
    cases = [(0.01, 0.05, "GAIN MORE than dense"), (-0.01, 0.05, "fare better, without"), (0.01, -0.05, "fare worse")]
    for low, difference, words in cases:
        table = pd.DataFrame([row | {"sparse_low": low, "difference": difference}])
        assert f"sparse items {words}" in groups.sparse_verdicts(table, "item")[0]


def test_parts_serve_the_tables_as_runs_do():
    per_user = ranking.evaluate(final(), DATA.n_users, DATA.train, DATA.test)
    parts = groups.by_users([run("base", per_user), run("base", per_user, 1)], groups.degree_groups(range(60), 2))
    summary = tables.ranking_summary(parts["0-29"], np.random.default_rng(0)).set_index("metric")
    assert summary.loc["recall@20", "mean"] == pytest.approx(per_user.query("user < 30")["recall@20"].mean())


# Without training


def test_text_only_ranks_by_the_dot_product_of_text_vectors():
    text = toys.text(DATA)
    found = groups.untrained(DATA, text)["text only"]
    pd.testing.assert_frame_equal(found, ranking.evaluate(text, DATA.n_users, DATA.train, DATA.test))


def test_popularity_ranks_by_train_degree():
    found = groups.untrained(DATA, toys.text(DATA), (5,))["popularity"].set_index("user")
    degrees = DATA.train.getnnz(axis=0)
    for user in np.flatnonzero(np.diff(DATA.test.indptr)):
        free = degrees.astype(float)
        free[DATA.train[user].indices] = -1
        sure, edge = np.flatnonzero(free > np.sort(free)[-5]), np.flatnonzero(free >= np.sort(free)[-5])
        wanted = DATA.test[user].indices  # items of equal degree may stand in any order
        least, most = (np.isin(items, wanted).sum() / len(wanted) for items in (sure, edge))
        assert least <= found.loc[user, "recall@5"] <= most


def test_random_is_the_mean_over_random_rankings():
    found = groups.untrained(DATA, toys.text(DATA))["random"]
    rng, users = np.random.default_rng(5), found["user"].to_numpy()
    draws = []
    for _ in range(800):
        scores = np.where(DATA.train.toarray() > 0, -1, rng.random(DATA.train.shape))[users]
        top = np.argsort(-scores, axis=1)[:, :20]
        hits = ranking.hits(top, DATA.test, users)
        draws.append(list(ranking.recall_and_ndcg(hits, np.diff(DATA.test.indptr)[users], (5, 10, 20)).values()))
    np.testing.assert_allclose(found.drop(columns="user").mean(), np.mean(draws, axis=0).mean(axis=1), rtol=0.02)


def test_random_among_fewer_items_than_places():
    data = toys.interactions(10, 15, seed=1)
    found = groups.untrained(data, toys.text(data), (20,))["random"]
    np.testing.assert_allclose(found["recall@20"], 1)


def test_levels_and_gains_are_those_of_the_tables_in_each_group():
    found = groups.degree_groups(np.diff(DATA.train.indptr), 3)
    per_user = [ranking.evaluate(final(seed), DATA.n_users, DATA.train, DATA.test) for seed in (0, 1)]
    parts = groups.by_users([run("base", per_user[0]), run("contrastive", per_user[1])], found)
    level = groups.levels(parts, np.random.default_rng(0)).set_index(["group", "alignment", "metric"])["mean"]
    gain = groups.gains(parts, np.random.default_rng(0)).set_index(["group", "metric"])
    assert len(level) == 3 * 2 * 2 and len(gain) == 3 * 2
    for name in found.categories:
        base, other = (level[name, kind, "ndcg@20"] for kind in ("base", "contrastive"))
        assert gain.loc[(name, "ndcg@20"), "difference"] == pytest.approx(other - base)
    np.testing.assert_allclose(gain["p_holm"], holm(gain["p"]))


def test_claims_on_sparsity():
    def claim(*rows):
        return groups.claim(pd.DataFrame(rows, columns=["sparse_low", "difference", "p_holm"]))

    more, less, open_ = (0.1, 0.1, 0.01), (0.1, -0.1, 0.01), (0.1, 0.1, 0.5)
    unsure = (-0.1, 0.1, 0.01)  # more than the dense, who lose, but no sure gain
    assert claim(more, more) == "supported: the sparse gain more in 2 of 2, fare worse in 0"
    assert claim(more, more, open_).startswith("inconclusive") and claim(more, less).startswith("inconclusive")
    assert claim(open_).startswith("inconclusive") and claim(unsure).startswith("inconclusive")
    assert claim(less, open_) == "not supported: the sparse gain more in 0 of 2, fare worse in 1"
