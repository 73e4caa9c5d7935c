"""The one form in which the rest of the library sees data."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from lib.files import UserError, digest

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Interactions:
    """Who took what: three disjoint binary matrices [n_users, n_items] and what is known about users and items.

    `users` and `items` have one row per dense index, `events` one row per interaction (user, item, rating, timestamp in
    seconds, split). Raises UserError when shapes differ, splits overlap or a frame has another number of rows.
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
            object.__setattr__(self, split, binary(getattr(self, split), f"{split} split of {self.name}"))
        shapes = {split: getattr(self, split).shape for split in SPLITS}
        if len(set(shapes.values())) > 1:
            raise UserError(f"the splits of {self.name} have different shapes {shapes}: they belong to different data")
        for split, other in (SPLITS[:2], SPLITS[::2], SPLITS[1:]):
            if shared := getattr(self, split).multiply(getattr(self, other)).nnz:
                raise UserError(f"{self.name}: {shared} pairs are in both {split} and {other} split: remove one")
        for side, rows in (("users", self.n_users), ("items", self.n_items)):
            frame = getattr(self, side)
            if frame is not None and not frame.index.equals(pd.RangeIndex(rows)):
                raise UserError(f"{self.name}: the {side} frame needs one row for each of {rows} {side}, in order")

    @property
    def n_users(self) -> int:
        return self.train.shape[0]

    @property
    def n_items(self) -> int:
        return self.train.shape[1]

    @cached_property
    def fingerprint(self) -> str:
        """Content hash of the three matrices."""
        matrices = [getattr(self, split) for split in SPLITS]
        parts = (part.astype("<i8").tobytes() for matrix in matrices for part in (matrix.indptr, matrix.indices))
        return digest(list(self.train.shape), *parts)


def binary(matrix, what: str) -> csr_matrix:
    """The float32 CSR matrix with 1 where `matrix` is not zero; raises UserError when its indices are broken."""
    matrix = csr_matrix(matrix, copy=True)
    try:
        matrix.check_format(full_check=True)
    except ValueError as error:
        raise UserError(f"{what}: broken sparse matrix ({error}): fetch it again") from None
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    matrix.data = np.ones(matrix.nnz, dtype=np.float32)
    return matrix


def from_events(name: str, events: pd.DataFrame, users: pd.DataFrame, items: pd.DataFrame) -> Interactions:
    """Interactions from events with a `split` column; every user and item must have a train edge."""
    shape = len(users), len(items)
    matrices = [matrix(events[events.split == split], shape) for split in SPLITS]
    for side, degrees in zip(("user", "item"), (matrices[0].sum(1), matrices[0].sum(0)), strict=True):
        if lonely := int((np.asarray(degrees).ravel() == 0).sum()):
            raise UserError(f"{name}: {lonely} {side}s have no train interaction: split again")
    return Interactions(name, *matrices, users=users, items=items, events=events)


def matrix(events: pd.DataFrame, shape: tuple[int, int]) -> csr_matrix:
    """1 where an event joins `user` and `item`: [n_users, n_items]."""
    return csr_matrix((np.ones(len(events), np.float32), (events.user, events.item)), shape=shape)
