"""Small made-up samples for click models: who likes what follows from a taste and a kind, both of them in fields."""

import numpy as np
import pandas as pd

from lib.data.samples import Samples


def likes(n_users=60, n_items=40, per_user=25, seed=0, timed=True) -> Samples:
    """Every user rates `per_user` items in a random order; histories are all earlier ratings, splits follow time."""
    rng = np.random.default_rng(seed)
    users = pd.DataFrame({"id": np.arange(n_users) + 100, "taste": rng.choice(["calm", "loud"], n_users)})
    items = pd.DataFrame({"id": np.arange(n_items) + 500, "title": [f"Film {n}" for n in range(n_items)]})
    items["genre"] = rng.choice(["calm", "loud"], n_items)
    user = np.repeat(np.arange(n_users), per_user)
    item = np.concatenate([rng.permutation(n_items)[:per_user] for _ in range(n_users)])
    suits = users.taste.to_numpy()[user] == items.genre.to_numpy()[item]
    rating = np.clip(np.where(suits, 4, 2) + rng.integers(-1, 2, len(user)), 1, 5).astype(float)
    place = np.arange(len(user))
    time = rng.permutation(len(user)).reshape(n_users, per_user)
    events = pd.DataFrame({"user": user, "item": item, "rating": rating, "time": np.sort(time, axis=1).ravel()})
    rows = events.assign(label=(rating > 3).astype(int), start=place // per_user * per_user, stop=place)
    rows = rows[rows.stop - rows.start >= 3].sort_values("time")
    part = np.searchsorted([0.7, 0.85], np.arange(len(rows)) / len(rows), side="right")
    rows["split"] = np.array(["train", "validation", "test"])[part]
    events["split"] = rows.split.reindex(events.index).fillna("train")
    columns = ["split", "user", "item", "rating", "label", "time", "start", "stop"]
    return Samples("toy", items, users, events, rows[columns].reset_index(drop=True), 3, (1, 5), timed)
