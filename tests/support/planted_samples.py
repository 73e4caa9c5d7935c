"""Made-up ratings whose reasons are known: tastes, kinds of items, and texts that tell of them more or less well."""

import numpy as np
import pandas as pd

from lib.data.samples import Samples

KINDS = ["war", "love", "crime", "space", "west", "music"]


def samples_of(events, items, users, min_history=0, liked_above=3, scale=(1, 5), **changes) -> Samples:
    """Samples from ratings in time order (user, item, rating, time): the last tenths of time are the other splits."""
    events = events.sort_values(["time", "user"], kind="stable").reset_index(drop=True)
    part = np.searchsorted([0.8, 0.9], np.arange(len(events)) / len(events), side="right")
    events["split"] = np.array(["train", "validation", "test"])[part]
    events = events.sort_values(["user", "time"], kind="stable").reset_index(drop=True)
    before = events.groupby("user").cumcount()
    rows = events.assign(label=(events.rating > liked_above).astype(int), start=np.arange(len(events)) - before)
    rows["stop"] = np.arange(len(events))
    rows = rows[before >= min_history].sort_values("time", kind="stable").reset_index(drop=True)
    return Samples("planted", items, users, events, rows, liked_above, scale, **changes)


def random_samples(seed=0, n_users=12, n_items=9, longest=30, min_history=0) -> Samples:
    """Histories of all lengths with items that come again, and targets that are in their own history."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(n_users), rng.integers(1, longest, n_users))
    n = len(user)
    events = pd.DataFrame({"user": user, "item": rng.integers(0, n_items, n), "rating": rng.integers(1, 6, n) * 1.0})
    items = pd.DataFrame({"id": range(n_items), "title": [f"Film {index}" for index in range(n_items)]})
    return samples_of(events.assign(time=rng.permutation(n)), items, pd.DataFrame({"id": range(n_users)}), min_history)


def planted(seed=0, n_users=200, n_items=240, per_user=30, style=1.5) -> tuple[Samples, np.ndarray]:
    """Samples, and text vectors [n_items, 24] that tell the kind of 70% of the items, of 15% a wrong one, else none.

    Users take what is of their kind more often, and like it better. A text is also in one of four styles, which nobody
    cares for: `style` says how much of it is that.
    """
    rng = np.random.default_rng(seed)
    kind, quality = rng.integers(0, len(KINDS), n_items), rng.normal(0, 0.4, n_items)
    liking = rng.normal(0, 1, (n_users, len(KINDS)))[:, kind]
    chosen = np.argsort(-0.7 * liking - rng.gumbel(size=liking.shape), axis=1)[:, :per_user]
    user, item = np.repeat(np.arange(n_users), per_user), rng.permuted(chosen, axis=1).ravel()
    value = 3.3 + 1.1 * liking[user, item] + quality[item] + rng.normal(0, 0.6, len(user))
    events = pd.DataFrame({"user": user, "item": item, "rating": value.round().clip(1, 5)})
    told = rng.choice(3, n_items, p=[0.7, 0.15, 0.15])  # right, wrong, nothing
    said = np.where(told == 1, (kind + rng.integers(1, len(KINDS), n_items)) % len(KINDS), kind)
    words, styles = rng.normal(0, 1, (len(KINDS), 24)), style * rng.normal(0, 1, (4, 24))
    text = 3 + np.where(told[:, None] == 2, 0, words[said]) + styles[rng.integers(0, 4, n_items)]
    text += rng.normal(0, 0.7, text.shape)
    titles = [f"{KINDS[said[index]].title()} {index}" for index in range(n_items)]
    items = pd.DataFrame({"id": range(n_items), "title": titles, "genre": np.array(KINDS)[kind]})
    events["time"] = rng.permutation(len(events))
    return samples_of(events, items, pd.DataFrame({"id": range(n_users)}), min_history=5), text.astype(np.float32)
