"""Table 2 of RALLRec: how many users, items, samples, fields and features a dataset has."""

import numpy as np
import pandas as pd

from lib.core.errors import unknown
from lib.data.samples import Samples

# what click models read of users and items; further columns, such as plots, are texts for language models
USER_FIELDS = ("gender", "age", "occupation", "zip", "country")
ITEM_FIELDS = ("title", "genre", "category", "author", "year", "publisher")
HISTORIES = 2  # fields that share the vocabularies of others: the items of the history and their ratings
SCOPES = ("all", "train")


def table2(samples: Samples, scope: str = "all") -> dict[str, int]:
    """Counts by name: users, items, samples, ratings, fields, features.

    `scope` "all" counts every user with a sample and every rated item; "train" only what occurs in train samples, as
    target or in a history, which is how the paper's features can be as few as they are. `ratings` are those behind the
    samples: the paper's count for Book-Crossing is of these. `features` is the sum of distinct values over fields.
    Raises UserError for another scope.
    """
    if scope not in SCOPES:
        raise unknown("scope", scope, SCOPES)
    rows = samples.rows if scope == "all" else samples.of_split("train")
    ratings = np.ones(len(samples.events), bool) if scope == "all" else _read(rows, len(samples.events))
    users = np.unique(rows.user)
    items = np.unique(np.concatenate([samples.events.item.to_numpy()[ratings], rows.item.to_numpy()]))
    known = [*_fields(samples.users, users, USER_FIELDS), *_fields(samples.items, items, ITEM_FIELDS)]
    return {
        "users": len(users),
        "items": len(items),
        "samples": len(rows),
        "ratings": int(ratings.sum()),
        "fields": 2 + len(known) + HISTORIES,
        "features": len(users) + len(items) + sum(field.nunique() for field in known),
    }


def _fields(frame: pd.DataFrame, index: np.ndarray, names: tuple[str, ...]) -> list[pd.Series]:
    return [frame[name].iloc[index] for name in names if name in frame]


def _read(rows: pd.DataFrame, count: int) -> np.ndarray:
    """Which of `count` events are in the history of any of `rows`."""
    begins = np.bincount(rows.start, minlength=count + 1) - np.bincount(rows.stop, minlength=count + 1)
    return np.cumsum(begins)[:count] > 0
