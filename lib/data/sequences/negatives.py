"""Items that a user has not taken, drawn once, to rank a target against."""

import numpy as np

from lib.core.errors import UserError
from lib.data.preprocess import named
from lib.data.sequences.rows import Rows, visible
from lib.data.sequences.user_sequences import Sequences

COUNT = 100


def negatives(sequences: Sequences, rows: Rows, seed: int, count: int = COUNT) -> np.ndarray:
    """Item numbers [n, count], distinct within a row and uniform over all items but those visible and the target.

    The same rows and seed give the same items. Raises UserError where a row leaves too few items to draw from.
    """
    taken = visible(sequences, rows, target=True)
    free = sequences.n_items - np.diff(taken.indptr)
    if len(few := np.flatnonzero(free < count)):
        least = few[[np.argmin(free[few])]]
        raise UserError(
            f"{sequences.name}: {len(few)} rows leave fewer than {count} items to draw from, that of the user with "
            f"{named(sequences.users, rows.user[least])} only {free[least[0]]}: draw fewer"
        )
    return _unrank(taken, _distinct(free, count, np.random.default_rng(seed)))


def _distinct(free: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers [n, count] from 0 to below free[r] [n], distinct within a row: what comes again is drawn again."""
    drawn = rng.integers(free[:, None], size=(len(free), count))
    rows = np.arange(len(free))  # those that may still repeat a number
    while len(rows):
        order = np.argsort(drawn[rows], axis=1, kind="stable")
        in_order = np.take_along_axis(drawn[rows], order, axis=1)
        row, column = np.nonzero(in_order[:, 1:] == in_order[:, :-1])
        again = rows[row]
        drawn[again, order[row, column + 1]] = rng.integers(free[again])
        rows = np.unique(again)
    return drawn


def _unrank(taken, rank: np.ndarray) -> np.ndarray:
    """The item that is number `rank` [n, count], from 0, among those not in its row of `taken` [n, n_items + 1]."""
    n_rows, width = taken.shape
    row = np.repeat(np.arange(n_rows), np.diff(taken.indptr))
    place = np.arange(len(row)) - taken.indptr[row]  # of a taken item among those of its row
    # how many free items are smaller than a taken one, as one sorted list of all rows
    smaller = row.astype(np.int64) * width + taken.indices - 1 - place
    wanted = np.arange(n_rows, dtype=np.int64)[:, None] * width + rank
    skipped = np.searchsorted(smaller, wanted.ravel(), side="right").reshape(rank.shape) - taken.indptr[:-1, None]
    return (rank + 1 + skipped).astype(np.int32)
