"""How many users and items have which degree, and how many profiles have which length: the tables of those figures."""

import numpy as np
import pandas as pd

from lib.data.interactions import Interactions


def degree_counts(interactions: Interactions) -> pd.DataFrame:
    """How many users and items have each number of train interactions: side, degree, count, share_at_least.

    share_at_least: of the side, with so many or more.
    """
    rows = []
    for side, axis in (("user", 1), ("item", 0)):
        degrees = interactions.train.getnnz(axis=axis)
        values, counts = np.unique(degrees, return_counts=True)
        at_least = counts[::-1].cumsum()[::-1] / len(degrees)
        rows.append(pd.DataFrame({"side": side, "degree": values, "count": counts, "share_at_least": at_least}))
    return pd.concat(rows, ignore_index=True)


def length_counts(profiles: pd.DataFrame) -> pd.DataFrame:
    """How many profiles of a side (user|item) have each number of words: side, words, count."""
    words = profiles["text"].str.split().str.len().rename("words")
    return words.groupby([profiles["side"], words]).size().rename("count").reset_index()
