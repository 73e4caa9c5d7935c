"""Rated samples for click prediction: who rated which item, what they had rated before, and whether they liked it."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lib.core.errors import UserError
from lib.core.files import digest

SPLITS = ("train", "validation", "test")
EVENTS = ["user", "item", "rating", "time", "split"]
ROWS = ["split", "user", "item", "rating", "label", "time", "start", "stop"]


@dataclass(frozen=True, eq=False)
class Samples:
    """Labelled samples, each with the slice of its user's earlier ratings, and what is known about users and items.

    `items` and `users` have one row for each, by dense index, with columns `id` and whatever is known (`title`, ...).
    `events` holds all ratings in the order in which histories read them, those of one history side by side: user,
    item, rating (NaN where only liked or not is known), time (seconds; -1 where `timed` is false), split (that of the
    period it belongs to; `train` for everything before validation). `rows` has one row per sample: split, user, item,
    rating, label (1 = liked), time, and its history `events[start:stop]`, oldest first.

    `liked_above` is the rating above which an item counts as liked, `scale` the lowest and the highest rating. Raises
    UserError for samples that contradict themselves: a target in its own history, a history of another user, a history
    that is later than its sample, ratings outside the scale.
    """

    name: str
    items: pd.DataFrame
    users: pd.DataFrame
    events: pd.DataFrame
    rows: pd.DataFrame
    liked_above: float
    scale: tuple[float, float]
    timed: bool = True
    notes: list[str] = field(default_factory=list)  # what a reader must know of how they were made, in sentences

    def history(self, row: int) -> pd.DataFrame:
        """The events before one sample, oldest first."""
        start, stop = self.rows[["start", "stop"]].iloc[row]
        return self.events.iloc[start:stop]

    def of_split(self, split: str) -> pd.DataFrame:
        """The samples of one split, in time order."""
        return self.rows[self.rows.split == split]

    @property
    def fingerprint(self) -> str:
        """Content hash of events and samples, whatever is known of users and items."""
        frames = (self.events[EVENTS], self.rows[ROWS])
        columns = (frame[name] for frame in frames for name in frame)
        return digest(self.liked_above, list(self.scale), *(_bytes(column) for column in columns))


def _bytes(column: pd.Series) -> bytes:
    """One byte order and width, whatever pandas chose."""
    if column.dtype.kind in "iufb":
        return column.to_numpy(np.float64).tobytes()
    return "\n".join(column.astype(str)).encode()
