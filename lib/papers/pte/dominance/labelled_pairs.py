"""What probes predict: pairs of user and item with y = 1 for an interaction and y = 0 for a negative, one each.

`observed` is what the recommender of the ID vectors was trained on, `held_out` what it has never seen. Pairs are those
of held_out only: of observed ones the ID vectors know the answer, so a probe that learns from them trusts IDs too much.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from lib.core.errors import UserError

TESTED = 0.3  # share of pairs, users or items
HEAD = 0.2  # share of items, by their observed interactions, that are no tail
ROUNDS = 100  # of drawing again what is no negative
FEWEST = 50  # pairs


class Pairs(NamedTuple):
    """Pairs [n] with their labels; every positive has one negative of the same user."""

    users: np.ndarray
    items: np.ndarray
    labels: np.ndarray


class Split(NamedTuple):
    """Pairs to fit and to test probes on, and which users [n_users] and items [n_items] are cold in it."""

    train: Pairs
    test: Pairs
    cold_users: np.ndarray
    cold_items: np.ndarray


def splits(
    observed: csr_matrix, held_out: csr_matrix, seed: int = 0, excluded: csr_matrix | None = None
) -> dict[str, Split]:
    """The four splits by name, from matrices [n_users, n_items] that share no pair.

    excluded: further interactions, which are neither positives nor negatives, such as those of a validation split.

    warm        30% of the pairs of users and items that both have observed interactions
    cold users  all pairs of 30% of the users
    cold items  all pairs of 30% of the items
    tail items  the warm pairs whose item is not among the 20% with most observed interactions

    Raises UserError where the matrices do not fit together or a split has fewer than 50 pairs.
    """
    _check(observed, held_out)
    rng = np.random.default_rng(seed)
    known = pair_keys(observed + held_out if excluded is None else observed + held_out + excluded)
    users, items = (ids.astype(np.int64) for ids in held_out.nonzero())
    of_users, of_items = observed.getnnz(axis=1), observed.getnnz(axis=0)
    nobody = np.zeros(len(of_users), bool), np.zeros(len(of_items), bool)

    def split(rows: np.ndarray, tested: np.ndarray, cold=nobody) -> Split:
        parts = [np.flatnonzero(rows & chosen) for chosen in (~tested, tested)]
        return Split(*(with_negatives(users[part], items[part], known, rng, len(of_items)) for part in parts), *cold)

    warm, drawn = (of_users[users] > 0) & (of_items[items] > 0), rng.random(len(users)) < TESTED
    cold_users, cold_items = (_drawn(len(counts), rng) for counts in (of_users, of_items))
    everything = np.ones(len(users), bool)
    found = {
        "warm": split(warm, drawn),
        "cold users": split(everything, cold_users[users], (cold_users, nobody[1])),
        "cold items": split(everything, cold_items[items], (nobody[0], cold_items)),
    }
    tail = np.argsort(np.argsort(-of_items, kind="stable")) >= HEAD * len(of_items)
    rare = np.flatnonzero(warm & drawn & tail[items])
    rare_pairs = with_negatives(users[rare], items[rare], known, rng, len(of_items))
    found["tail items"] = Split(found["warm"].train, rare_pairs, *nobody)
    return {name: _enough(name, split) for name, split in found.items()}


def with_negatives(
    users: np.ndarray, items: np.ndarray, known: np.ndarray, rng: np.random.Generator, n_items: int
) -> Pairs:
    """Positives [n] and as many negatives, which are matched by popularity: positives first.

    A negative is the item of another positive, drawn at random: an item that is often a positive is as often a
    negative, so that popularity alone predicts nothing. Drawn again until its pair is not among the keys `known`;
    a positive that finds none in 100 rounds, of a user with nearly all items, is left out.
    """
    if not len(items):
        return Pairs(users, items, np.zeros(0))
    known = np.unique(known)  # once, since isin would sort it in every round
    drawn, open_ones = rng.choice(items, len(items)), np.arange(len(items))
    for _ in range(ROUNDS):
        open_ones = open_ones[_among(users[open_ones] * n_items + drawn[open_ones], known)]
        if not len(open_ones):
            break
        drawn[open_ones] = rng.choice(items, len(open_ones))
    kept = ~_among(users * n_items + drawn, known)
    labels = np.repeat([1.0, 0.0], kept.sum())
    return Pairs(np.tile(users[kept], 2), np.concatenate([items[kept], drawn[kept]]), labels)


def _among(keys: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which keys [n] are in `known`, which is sorted."""
    if not len(known):
        return np.zeros(len(keys), bool)
    return known[np.searchsorted(known, keys).clip(max=len(known) - 1)] == keys


def pair_keys(matrix: csr_matrix) -> np.ndarray:
    """One number for each pair in a matrix: user * n_items + item."""
    users, items = matrix.nonzero()
    return users.astype(np.int64) * matrix.shape[1] + items


def _drawn(n: int, rng: np.random.Generator) -> np.ndarray:
    """30% of n as a mask [n]."""
    return rng.permutation(n) < TESTED * n


def _check(observed: csr_matrix, held_out: csr_matrix) -> None:
    if observed.shape != held_out.shape:
        raise UserError(
            f"observed and held-out pairs are of shapes {observed.shape} and {held_out.shape}: give equal ones"
        )
    if shared := observed.astype(bool).multiply(held_out.astype(bool)).nnz:
        raise UserError(f"{shared} held-out pairs are observed, too: ID vectors know them; remove them from one side")


def _enough(name: str, split: Split) -> Split:
    for part, pairs in (("train", split.train), ("test", split.test)):
        if len(pairs.labels) < FEWEST:
            raise UserError(
                f"the {part} part of '{name}' has {len(pairs.labels)} pairs, fewer than {FEWEST}: hold out more"
            )
    return split
