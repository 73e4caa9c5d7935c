"""Rankings without training against loops over items and simulation."""

import numpy as np
import pandas as pd
import toys

from lib.analysis.untrained_rankings import untrained_rankings
from lib.evaluation import ranking

DATA = toys.interactions(60, 80, seed=3)


def test_text_only_ranks_by_the_dot_product_of_text_vectors():
    text = toys.text(DATA)
    found = untrained_rankings(DATA, text)["text only"]
    pd.testing.assert_frame_equal(found, ranking.evaluate(text, DATA.n_users, DATA.train, DATA.test))


def test_popularity_ranks_by_train_degree():
    found = untrained_rankings(DATA, toys.text(DATA), (5,))["popularity"].set_index("user")
    degrees = DATA.train.getnnz(axis=0)
    for user in np.flatnonzero(np.diff(DATA.test.indptr)):
        free = degrees.astype(float)
        free[DATA.train[user].indices] = -1
        sure, edge = np.flatnonzero(free > np.sort(free)[-5]), np.flatnonzero(free >= np.sort(free)[-5])
        wanted = DATA.test[user].indices  # items of equal degree may stand in any order
        least, most = (np.isin(items, wanted).sum() / len(wanted) for items in (sure, edge))
        assert least <= found.loc[user, "recall@5"] <= most


def test_random_is_the_mean_over_random_rankings():
    found = untrained_rankings(DATA, toys.text(DATA))["random"]
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
    found = untrained_rankings(data, toys.text(data), (20,))["random"]
    np.testing.assert_allclose(found["recall@20"], 1)
