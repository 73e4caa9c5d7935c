"""R_i: the train users by whom an item is described; where many chose it, users who differ from each other."""

import numpy as np
from scipy.sparse import csr_matrix

DECIMALS = 4  # of a cosine: coarse, so that another machine's rounding seldom changes who is chosen


def audiences(pool: csr_matrix, vectors: np.ndarray, m: int) -> list[np.ndarray]:
    """Up to `m` train users of each item number [n_items + 1]; an item that nobody in the pool chose has none.

    pool: visible items of train users [n_users, n_items + 1]; vectors [n_users, d]: unit length, of users' profiles.
    An item of at most m users has all of them, in order. Of others the medoid comes first, the user with the highest
    mean cosine to all, and then again and again the one whose nearest chosen user is furthest (farthest-point
    sampling); ties go to the lower user.

    Only items with more than m users need the vectors. They are taken one after the other: their numbers of users
    differ by orders of magnitude, so one padded array of all would be far larger than the sum of its parts.
    """
    by_item = pool.tocsc()
    by_item.sort_indices()
    users = np.split(by_item.indices.astype(np.int64), by_item.indptr[1:-1])
    for item in np.flatnonzero(np.diff(by_item.indptr) > m):
        users[item] = users[item][_spread(vectors[users[item]], m)]
    return users


def _spread(vectors: np.ndarray, m: int) -> np.ndarray:
    """Rows of `vectors` [n, d]: the medoid, then the farthest points, m in all."""
    chosen = [int(np.argmax((vectors @ vectors.mean(0)).round(DECIMALS)))]
    nearest = (vectors @ vectors[chosen[0]]).round(DECIMALS)  # cosine to the nearest chosen one
    for _ in range(m - 1):
        nearest[chosen[-1]] = np.inf  # who is chosen is not chosen again, even among users who are all alike
        chosen.append(int(np.argmin(nearest)))
        nearest = np.maximum(nearest, (vectors @ vectors[chosen[-1]]).round(DECIMALS))
    return np.array(chosen)
