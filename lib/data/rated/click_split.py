"""Samples that bring labels and splits of their own: samples.parquet with user, item, label, timestamp, title, split.

CoLLM's split of MovieLens-1M has this form. Checked on the whole of it: its item and user numbers are its own, counted
from 1 in the order of (user, time); 0 in its histories only pads; label is 1 for a rating above 3; and each published
history is exactly the user's liked samples before this one, which Samples builds again with the disliked ones between.
Films are known by title. Users cannot be matched to the demographics beside them, whose ids are those of MovieLens-1M.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from lib.core.errors import UserError, short
from lib.data.dataset_settings import DatasetSettings
from lib.data.rated.ratings import UNKNOWN, Ratings, parquet

NEEDED = ["user", "item", "label", "timestamp", "title", "split"]
SPLITS = {"train": "train", "valid": "validation", "validation": "validation", "test": "test"}


def matches(folder: Path) -> bool:
    """Whether `folder` holds such samples."""
    return (folder / "samples.parquet").is_file()


def read(folder: Path, settings: DatasetSettings) -> Ratings:
    """The samples as events with labels, splits and unknown ratings; raises UserError for a damaged file."""
    path = folder / "samples.parquet"
    frame = parquet(path, NEEDED)
    for column, wrong in {
        "split": ~frame.split.isin(SPLITS),
        "label": ~frame.label.isin([0, 1]),
        "timestamp": frame.timestamp.isna(),
    }.items():
        if wrong.any():
            value = short(frame[column][wrong].iloc[0], 40)
            raise UserError(
                f"{path}: row {int(np.argmax(wrong)) + 1}: the {column} '{value}' is not known: mend that row"
            )
    events = frame[["user", "item", "label"]].assign(
        rating=np.nan, time=frame.timestamp.astype(np.int64), split=frame.split.map(SPLITS)
    )
    titles = frame.drop_duplicates("item").set_index("item").title
    users = pd.DataFrame(index=pd.Index(frame.user.unique()))
    notes = ["Ratings are not known, only liked or not; the split is that of the data."]
    if (folder / "users.parquet").is_file():
        notes.append(
            "Users have ids of their own: age, gender and occupation beside the data cannot be joined to them."
        )
    return Ratings(events, users, _films(titles, folder / "items.parquet"), notes)


def _films(titles: pd.Series, path: Path) -> pd.DataFrame:
    """What items.parquet says by title; some of its titles hold a replacement sign for each letter beyond ASCII."""
    if not path.is_file():
        return titles.to_frame()
    known = parquet(path, ["title"]).drop(columns="item_id", errors="ignore")
    by_title = known.assign(key=_ascii(known.title)).drop_duplicates("key").set_index("key").drop(columns="title")
    films = by_title.reindex(_ascii(titles)).set_axis(titles.index).fillna(UNKNOWN)
    films.insert(0, "title", titles)
    if "genres" in films:
        films.insert(1, "genre", films.genres.str.split("|").str[0])
    return films


def _ascii(titles: pd.Series) -> pd.Series:
    return titles.str.replace(r"[^\x00-\x7f]", "?", regex=True)
