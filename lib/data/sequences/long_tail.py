"""The long tail: users with a short visible sequence and items with few events, and the rows that belong to them."""

import numpy as np
import pandas as pd

from lib.core.errors import UserError, unknown
from lib.data.sequences.rows import Rows
from lib.data.sequences.user_sequences import Sequences

COUNTED = ("all", "train")


def groups(sequences: Sequences, rows: Rows, tail: tuple[int, int] | None = None, counted: str = "all") -> pd.DataFrame:
    """Which rows [n] belong to overall, tail_item, head_item, tail_user and head_user, a column of booleans each.

    `tail` holds the number of visible events with which a user, and of events with which an item, belongs to the head;
    without it those of `sequences` hold, or else `thresholds`. The group of a row by item is that of its target.
    `counted` is what `item_counts` counts. Raises UserError for another `counted` and for rows without a visible event.
    """
    user, item = tail or sequences.tail or thresholds(sequences, counted)
    seen = rows.stop - rows.start
    if not seen.all():
        raise UserError(f"{sequences.name}: {(seen == 0).sum()} rows show nothing of their user: give rows that do")
    tail_user, tail_item = seen < user, item_counts(sequences, counted)[rows.target] < item
    return pd.DataFrame(
        {
            "overall": True, "tail_item": tail_item, "head_item": ~tail_item,
            "tail_user": tail_user, "head_user": ~tail_user,
        }
    )  # fmt: skip


def thresholds(sequences: Sequences, counted: str = "all") -> tuple[int, int]:
    """The largest numbers with which at most 80% of users, and of items, have fewer events and so are in the tail."""
    sides = sequences.lengths - 1, item_counts(sequences, counted)[1:]  # the test target is not visible
    return tuple(int(np.sort(events)[len(events) * 4 // 5]) for events in sides)


def item_counts(sequences: Sequences, counted: str = "all") -> np.ndarray:
    """Events of each item number [n_items + 1]: all of them as published, or without each user's last two ("train")."""
    if counted not in COUNTED:
        raise unknown("events to count", counted, COUNTED)
    before_end = np.repeat(sequences.start[1:], sequences.lengths) - np.arange(len(sequences.item))
    item = sequences.item if counted == "all" else sequences.item[before_end > 2]
    return np.bincount(item, minlength=sequences.n_items + 1)
