"""Dated interactions as one sequence of items per user: the form in which sequential recommenders see data."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from lib.core.errors import UserError
from lib.core.files import digest
from lib.data.interactions import SPLITS
from lib.data.preprocess import named

# columns of `items` that say in words what an item is, in the order in which a text has them
IN_WORDS = ("title", "phrase", "year", "genres", "categories", "description")
FEWEST = 3  # events of a user: one each to train, validate and test, or a history of two and a target


@dataclass(frozen=True, eq=False)
class Sequences:
    """The items of all users in one array, user after user and oldest first, and what is known about both sides.

    `item` [n_events] numbers items from 1, since 0 is what pads; those of user u are item[start[u] : start[u + 1]],
    with `start` [n_users + 1]. `time` [n_events] is in seconds, or None where only the order is known. Row u of `users`
    describes user u and row i - 1 of `items` item i, each with a column `id`. `published` is a split of users that
    comes with the data: `split` and `rank`, the place of each user in time, by user. `tail` says from how many events
    on a user and an item are no longer in the long tail. An item may come twice. Raises UserError for sequences that
    contradict themselves or are empty.
    """

    name: str
    users: pd.DataFrame
    items: pd.DataFrame
    start: np.ndarray
    item: np.ndarray
    time: np.ndarray | None = None
    published: pd.DataFrame | None = None
    tail: tuple[int, int] | None = None
    notes: list[str] = field(default_factory=list)  # what a reader must know of how they were made, in sentences

    def __post_init__(self):
        if not len(self.item) or not self.n_users:
            raise UserError(f"{self.name} has no events, so there are no sequences: check the files it is read from")
        start = self.start
        if len(start) != self.n_users + 1 or start[0] or start[-1] != len(self.item) or (np.diff(start) < 1).any():
            raise self._error("start must cut the events into a part for each user, none of them empty")
        if self.item.min() < 1 or self.item.max() > self.n_items:
            raise self._error(f"items must be numbers from 1 to {self.n_items}, as items has so many rows")
        for side, frame in (("users", self.users), ("items", self.items), ("published", self.published)):
            if frame is not None and not frame.index.equals(pd.RangeIndex(len(frame))):
                raise self._error(f"{side} must have one row for each, in order")
        if self.published is not None and len(self.published) != self.n_users:
            raise self._error("published must have one row for each user")
        if self.published is not None and not self.published.split.isin(SPLITS).all():
            raise self._error(f"published splits must be {', '.join(SPLITS)}")
        if self.time is not None:
            self._check_times()

    def _check_times(self):
        if len(self.time) != len(self.item):
            raise self._error("time must have one number for each event")
        earlier = np.diff(self.time) < 0
        earlier[self.start[1:-1] - 1] = False  # from one user to the next
        if earlier.any():
            raise self._error(f"event {int(np.argmax(earlier)) + 1} is earlier than the one before it of the same user")

    def _error(self, said: str) -> UserError:
        return UserError(f"{self.name}: {said}: mend what reads the data")

    @property
    def n_users(self) -> int:
        """The number of users, each with at least one event."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """The number of items that can be recommended; they are numbered 1 to n_items."""
        return len(self.items)

    @property
    def lengths(self) -> np.ndarray:
        """The number of events of each user [n_users]."""
        return np.diff(self.start)

    @property
    def user(self) -> np.ndarray:
        """The user of each event [n_events]."""
        return np.repeat(np.arange(self.n_users), self.lengths)

    def of(self, user: int) -> np.ndarray:
        """The items of one user, oldest first."""
        return self.item[self.start[user] : self.start[user + 1]]

    @property
    def texts(self) -> pd.Series | None:
        """What the data say of each item in words [n_items], '' where nothing; None where no item has a text."""
        columns = [self.items[name] for name in IN_WORDS if name in self.items]
        if not columns or all(column.isna().all() for column in columns):
            return None
        words = [column.astype("string").str.replace("|", ", ").fillna("") for column in columns]
        text = words[0]
        for more in words[1:]:
            text = text.str.cat(more.where((text == "") | (more == ""), "; " + more))
        return text.astype(object).rename("text")

    @cached_property
    def fingerprint(self) -> str:
        """Content hash of sequences, times and published split, whatever is known of users and items."""
        parts = [self.start, self.item] + ([] if self.time is None else [self.time])  # all exact as doubles
        split = [] if self.published is None else [self.published.split.tolist(), self.published["rank"].tolist()]
        size = [self.n_users, self.n_items, self.time is not None]
        return digest(size, *(part.astype("<f8").tobytes() for part in parts), *split)


def long_enough(sequences: Sequences, protocol: str) -> None:
    """Raise UserError where a user has fewer events than `protocol`, a word for the error, needs."""
    if len(short := np.flatnonzero(sequences.lengths < FEWEST)):
        raise UserError(
            f"{sequences.name}: {len(short)} users have fewer than {FEWEST} events, {named(sequences.users, short)}, "
            f"too few for {protocol}: leave them out with 'sequences: {{min_events: {FEWEST}}}' in dataset.yaml"
        )


def at_least(sequences: Sequences, events: int) -> Sequences:
    """The sequences of users with so many events or more; items keep their numbers.

    Raises UserError when no user is left.
    """
    kept = sequences.lengths >= events
    if kept.all():
        return sequences
    if not kept.any():
        raise UserError(f"{sequences.name}: no user has {events} events: lower min_events in dataset.yaml")
    of_kept = np.repeat(kept, sequences.lengths)
    one_side = {
        side: None if (frame := getattr(sequences, side)) is None else frame[kept].reset_index(drop=True)
        for side in ("users", "published")
    }
    return replace(
        sequences, **one_side, item=sequences.item[of_kept], start=starts(sequences.lengths[kept]),
        time=None if sequences.time is None else sequences.time[of_kept],
        notes=[*sequences.notes, f"{(~kept).sum()} users with fewer than {events} events are left out."],
    )  # fmt: skip


def starts(lengths: np.ndarray) -> np.ndarray:
    """Where the part of each user begins, and where the last one ends [n_users + 1], from how long the parts are."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
