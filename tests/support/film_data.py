"""A small dataset that says all that prompts ask for: films with genres, people with ages, ratings with dates."""

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from lib.data.interactions import Interactions

GENRES = ["Drama", "Comedy|Drama", "War", "Comedy", "", "Western|War"]


def interactions(seed=0, n_users=7, **change) -> Interactions:
    """Random ratings of six films; every pair has one split."""
    random = np.random.default_rng(seed)
    pairs = np.argwhere(random.random((n_users, len(GENRES))) < 0.8)
    events = pd.DataFrame(pairs, columns=["user", "item"])
    events["rating"] = random.integers(1, 6, len(events)).astype("float32")
    events["timestamp"] = random.integers(0, 50, len(events))
    events["split"] = random.choice(["train", "validation", "test"], len(events), p=[0.6, 0.2, 0.2])
    items = pd.DataFrame({"title": [*"ABCD", "Net, The", "Postino, Il (Postman, The)"], "genres": GENRES})
    items["year"] = pd.array([1990, None, 1992, 1993, 1994, 1995], dtype="Int64")
    users = pd.DataFrame(
        {"age": range(20, 20 + n_users), "occupation": ["writer", "other"] * (n_users // 2) + ["none"]}
    )
    fields = {"name": "toy-films", "users": users, "items": items, "events": events} | change
    return Interactions(**matrices(events, n_users), **fields)


def matrices(events: pd.DataFrame, n_users: int) -> dict[str, csr_matrix]:
    """The events of each split as a matrix."""

    def matrix(split):
        own = events[events.split == split]
        return csr_matrix((np.ones(len(own), np.float32), (own.user, own.item)), shape=(n_users, len(GENRES)))

    return {split: matrix(split) for split in ("train", "validation", "test")}
