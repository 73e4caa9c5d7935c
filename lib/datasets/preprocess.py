"""From rated events with raw ids to Interactions: threshold, k-core, dense ids, split."""

import numpy as np
import pandas as pd

from lib.datasets.interactions import SPLITS, Interactions, from_events
from lib.datasets.schema import DatasetSettings
from lib.files import UserError


def interactions(events: pd.DataFrame, users, items, settings: DatasetSettings) -> Interactions:
    """Prepare `events` (user, item, rating, timestamp) as `settings` say; dense ids follow the order of raw ids.

    `users` and `items` are frames indexed by raw id, or None. Raises UserError when nothing is left.
    """
    events = threshold(events, settings.minimum_rating, settings.name)
    events = k_core(events, settings.core, settings.name)
    events, users, items = dense(events, users, items)
    labels = split(events.user.to_numpy(), events.item.to_numpy(), settings.split.ratios, settings.split.seed)
    return from_events(settings.name, events.assign(split=labels), users, items)


def threshold(events: pd.DataFrame, minimum: float | None, name: str = "data") -> pd.DataFrame:
    """Events rated `minimum` or better; raises UserError when there are no ratings or none is left."""
    if minimum is None:
        return events
    if events.rating.isna().all():
        raise UserError(f"{name} has no ratings: remove minimum_rating from its dataset.yaml")
    kept = events[events.rating >= minimum]
    if kept.empty:
        best = f"its best rating is {events.rating.max():g}"
        raise UserError(f"minimum_rating {minimum:g} removes every interaction of {name}: {best}")
    return kept


def k_core(events: pd.DataFrame, core: int, name: str = "data") -> pd.DataFrame:
    """Largest part of `events` with `core` or more of every user and item; raises UserError when it is empty."""
    user, item = pd.factorize(events.user)[0], pd.factorize(events.item)[0]
    kept = np.arange(len(events))
    while True:
        u, i = user[kept], item[kept]
        strong = (np.bincount(u)[u] >= core) & (np.bincount(i)[i] >= core)
        if strong.all():
            break
        kept = kept[strong]
    if not len(kept):
        raise UserError(f"the {core}-core of {name} is empty: every user or item goes, so lower core in dataset.yaml")
    return events.iloc[kept]


def dense(events: pd.DataFrame, users, items) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Replace raw ids by 0-based indices in their order; events come back sorted by user and item."""
    user_ids, user = np.unique(events.user.to_numpy(), return_inverse=True)
    item_ids, item = np.unique(events.item.to_numpy(), return_inverse=True)
    events = events.assign(user=user, item=item).sort_values(["user", "item"], ignore_index=True)
    return events, _side(user_ids, users), _side(item_ids, items)


def _side(ids, frame) -> pd.DataFrame:
    side = pd.DataFrame({"id": ids})
    return side if frame is None else side.join(frame, on="id")


def split(user: np.ndarray, item: np.ndarray, ratios=(3, 1, 1), seed: int = 2023) -> np.ndarray:
    """Label each interaction train, validation or test at random, so that every user and item keeps a train edge.

    Rows must be distinct and sorted by (user, item), so that the labels do not depend on the order of a file. In a
    random order the first interaction of each user and each item is reserved for train; the others fill up the shares.
    """
    order = np.random.default_rng(seed).permutation(len(user))
    reserved = np.zeros(len(user), dtype=bool)
    for side in (user, item):
        reserved[order[np.unique(side[order], return_index=True)[1]]] = True
    order = np.concatenate([order[reserved[order]], order[~reserved[order]]])
    # very sparse data reserves more than the train share; the rest is then shared in the ratio of the other two
    train = max(round(len(user) * ratios[0] / sum(ratios)), reserved.sum())
    validation = train + round((len(user) - train) * ratios[1] / sum(ratios[1:]))
    labels = np.empty(len(user), dtype=object)
    for label, part in zip(SPLITS, np.split(order, [train, validation]), strict=True):
        labels[part] = label
    return labels
