"""Which ratings count: the first of a pair, users and items with neither too few nor too many, the most rated items."""

import numpy as np
import pandas as pd

from lib.core.errors import UserError
from lib.data import preprocess
from lib.data.dataset_settings import SampleSettings, Selection


def selected(events: pd.DataFrame, described: pd.Index, settings: SampleSettings, name: str = "data") -> pd.DataFrame:
    """The events that `settings` keep, in their order; `described` are the items that are known by more than an id.

    Raises UserError when nothing is left.
    """
    if settings.filter == "5core":
        events, again = preprocess.k_core(events, 5, name), None
        kept = events
    else:
        rules, again = settings.code, settings.code.then_all_of_users_with
        kept = bounded(events, rules)
        if rules.most_rated is not None:
            kept = kept[kept.item.isin(most_rated(kept.item, rules.most_rated))]
    items = described.intersection(kept.item.unique())
    kept = (kept if again is None else events)[lambda rows: rows.item.isin(items)]
    if again is not None:
        kept = kept[kept.groupby("user").item.transform("size") >= again]
    if kept.empty:
        raise UserError(f"{name}: no rating is left: loosen 'samples' in its dataset.yaml, or check its items")
    return kept


def first_of_pairs(events: pd.DataFrame) -> pd.DataFrame:
    """Without later ratings of the same item by the same user."""
    return events[~events.duplicated(["user", "item"])]


def bounded(events: pd.DataFrame, rules: Selection) -> pd.DataFrame:
    """The largest part in which every user and item has as many events as `rules` allow.

    All users and items out of bounds go at once, and again until none does; with upper limits the order matters.
    """
    (user_low, user_high), (item_low, item_high) = rules.user_ratings, rules.item_ratings
    user, item = pd.factorize(events.user)[0], pd.factorize(events.item)[0]
    kept = np.arange(len(events))
    while len(kept):
        users, items = np.bincount(user[kept])[user[kept]], np.bincount(item[kept])[item[kept]]
        within = (users >= user_low) & (items >= item_low)
        within &= users <= (user_high or np.inf)
        within &= items <= (item_high or np.inf)
        if within.all():
            break
        kept = kept[within]
    return events.iloc[kept]


def most_rated(items: pd.Series, count: int) -> pd.Index:
    """The `count` most frequent of `items`; of equally frequent ones the smaller ids."""
    often = items.value_counts().rename_axis("item").reset_index(name="often")
    return pd.Index(often.sort_values(["often", "item"], ascending=[False, True]).item[:count])
