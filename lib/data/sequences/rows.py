"""What a sequential recommender is given: a row for each target, with what its user took before."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from lib.data.sequences.user_sequences import Sequences

PAD = 0  # in the place of an item: there is none


@dataclass(frozen=True, eq=False)
class Rows:
    """A `history` [n, length] of item numbers, left-padded with 0, the item `target` [n] after it, and the `user` [n].

    What may be known of row r is Sequences.item[start[r] : stop[r]], of which `history` is the end; `stop` [n] is the
    place of the target.
    """

    user: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    history: np.ndarray
    target: np.ndarray

    def __len__(self) -> int:
        return len(self.user)

    @property
    def lengths(self) -> np.ndarray:
        """How many items of each history are no padding [n]."""
        return np.minimum(self.stop - self.start, self.history.shape[1])

    @property
    def whole(self) -> np.ndarray:
        """Histories and targets as one array [n, length + 1]: whole[:, 1:] is what comes next after whole[:, :-1]."""
        return np.column_stack([self.history, self.target])


@dataclass(frozen=True, eq=False)
class SplitRows:
    """The rows that a protocol trains, validates and tests with; `counts` says what there is of what, in words."""

    train: Rows
    validation: Rows
    test: Rows
    counts: dict[str, int]


def rows(sequences: Sequences, place: np.ndarray, length: int, only: bool = False) -> Rows:
    """A row for each target, given by its `place` [n] among the events, with a history of at most `length` items.

    With `only` nothing but the history may be known; else all of the user's events before the target.
    """
    user = np.searchsorted(sequences.start, place, side="right") - 1
    start = np.maximum(sequences.start[user], place - length) if only else sequences.start[user]
    source = place[:, None] + np.arange(-length, 0)
    history = np.where(source >= start[:, None], sequences.item[np.maximum(source, 0)], PAD)
    return Rows(user, start, place, history, sequences.item[place])


def visible(sequences: Sequences, rows: Rows, target: bool = False) -> csr_matrix:
    """All items that may be known of each row, and with `target` that too: it may have been taken before anyway.

    A boolean matrix [n, n_items + 1] whose columns are item numbers; the first, of the padding, is empty.
    """
    row, place = inside(rows.start, rows.stop + target)
    shape = len(rows), sequences.n_items + 1
    return csr_matrix((np.ones(len(row), bool), (row, sequences.item[place])), shape)


def inside(start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and place of everything in the slices start[r] : stop[r], slice after slice: two arrays of equal length."""
    length = stop - start
    row = np.repeat(np.arange(len(start)), length)
    return row, np.arange(len(row)) + np.repeat(start - np.cumsum(length) + length, length)


def repeats(parts) -> dict[str, int]:
    """How many targets of several Rows are also the last item of their history, and how many are anywhere in it.

    Users may take an item again: such targets stay and are never masked, as in the published protocols.
    """
    last = sum(int((part.history[:, -1] == part.target).sum()) for part in parts)
    anywhere = sum(int((part.history == part.target[:, None]).any(1).sum()) for part in parts)
    return {"targets that are also the last visible item": last, "targets in their own history": anywhere}
