"""Who took what, in three splits: the only form in which the rest of the library sees data."""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from lib.core.errors import UserError
from lib.core.files import digest

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Interactions:
    """Three disjoint binary matrices float32 [n_users, n_items] and what is known about users and items.

    Row u of `users` describes row u of the matrices, row i of `items` their column i. `events` has one row per
    interaction: user, item, rating, timestamp in seconds, split. Any of the three may be missing. Raises UserError when
    shapes differ, splits overlap or a frame has another number of rows.
    """

    name: str
    train: csr_matrix
    validation: csr_matrix
    test: csr_matrix
    users: pd.DataFrame | None = None
    items: pd.DataFrame | None = None
    events: pd.DataFrame | None = None

    def __post_init__(self):
        for split in SPLITS:
            # a frozen dataclass lets only object set a field
            object.__setattr__(self, split, binary(getattr(self, split), f"{split} split of {self.name}"))
        shapes = {split: getattr(self, split).shape for split in SPLITS}
        if len(set(shapes.values())) > 1:
            raise UserError(f"the splits of {self.name} have different shapes {shapes}: they belong to different data")
        for split, other in combinations(SPLITS, 2):
            if shared := getattr(self, split).multiply(getattr(self, other)).nnz:
                raise UserError(f"{self.name}: {shared} pairs are in both {split} and {other} split: remove one")
        for side, rows in (("users", self.n_users), ("items", self.n_items)):
            frame = getattr(self, side)
            if frame is not None and not frame.index.equals(pd.RangeIndex(rows)):
                raise UserError(f"{self.name}: the {side} frame needs one row for each of {rows} {side}, in order")

    @property
    def n_users(self) -> int:
        """The number of users, with or without interactions in a split."""
        return self.train.shape[0]

    @property
    def n_items(self) -> int:
        """The number of items, with or without interactions in a split."""
        return self.train.shape[1]

    @cached_property
    def fingerprint(self) -> str:
        """Content hash of the three matrices: equal for equal splits, whatever name and frames come with them."""
        matrices = [getattr(self, split) for split in SPLITS]
        # one width and byte order, since scipy picks the width of indices by the size of a matrix
        parts = (part.astype("<i8").tobytes() for matrix in matrices for part in (matrix.indptr, matrix.indices))
        return digest(list(self.train.shape), *parts)


def binary(matrix, what: str) -> csr_matrix:
    """A float32 CSR matrix with 1 where `matrix` is not zero, its indices sorted; raises UserError for broken ones.

    `what` is named in the error.
    """
    matrix = csr_matrix(matrix, copy=True)
    try:
        matrix.check_format(full_check=True)
    except ValueError as error:
        raise UserError(f"{what}: broken sparse matrix ({error}): fetch it again") from None
    matrix.sum_duplicates()  # also sorts, on which the fingerprint depends
    matrix.eliminate_zeros()
    matrix.data = np.ones(matrix.nnz, dtype=np.float32)
    return matrix


def from_events(name: str, events: pd.DataFrame, users: pd.DataFrame, items: pd.DataFrame) -> Interactions:
    """Interactions from events with a `split` column, in which user and item are row numbers of `users` and `items`.

    Raises UserError when a user or an item has no train interaction: no model could learn anything about it.
    """
    shape = len(users), len(items)
    matrices = [matrix(events[events.split == split], shape) for split in SPLITS]
    for side, degrees in zip(("user", "item"), (matrices[0].sum(1), matrices[0].sum(0)), strict=True):
        if lonely := int((np.asarray(degrees).ravel() == 0).sum()):
            raise UserError(f"{name}: {lonely} {side}s have no train interaction: split again")
    return Interactions(name, *matrices, users=users, items=items, events=events)


def matrix(events: pd.DataFrame, shape: tuple[int, int]) -> csr_matrix:
    """A matrix [n_users, n_items] with 1 for each event of its user and item."""
    return csr_matrix((np.ones(len(events), np.float32), (events.user, events.item)), shape=shape)
