"""From rated events with raw ids to Interactions: rating threshold, k-core, indices in place of ids, split.

An id is what the data call a user or an item, a number or a text. An index is its row number, from 0.
"""

import numpy as np
import pandas as pd

from lib.core.errors import UserError, short
from lib.data.dataset_settings import DatasetSettings
from lib.data.interactions import SPLITS, Interactions, from_events

SHOWN = 5  # ids that an error names


def prepare(
    events: pd.DataFrame, users: pd.DataFrame | None, items: pd.DataFrame | None, settings: DatasetSettings
) -> Interactions:
    """Interactions of `events` (user, item, rating, timestamp) as `settings` say; indices follow the order of ids.

    `users` and `items` describe ids, which are their index, and may hold more of them than the events. What threshold
    and k-core leave is counted in `kept` of the attributes of the events. Raises UserError when no event is left.
    """
    kept = {"in the file": counts(events)}
    events = threshold(events, settings.minimum_rating, settings.name)
    if settings.minimum_rating is not None:
        kept[f"rated {settings.minimum_rating:g} or better"] = counts(events)
    events = k_core(events, settings.core, settings.name)
    if settings.core > 1:
        kept[f"in the {settings.core}-core"] = counts(events)
    events, users, items = replace_ids(events, users, items)
    labels = split(events.user.to_numpy(), events.item.to_numpy(), settings.split.ratios, settings.split.seed)
    events = events.assign(split=labels)
    events.attrs["kept"] = kept
    return from_events(settings.name, events, users, items)


def counts(events: pd.DataFrame) -> dict[str, int]:
    """How many users, items and interactions there are in `events`."""
    return {"users": events.user.nunique(), "items": events.item.nunique(), "interactions": len(events)}


def threshold(events: pd.DataFrame, minimum: float | None, name: str = "data") -> pd.DataFrame:
    """Events rated `minimum` or better, all of them without a minimum.

    Raises UserError when there are no ratings, or when no event is left.
    """
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
    """The largest part of `events` in which every user and every item has `core` or more of them.

    Raises UserError when that part is empty.
    """
    user, item = pd.factorize(events.user)[0], pd.factorize(events.item)[0]
    kept = np.arange(len(events))
    while True:  # each event that goes may leave its user or item with too few
        users, items = user[kept], item[kept]
        enough = (np.bincount(users)[users] >= core) & (np.bincount(items)[items] >= core)
        if enough.all():
            break
        kept = kept[enough]
    if not len(kept):
        raise UserError(f"the {core}-core of {name} is empty: every user or item goes, so lower core in dataset.yaml")
    return events.iloc[kept]


def replace_ids(events: pd.DataFrame, users, items) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Events with indices in place of ids, sorted by both, and one row per index of users and items.

    The id stays in the column `id` of users and items.
    """
    user_ids, user = np.unique(events.user.to_numpy(), return_inverse=True)
    item_ids, item = np.unique(events.item.to_numpy(), return_inverse=True)
    events = events.assign(user=user, item=item).sort_values(["user", "item"], ignore_index=True)
    return events, _described(user_ids, users), _described(item_ids, items)


def _described(ids: np.ndarray, known: pd.DataFrame | None) -> pd.DataFrame:
    """One row per id with what is known about it; ids that no event has are left out."""
    rows = pd.DataFrame({"id": ids})
    return rows if known is None else rows.join(known, on="id")


def split(user: np.ndarray, item: np.ndarray, ratios=(3, 1, 1), seed: int = 2023) -> np.ndarray:
    """A random label train, validation or test for each interaction [n], with a train interaction for everybody.

    Rows must be distinct and sorted by (user, item), so that the labels do not depend on the order of a file. In a
    random order the first interaction of each user and each item is reserved for train; the others fill up the shares.
    """
    order = np.random.default_rng(seed).permutation(len(user))
    reserved = np.zeros(len(user), dtype=bool)
    for side in (user, item):
        first = np.unique(side[order], return_index=True)[1]  # where in this order each user, or item, comes first
        reserved[order[first]] = True
    order = np.concatenate([order[reserved[order]], order[~reserved[order]]])
    # very sparse data reserve more than the train share; the rest is then shared in the ratio of the other two
    train = max(round(len(user) * ratios[0] / sum(ratios)), reserved.sum())
    validation = train + round((len(user) - train) * ratios[1] / sum(ratios[1:]))
    labels = np.empty(len(user), dtype=object)
    for label, part in zip(SPLITS, np.split(order, [train, validation]), strict=True):
        labels[part] = label
    return labels


def named(frame: pd.DataFrame | None, rows: np.ndarray) -> str:
    """'ids u7, u9 and 12 more' of the `rows` (indices) of users or items; 'indices' where the data bring no ids."""
    what, known = ("indices", rows) if frame is None or "id" not in frame else ("ids", frame.id.iloc[rows])
    shown = ", ".join(short(value, 40) for value in list(known)[:SHOWN])
    return f"{what} {shown}" + (f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else "")
