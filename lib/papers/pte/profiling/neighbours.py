"""N_u: the train users whose histories are most like a user's, by the cosine of IDF-weighted history vectors."""

import numpy as np
from scipy.sparse import csr_matrix

CHUNK = 1024  # users at a time: their products with all train users are in memory together
DECIMALS = 9  # of a cosine: sums of floats differ further behind, and ties must not
NOBODY = -1


def neighbours(own: csr_matrix, pool: csr_matrix, k: int, index: np.ndarray | None = None) -> np.ndarray:
    """Row numbers of `pool` [n_own, k], most similar first and -1 where fewer share an item with the user.

    own: visible items [n_own, n_items + 1], of users whom `pool` need not know; pool: those of train users, empty rows
    for everybody else. IDF is that of the pool, ln((1 + n) / (1 + n_i)) + 1. `index` [n_own] is each user's own row in
    the pool, which is never a neighbour; by default row r of `own` is row r of `pool`. Ties go to the lower row.
    """
    from sklearn.feature_extraction.text import TfidfTransformer  # here, as sklearn takes a second to import

    index = np.arange(own.shape[0]) if index is None else index
    members = np.flatnonzero(np.diff(pool.indptr))
    found = np.full((own.shape[0], k), NOBODY, np.int64)
    if not len(members):
        return found
    weights = TfidfTransformer().fit(pool[members])
    theirs = weights.transform(pool[members]).T.tocsr()
    for first in range(0, own.shape[0], CHUNK):
        alike = (weights.transform(own[first : first + CHUNK]) @ theirs).tocoo()
        rows, columns = alike.row + first, members[alike.col]
        other = columns != index[rows]
        _first(found, rows[other], columns[other], alike.data[other].round(DECIMALS))
    return found


def _first(found: np.ndarray, row: np.ndarray, column: np.ndarray, score: np.ndarray) -> None:
    """Write the columns with the highest scores of each row into `found` [n, k]."""
    order = np.lexsort((column, -score, row))
    row, column = row[order], column[order]
    begins = np.searchsorted(row, row, side="left")
    place = np.arange(len(row)) - begins
    kept = place < found.shape[1]
    found[row[kept], place[kept]] = column[kept]
