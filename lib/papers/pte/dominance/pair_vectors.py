"""Vectors of users and items, what takes their place for cold ones, and what a probe sees of a pair.

mean   the mean of the vectors of what the user has taken, or of who has taken the item: every user (or item) of
       the split gets it, so that a probe is fitted on the same kind of vector that it is tested on
zero   zeros for the cold ones, as if a table had no row for them: its centre, since tables are centred
own    the vector of the table, which texts have for everyone
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, diags

from lib.core.errors import UserError, unknown
from lib.papers.pte.dominance.labelled_pairs import Pairs, Split

RULES = ("own", "mean", "zero")


class Vectors(NamedTuple):
    """A table: vectors of users [n_users, d] and of items [n_items, d] in one space."""

    users: np.ndarray
    items: np.ndarray


def centred(name: str, vectors: Vectors, observed: csr_matrix) -> Vectors:
    """Both sides less their mean, float32. Raises UserError where they do not fit `observed` or are not finite."""
    users, items = (np.asarray(side, dtype=np.float32) for side in vectors)
    if (len(users), len(items)) != observed.shape or users.shape[1:] != items.shape[1:]:
        raise UserError(
            f"table '{name}' has users {users.shape} and items {items.shape}: give one row for each of "
            f"{observed.shape[0]} users and {observed.shape[1]} items, all of one width"
        )
    if not (np.isfinite(users).all() and np.isfinite(items).all()):
        raise UserError(f"table '{name}' holds numbers that are not finite: give everyone a vector")
    return Vectors(users - users.mean(0), items - items.mean(0))


def for_cold(vectors: Vectors, split: Split, observed: csr_matrix, rule: str) -> Vectors:
    """The vectors with those of cold users or items as the rule says. Raises UserError for another rule.

    observed [n_users, n_items]: the interactions whose other side makes a mean; without any it is zero.
    """
    if rule not in RULES:
        raise unknown("rule for cold vectors", rule, RULES)
    if rule == "zero":
        cold = split.cold_users, split.cold_items
        return Vectors(*(np.where(mask[:, None], 0, side) for mask, side in zip(cold, vectors, strict=True)))
    users, items = vectors
    if rule == "mean" and split.cold_users.any():
        users = _means(observed, vectors.items)
    if rule == "mean" and split.cold_items.any():
        items = _means(observed.T, vectors.users)
    return Vectors(users, items)


def _means(taken, vectors: np.ndarray) -> np.ndarray:
    """The mean of the vectors that each row of a sparse matrix has: [n_rows, d]."""
    taken = taken.astype(bool).astype(np.float32)
    counts = np.maximum(np.asarray(taken.sum(1)).ravel(), 1)
    return (diags(1 / counts) @ (taken @ vectors)).astype(np.float32)


def features(parts: Sequence[Vectors], pairs: Pairs, sides: bool) -> np.ndarray:
    """What a probe sees of pairs: dot product and Hadamard product of each part, with `sides` both vectors, too.

    [n, sum of 1 + d] float32, or 1 + 3 d. Two parts stand side by side, so that what can be said with the features of
    one can be said with those of both.
    """
    columns = []
    for part in parts:
        user, item = part.users[pairs.users], part.items[pairs.items]
        product = user * item
        columns += [product.sum(1, keepdims=True), product, *((user, item) if sides else ())]
    return np.concatenate(columns, axis=1)
