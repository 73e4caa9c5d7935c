"""Anybody's own ratings: interactions.csv, .tsv or .parquet with user, item, rating and, if known, timestamp."""

from pathlib import Path

import numpy as np
import pandas as pd

from lib.core.errors import UserError
from lib.data.dataset_settings import DatasetSettings
from lib.data.rated.ratings import Ratings
from lib.data.readers import table

matches = table.matches


def read(folder: Path, settings: DatasetSettings) -> Ratings:
    """The table with titles and whatever items.* and users.* beside it say; a title that is missing is the id.

    Raises UserError with file and line of the first mistake, and for a table without ratings.
    """
    events, users, items = table.tables(folder, duplicates="all")
    if events.rating.isna().all():
        raise UserError(f"{folder}: the interactions have no column 'rating': add it, for click prediction needs both")
    users, items = (_every(known, events[side]) for side, known in (("user", users), ("item", items)))
    titles = pd.Series(items.index.astype(str), index=items.index)
    items["title"] = items.title.fillna(titles) if "title" in items else titles
    return Ratings(events.rename(columns={"timestamp": "time"}), users, items)


def _every(known: pd.DataFrame | None, ids: pd.Series) -> pd.DataFrame:
    """One row for every id, in order, with what is known of it."""
    index = np.unique(ids.to_numpy())
    return pd.DataFrame(index=index) if known is None else known.reindex(index)
