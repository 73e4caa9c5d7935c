"""Rated samples for click prediction: who rated which item, what they had rated before, and whether they liked it."""

from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from lib.core.files import digest
from lib.data import sample_checks
from lib.data.interactions import SPLITS

EVENTS = ["user", "item", "rating", "label", "time", "split"]
ROWS = ["split", "user", "item", "rating", "label", "time", "start", "stop"]


@dataclass(frozen=True, eq=False)
class Samples:
    """Labelled samples, each with the slice of its user's earlier ratings, and what is known about users and items.

    `items` and `users` have one row for each, by dense index, with columns `id` and whatever is known (`title`, ...).
    `events` holds all ratings in the order in which histories read them, those of one user side by side: user, item,
    rating (NaN where only liked or not is known), label (1 = liked; made of ratings where the column is missing), time
    (seconds; -1 where `timed` is false), split (that of the period it belongs to; `train` for everything before
    validation). `rows` has one row per sample, in time order within each split: split, user, item, rating, label,
    time, and its history `events[start:stop]`, oldest first.

    `liked_above` is the rating above which an item counts as liked, `scale` the lowest and the highest rating.
    `repeats` says that users may rate an item again, so that a target may be in its own history. Raises UserError for
    samples that contradict themselves: a target in its own history, a history of another user, a history that is later
    than its sample, samples out of time order, ratings outside the scale, labels that are not those of the ratings.
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
    repeats: bool = False

    def __post_init__(self):
        if "label" not in self.events and "rating" in self.events:
            object.__setattr__(self, "events", self.events.assign(label=labels(self.events.rating, self.liked_above)))
        sample_checks.frames(self, {"events": EVENTS, "rows": ROWS})
        for frame, columns in (("events", self.events), ("rows", self.rows)):
            sample_checks.indices(self, frame, columns)
            sample_checks.splits(self, frame, columns, SPLITS)
            sample_checks.ratings(self, frame, columns)
        sample_checks.histories(self)
        sample_checks.order(self, SPLITS)
        if not self.repeats:
            sample_checks.targets(self)

    def history(self, row: int) -> pd.DataFrame:
        """The events before one sample, oldest first."""
        start, stop = self.rows[["start", "stop"]].iloc[row]
        return self.events.iloc[start:stop]

    def of_split(self, split: str) -> pd.DataFrame:
        """The samples of one split, in time order."""
        return self.rows[self.rows.split == split]

    @cached_property
    def fingerprint(self) -> str:
        """Content hash of events and samples, whatever is known of users and items."""
        frames = (self.events[EVENTS], self.rows[ROWS])
        columns = (frame[name] for frame in frames for name in frame)
        size = [len(self.users), len(self.items), self.timed]
        return digest(self.liked_above, list(self.scale), size, *(_bytes(column) for column in columns))


def labels(rating: pd.Series, liked_above: float) -> pd.Series:
    """1 for liked, 0 for not, -1 where the rating is unknown, which Samples refuses."""
    return (rating > liked_above).astype(int).where(rating.notna(), -1)


def _bytes(column: pd.Series) -> bytes:
    """One byte order and width, whatever pandas chose."""
    if column.dtype.kind in "iufb":
        return column.to_numpy("<f8").tobytes()
    codes, names = pd.factorize(column)  # splits are three words: their codes and the words say the same, sooner
    return codes.astype("<i8").tobytes() + "\n".join(map(str, names)).encode()
