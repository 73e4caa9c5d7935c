"""Sequences of dated events: sorted by time, and by item id among events of one user at the same time."""

import numpy as np
import pandas as pd

from lib.core.errors import UserError
from lib.data import preprocess
from lib.data.dataset_settings import DatasetSettings
from lib.data.interactions import Interactions
from lib.data.rated.ratings import Ratings
from lib.data.sequences.user_sequences import Sequences, starts


def of_interactions(data: Interactions) -> Sequences:
    """The events of all splits in order; users keep their index and item i is index i - 1 of `data`.

    Raises UserError when the events have no dates.
    """
    events = data.events
    if events is None or "timestamp" not in events:
        raise _undated(data.name)
    return _sorted(data.name, events, data.users, data.items)


def of_ratings(ratings: Ratings, settings: DatasetSettings) -> Sequences:
    """Rated events in order, after the threshold and k-core of `settings`; ratings that repeat an item stay.

    Raises UserError when the events have no dates, or when none is left.
    """
    events = ratings.events.rename(columns={"time": "timestamp"})
    events = preprocess.threshold(events, settings.minimum_rating, settings.name)
    events = preprocess.k_core(events[events.item.isin(ratings.items.index)], settings.core, settings.name)
    events, users, items = preprocess.replace_ids(events, ratings.users, ratings.items)
    made = _sorted(settings.name, events, users, items)
    made.notes.extend(ratings.notes)
    return made


def _sorted(name: str, events: pd.DataFrame, users: pd.DataFrame, items: pd.DataFrame) -> Sequences:
    """Sequences of events whose user and item are row numbers of `users` and `items`."""
    if events.timestamp.isna().any():
        raise _undated(name, int(events.timestamp.isna().sum()), len(events))
    user, item, time = (events[column].to_numpy() for column in ("user", "item", "timestamp"))
    order = np.lexsort((item, time, user))
    lengths = np.bincount(user, minlength=len(users))
    return Sequences(name, users, items, starts(lengths), item[order].astype(np.int32) + 1, time[order].astype(float))


def _undated(name: str, missing: int = 0, events: int = 0) -> UserError:
    some = f"{missing} of {events} events of {name}" if 0 < missing < events else f"the events of {name}"
    return UserError(
        f"{some} have no date, and sequences need their order: give the interactions a column 'timestamp' in seconds"
    )
