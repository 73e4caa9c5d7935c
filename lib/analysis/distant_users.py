"""Users far apart in the graph but alike in taste: does alignment bring them together? (docs/methods/rlmrec.md 12)

A space is a matrix of vectors [n_users, d], closeness is the cosine.
"""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from lib.core.errors import UserError
from lib.evaluation.significance import bootstrap_difference, bootstrap_mean

CHUNK = 1024  # users that are compared with all others at once


def fewest_shared(train: sp.csr_matrix) -> int:
    """The least number of train items that two users share; 0 where some users are more than 3 hops apart.

    The graph has edges between users and items only, so users are an even number of hops apart: those who share an
    item 2, all others at least 4.
    """
    return int(min(_shared(train, rows).min() for rows in _chunks(train.shape[0])))


def far_pairs(train: sp.csr_matrix, text, n: int = 100) -> pd.DataFrame:
    """The n pairs of users far apart in the graph but closest in text [n_users, T], no user in two pairs.

    Far apart are users that share no train item, so are more than 3 hops apart, or where every two share one, those
    that share fewest. Pairs are taken by falling cosine from those whose users are still free, so that they are
    independent of each other. Columns user, partner, shared, text_cosine. Raises UserError for fewer than two users.
    """
    if train.shape[0] < 2:
        raise UserError("there is one user only: a pair needs two")
    shared, unit, free = fewest_shared(train), _unit(text), np.ones(train.shape[0], dtype=bool)
    # with types from the start: an empty column without one would spoil that of the users added to it
    found = pd.DataFrame({"user": [], "partner": [], "text_cosine": []}).astype({"user": int, "partner": int})
    while True:  # the next pair by cosine is always mutual, so each round takes many at once
        fresh = _mutual_nearest(train, unit, shared, free)
        best = fresh["text_cosine"].max()
        # the closest free pair is always a fresh one: when it is no closer than the n-th, no better one can come
        if fresh.empty or (len(found) >= n and best <= found["text_cosine"].iloc[n - 1]):
            found.insert(2, "shared", shared)
            return found[:n]
        found = pd.concat([found, fresh]).sort_values(
            ["text_cosine", "user"], ascending=[False, True], ignore_index=True
        )
        free[fresh[["user", "partner"]].to_numpy().ravel()] = False


def _mutual_nearest(train, unit, shared: int, free) -> pd.DataFrame:
    """Pairs of free users of whom each is the other's nearest far one: user, partner, text_cosine."""
    partner, cosine = [], []
    for rows in _chunks(len(unit)):
        allowed = (_shared(train, rows) == shared) & free  # a user who is not free is then nobody's nearest
        near = np.where(allowed, (unit[rows] @ unit.T).round(6), -np.inf)  # rounded: the same in both directions
        partner.append(near.argmax(1))
        cosine.append(near.max(1))
    partner, cosine, users = np.concatenate(partner), np.concatenate(cosine), np.arange(len(unit))
    # users < partner takes each pair once; the cosine is -inf where no far user is free
    mutual = (partner[partner] == users) & (users < partner) & np.isfinite(cosine)
    return pd.DataFrame({"user": users, "partner": partner, "text_cosine": cosine})[mutual]


def positions(pairs: pd.DataFrame, spaces: dict, train: sp.csr_matrix) -> pd.DataFrame:
    """Where the partners of `far_pairs` stand in each space {label: [n_users, d]}: one row per pair and space.

    Columns user, partner, space, cosine, rank (of the partner among the far users of `user`, 1 is nearest), candidates
    (how many those are), nearer (share of the far users that are nearer than the partner: 0 is nearest, 0.5 chance;
    mean of both directions).
    """
    ends = pairs[["user", "partner"]].to_numpy()
    far = [_shared(train, ends[:, side]) == pairs["shared"].to_numpy()[:, None] for side in (0, 1)]
    tables = []
    for label, space in spaces.items():
        unit = _unit(space)
        cosine = (unit[ends[:, 0]] * unit[ends[:, 1]]).sum(1)
        ahead = [_ahead(unit, ends[:, side], cosine, ends[:, 1 - side], far[side]) for side in (0, 1)]
        candidates = [mask.sum(1) for mask in far]
        columns = {"user": ends[:, 0], "partner": ends[:, 1], "space": label, "cosine": cosine, "rank": ahead[0] + 1}
        columns["candidates"] = candidates[0]
        # less one, since the partner is a far user too but cannot be nearer than itself
        shares = [count / np.maximum(others - 1, 1) for count, others in zip(ahead, candidates, strict=True)]
        tables.append(pd.DataFrame(columns | {"nearer": np.mean(shares, axis=0)}))
    return pd.concat(tables, ignore_index=True)


def _ahead(unit, users, cosine, partners, far) -> np.ndarray:
    """How many far users of each user are nearer than the partner: [pairs]."""
    closer = (unit[users] @ unit.T > cosine[:, None]) & far
    closer[np.arange(len(users)), partners] = False  # rounding may put the partner before itself
    return closer.sum(1)


def mean_far_cosine(spaces: dict, train: sp.csr_matrix) -> dict[str, float]:
    """Mean cosine of all far pairs of users in each space, against which that of a few pairs is to be seen."""
    shared, units = fewest_shared(train), {label: _unit(space) for label, space in spaces.items()}
    totals, count = dict.fromkeys(units, 0.0), 0
    for rows in _chunks(train.shape[0]):
        far = _shared(train, rows) == shared
        count += far.sum()
        for label, unit in units.items():
            # summed in double precision: single precision loses digits over millions of pairs
            totals[label] += float((unit[rows] @ unit.T)[far].sum(dtype=float))
    return {label: total / count for label, total in totals.items()}


def pair_summary(positions: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Means over the pairs of `positions` with 95% bootstrap intervals, one row per space and measure.

    Columns space, measure (cosine, nearer), mean, ci_low, ci_high, difference (to base, paired), difference_low,
    difference_high, difference_error (standard), freedom (of that error).
    """
    rows = []
    for measure in ("cosine", "nearer"):
        wide = positions.pivot(index=["user", "partner"], columns="space", values=measure)
        for space in dict.fromkeys(positions["space"]):
            interval, difference = bootstrap_mean(wide[space], rng), wide[space] - wide["base"]
            row = (space, measure, wide[space].mean(), *interval, difference.mean())
            row += bootstrap_difference(wide["base"], wide[space], rng)
            rows.append((*row, difference.sem(), len(wide) - 1))
    columns = ["space", "measure", "mean", "ci_low", "ci_high", "difference", "difference_low", "difference_high"]
    columns += ["difference_error", "freedom"]
    return pd.DataFrame(rows, columns=columns)


def _shared(train: sp.csr_matrix, rows) -> np.ndarray:
    """How many train items each user of `rows` shares with every user: [rows, n_users], infinitely many with itself."""
    binary = (train != 0).astype(np.float32)
    shared = (binary[rows] @ binary.T).toarray()
    shared[np.arange(len(rows)), rows] = np.inf
    return shared


def _unit(vectors) -> np.ndarray:
    """Rows of length one: [n, d]; a zero row stays zero."""
    vectors = np.asarray(vectors, dtype=np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _chunks(n: int) -> list[np.ndarray]:
    """The numbers 0..n-1 in pieces of CHUNK, the last one shorter."""
    return np.split(np.arange(n), range(CHUNK, n, CHUNK))
