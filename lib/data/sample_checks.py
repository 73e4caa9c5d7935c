"""What `Samples` must hold, each check one pass over whole columns and one sentence for the first row that breaks it.

`samples` is the Samples under construction, `frame` the name of its events or rows.
"""

import numpy as np
import pandas as pd

from lib.core.errors import UserError, short


def frames(samples, needed: dict[str, list[str]]) -> None:
    """Raise UserError where a frame lacks a column that it needs, or there is no sample."""
    for frame, columns in ({"items": ["id"], "users": ["id"]} | needed).items():
        missing = [name for name in columns if name not in getattr(samples, frame)]
        if missing:
            raise UserError(f"{samples.name}: {frame} has no column '{missing[0]}': add it to what reads the data")
    if samples.rows.empty:
        raise UserError(f"{samples.name} has no sample: every user has too few ratings, so lower min_history")
    low, high = samples.scale
    if not low <= samples.liked_above < high:
        raise UserError(
            f"{samples.name}: liked_above is {samples.liked_above:g} and ratings go from {low:g} to {high:g}: choose "
            "one that is at least the lowest and below the highest, or nothing is disliked or liked"
        )


def indices(samples, frame: str, columns: pd.DataFrame) -> None:
    """Raise UserError for a user or an item that does not exist."""
    for side, known in (("user", samples.users), ("item", samples.items)):
        index = columns[side].to_numpy()
        wrong = (index < 0) | (index >= len(known))
        if wrong.any():
            raise _error(samples, frame, wrong, f"{side} {index[wrong][0]} does not exist, there are {len(known)}")


def splits(samples, frame: str, columns: pd.DataFrame, known: tuple[str, ...]) -> None:
    """Raise UserError for a split that is none of the three."""
    wrong = ~columns.split.isin(known).to_numpy()
    if wrong.any():
        name = short(columns.split[wrong].iloc[0], 40)
        raise _error(samples, frame, wrong, f"the split '{name}' is none of {', '.join(known)}")


def ratings(samples, frame: str, columns: pd.DataFrame) -> None:
    """Raise UserError for a rating outside the scale, and for labels that are missing or not those of ratings."""
    rating, label = columns.rating.to_numpy(float), columns.label.to_numpy()
    wrong = (rating < samples.scale[0]) | (rating > samples.scale[1])
    if wrong.any():
        low, high = samples.scale
        said = f"the rating {rating[wrong][0]:g} is outside the scale from {low:g} to {high:g}"
        raise _error(samples, frame, wrong, said, "mend or remove it, or correct 'scale' in dataset.yaml")
    wrong = ~np.isin(label, (0, 1))
    if wrong.any():
        raise _error(samples, frame, wrong, "it has neither a rating nor a label, 1 for liked and 0 for not")
    wrong = ~np.isnan(rating) & ((rating > samples.liked_above) != (label == 1))
    if wrong.any():
        said = f"the label {label[wrong][0]} is not that of the rating {rating[wrong][0]:g}"
        raise _error(samples, frame, wrong, f"{said}, liked being above {samples.liked_above:g}")


def histories(samples) -> None:
    """Raise UserError where a slice is no slice, or holds events of others or later ones than its sample."""
    start, stop = samples.rows.start.to_numpy(), samples.rows.stop.to_numpy()
    wrong = (start < 0) | (stop < start) | (stop > len(samples.events))
    if wrong.any():
        said = f"the history from {start[wrong][0]} to {stop[wrong][0]} is no slice of {len(samples.events)} events"
        raise _error(samples, "rows", wrong, said)
    users = samples.events.user.to_numpy()
    runs = np.concatenate([[0], np.cumsum(users[1:] != users[:-1])]) if len(users) else users
    full = np.flatnonzero(stop > start)
    first, last = start[full], stop[full] - 1
    other = (users[first] != samples.rows.user.to_numpy()[full]) | (runs[first] != runs[last])
    if other.any():
        wrong = _mask(len(start), full[other])
        raise _error(
            samples, "rows", wrong, f"the history of user {samples.rows.user[wrong].iloc[0]} is of another user"
        )
    if samples.timed:
        times = samples.events.time.to_numpy()
        falls = np.concatenate([[False], (times[1:] < times[:-1]) & (runs[1:] == runs[:-1])]) if len(times) else times
        if np.any(falls):
            raise _error(samples, "events", falls, "it is earlier than the rating before it, of the same user")
        later = times[last] > samples.rows.time.to_numpy()[full]
        if later.any():
            said = "its history holds ratings that are later than the sample"
            raise _error(samples, "rows", _mask(len(start), full[later]), said)


def order(samples, known: tuple[str, ...]) -> None:
    """Raise UserError for a sample that is earlier than one before it in the same split."""
    if not samples.timed:
        return
    place = samples.rows.split.map({name: number for number, name in enumerate(known)}).to_numpy()
    by_split = np.argsort(place, kind="stable")
    times, place = samples.rows.time.to_numpy()[by_split], place[by_split]
    early = np.concatenate([[False], (times[1:] < times[:-1]) & (place[1:] == place[:-1])])
    if early.any():
        said = "it is earlier than the sample before it in its split"
        raise _error(samples, "rows", _mask(len(place), by_split[early]), said, "sort the samples by time")


def targets(samples) -> None:
    """Raise UserError where the target of a sample is in its history."""
    events, rows = samples.events, samples.rows
    count, width = len(events), len(samples.items)
    # all pairs as one number, then as ranks, so that (pair, position) is one sorted list of numbers of 64 bits
    known, pair = np.unique(events.user.to_numpy(np.int64) * width + events.item.to_numpy(), return_inverse=True)
    places = np.sort(pair * (count + 1) + np.arange(count))
    wanted = rows.user.to_numpy(np.int64) * width + rows.item.to_numpy()
    found = np.searchsorted(known, wanted)
    there = (found < len(known)) & (known[np.minimum(found, len(known) - 1)] == wanted) if len(known) else found < 0
    first, last = (np.searchsorted(places, found * (count + 1) + rows[side].to_numpy()) for side in ("start", "stop"))
    wrong = there & (last > first)
    if wrong.any():
        user, item = rows[["user", "item"]][wrong].iloc[0]
        said = f"the target, item {item}, is in the history of its own sample, of user {user}"
        raise _error(samples, "rows", wrong, said, "keep one rating of each user and item, or set repeats")


def _mask(length: int, places: np.ndarray) -> np.ndarray:
    mask = np.zeros(length, bool)
    mask[places] = True
    return mask


def _error(samples, frame: str, wrong: np.ndarray, said: str, remedy: str = "mend what reads the data") -> UserError:
    """The sentence for the first row of `frame` that `wrong` marks."""
    return UserError(f"{samples.name}: {frame}, row {int(np.argmax(wrong))}: {said}: {remedy}")
