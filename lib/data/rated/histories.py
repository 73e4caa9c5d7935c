"""From rated events to labelled samples with histories, split by time; without dates, the last of a shuffle each."""

import math

import numpy as np
import pandas as pd

from lib.core.errors import UserError
from lib.data import preprocess
from lib.data.dataset_settings import SampleSettings
from lib.data.rated import selection
from lib.data.rated.ratings import Ratings
from lib.data.samples import ROWS, SPLITS, Samples, labels

SEED = 42  # the paper's code, throughout
CARVED = 10  # one in so many train samples validates where the split has no share for it


def samples(ratings: Ratings, settings: SampleSettings, name: str, fidelity: str = "paper") -> Samples:
    """Samples of `ratings` as `settings` say; `fidelity` "legacy" keeps duplicates and carves no validation split.

    Raises UserError when no sample is left.
    """
    events, notes, timed = ratings.events, list(ratings.notes), bool(ratings.events.time.notna().all())
    if not timed and events.time.notna().any():
        raise UserError(f"{name}: some ratings have no time: fill them or leave out all of them")
    own = "split" in events
    if timed:  # among equal times data with a split of their own keep their order
        events = events.sort_values(["time", "user"] if own else ["time", "user", "item"], kind="stable")
    if fidelity == "paper" and (repeated := int(events.duplicated(["user", "item"]).sum())):
        events = selection.first_of_pairs(events)
        notes.append(f"{repeated} later ratings of an item by the same user are left out.")
    events = selection.selected(events, ratings.items.index, settings, name)
    events, users, items = _dense(events, ratings)
    events = events.assign(time=events.time.fillna(-1).astype(np.int64), turn=np.arange(len(events)))
    if not timed:
        events = events.iloc[_shuffled(events.user.to_numpy())].assign(turn=np.arange(len(events)))
    if "label" not in events:
        events = events.assign(label=labels(events.rating, settings.liked_above))
    events = events.sort_values(["user", "turn"], kind="stable", ignore_index=True)
    rows = _rows(events, settings.min_history, every=timed)
    order = np.argsort(rows.turn) if timed else np.random.RandomState(SEED).permutation(len(rows))
    rows = rows.iloc[order].reset_index(drop=True)
    if not own:
        rows["split"] = _split(len(rows), settings.ratios, fidelity)
        events["split"] = _periods(events, rows) if timed else _of_targets(events, rows)
    if not timed:
        notes.append("The data have no dates: the order of each user's ratings is random, and so is what is recent.")
    rows = rows.sort_values("split", key=lambda split: split.map(SPLITS.index), kind="stable", ignore_index=True)
    return Samples(
        name, items, users, events.drop(columns="turn"), rows[ROWS], settings.liked_above, settings.scale, timed, notes,
        repeats=fidelity == "legacy",
    )  # fmt: skip


def _dense(events: pd.DataFrame, ratings: Ratings) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The events in their order with indices for ids, and what is known of users and items by index."""
    numbered = events.assign(turn=np.arange(len(events)))
    numbered, users, items = preprocess.replace_ids(numbered, ratings.users, ratings.items)
    return numbered.sort_values("turn", ignore_index=True).drop(columns="turn"), users, items


def _shuffled(user: np.ndarray) -> np.ndarray:
    """The order in which each user's events are shuffled [n], users side by side.

    The paper's code starts the generator anew for each user, so that users with equally many events share one order.
    """
    order = np.argsort(user, kind="stable")
    counts = np.bincount(user)
    starts = np.cumsum(counts) - counts
    for count in np.unique(counts[counts > 1]):
        places = starts[counts == count][:, None] + np.arange(count)
        order[places] = order[places][:, np.random.RandomState(SEED).permutation(count)]
    return order


def _rows(events: pd.DataFrame, min_history: int, every: bool) -> pd.DataFrame:
    """A sample for each event with so many before it of its user; without `every` for each user's last alone."""
    user = events.user.to_numpy()
    place = np.arange(len(events))
    start = np.searchsorted(user, user)  # where the events of a user begin
    wanted = place - start >= min_history
    if not every:
        wanted &= np.append(user[1:] != user[:-1], True)
    return events.assign(start=start, stop=place)[wanted]


def _split(count: int, ratios: tuple[float, float, float], fidelity: str) -> np.ndarray:
    """The splits of `count` samples in order; the last of them takes what rounding down leaves."""
    train, validation = (math.floor(count * share / sum(ratios) + 1e-9) for share in ratios[:2])
    if not ratios[1] and fidelity == "paper":  # the paper's code stops early on test samples instead
        validation = train // CARVED
        train -= validation
    return np.repeat(np.array(SPLITS, dtype=object), [train, validation, count - train - validation])


def _periods(events: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    """The split in whose period an event lies: from the first sample of a split to that of the next."""
    first = [rows.turn[rows.split == split].min() for split in SPLITS[1:]]
    begins = np.fmin.accumulate(np.nan_to_num(np.array(first, float), nan=np.inf)[::-1])[::-1]
    return np.array(SPLITS, dtype=object)[np.searchsorted(begins, events.turn.to_numpy(), side="right")]


def _of_targets(events: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    """The split of the sample whose target an event is, train for all others."""
    splits = np.full(len(events), SPLITS[0], dtype=object)
    splits[rows.stop.to_numpy()] = rows.split.to_numpy()
    return splits
