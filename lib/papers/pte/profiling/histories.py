"""What profiles may know of each user: the visible part of a sequence, and who belongs to training."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix

from lib.core.files import digest
from lib.data.interactions import SPLITS
from lib.data.sequences.rows import SplitRows, inside
from lib.data.sequences.user_sequences import Sequences


@dataclass(frozen=True, eq=False)
class Histories:
    """The visible items item[start[u] : stop[u]] of each user u, oldest first; nothing behind `stop` may be told.

    `train` [n_users] marks the users from whom others may learn: the audience of an item and the neighbours of a user
    are among them. A user with an empty slice takes no part.
    """

    start: np.ndarray
    stop: np.ndarray
    train: np.ndarray
    item: np.ndarray
    n_items: int

    @property
    def n_users(self) -> int:
        """All users, those with an empty slice too."""
        return len(self.start)

    @property
    def users(self) -> np.ndarray:
        """The users who take part."""
        return np.flatnonzero(self.stop > self.start)

    def of(self, user: int) -> np.ndarray:
        """Item numbers that are visible of one user, oldest first."""
        return self.item[self.start[user] : self.stop[user]]

    @cached_property
    def matrix(self) -> csr_matrix:
        """Who has which item in the visible history: ones and zeros, float64 [n_users, n_items + 1]."""
        user, place = inside(self.start, self.stop)
        visible = csr_matrix((np.ones(len(user)), (user, self.item[place])), (self.n_users, self.n_items + 1))
        visible.data[:] = 1  # an item that comes twice counts once
        return visible

    @cached_property
    def pool(self) -> csr_matrix:
        """The matrix with the rows of train users alone, the others empty."""
        kept = self.matrix.multiply(self.train[:, None]).tocsr()
        kept.eliminate_zeros()
        return kept

    @property
    def fingerprint(self) -> str:
        """Content hash of all that is visible."""
        user, place = inside(self.start, self.stop)
        parts = user, self.item[place], self.train
        return digest([self.n_users, self.n_items], *(part.astype("<i8").tobytes() for part in parts))


def of_cold_start(sequences: Sequences, split: SplitRows) -> Histories:
    """The histories of all rows, without their targets; train users are those of the train rows.

    Of several rows of one user, which is what all prefixes make, the longest history counts.
    """
    start, stop = np.zeros((2, sequences.n_users), np.int64)
    train = np.zeros(sequences.n_users, bool)
    for name in SPLITS:
        part = getattr(split, name)
        order = np.argsort(part.stop, kind="stable")  # the last one written is the longest
        start[part.user[order]], stop[part.user[order]] = part.start[order], part.stop[order]
        train[part.user] = name == "train"
    return Histories(start, stop, train, sequences.item, sequences.n_items)


def of_leave_one_out(sequences: Sequences, held_out: int = 2) -> Histories:
    """All events of each user but the last `held_out`; every user is a train user.

    2 for the profiles that validation and test read; 3 for a user's profile as an input of training, which predicts
    the last train event and must not have read it.
    """
    stop = np.maximum(sequences.start[1:] - held_out, sequences.start[:-1])
    everybody = np.ones(sequences.n_users, bool)
    return Histories(sequences.start[:-1], stop, everybody, sequences.item, sequences.n_items)


def limited(histories: Histories, users: int | None, seed: int) -> Histories:
    """So many users who take part, drawn by `seed` with their share of train users kept; None: all of them."""
    taking_part = histories.users
    if users is None or users >= len(taking_part):
        return histories
    of_train = taking_part[histories.train[taking_part]]
    others = np.setdiff1d(taking_part, of_train)
    n_train = round(users * len(of_train) / len(taking_part))
    rng = np.random.default_rng(seed)
    chosen = np.concatenate([rng.permutation(of_train)[:n_train], rng.permutation(others)[: users - n_train]])
    stop = histories.start.copy()
    stop[chosen] = histories.stop[chosen]
    train = np.zeros_like(histories.train)
    train[chosen] = histories.train[chosen]
    return replace(histories, stop=stop, train=train)
