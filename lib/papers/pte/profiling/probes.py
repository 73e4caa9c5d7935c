"""Probes: train interactions that are hidden from a prompt, so that a reward can ask whether its profile foresees them.

They lie inside the train region alone; what validates or tests is never one.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from lib.papers.pte.profiling.histories import Histories
from lib.papers.pte.profiling.settings import ProfilingSettings

SHORTEST, TWO = 4, 8  # different visible items of a user from which one, and two, are hidden


class Probes(NamedTuple):
    """The item numbers hidden from each probed user's prompts, and the users hidden from each probed item's."""

    users: dict[int, np.ndarray]
    items: dict[int, np.ndarray]

    def of_users(self, shape: tuple[int, int]) -> csr_matrix:
        """What is hidden from users' prompts, float64 ones [n_users, n_items + 1]."""
        return _matrix(self.users, shape)

    def of_items(self, shape: tuple[int, int]) -> csr_matrix:
        """What is hidden from items' prompts, float64 ones [n_users, n_items + 1]."""
        return _matrix(self.items, shape[::-1]).T.tocsr()


def probes(histories: Histories, items: np.ndarray, settings: ProfilingSettings) -> Probes:
    """Probes of a sample of train users with four visible items or more, and of `items` with two train users or more.

    Of a user the last visible item, with eight or more the last two, where an item that comes again counts once; of an
    item the share `probe_share` of its train users, at least one and never all of them. A user's probe is hidden
    wherever it stands in the history.
    """
    rng = np.random.default_rng([settings.seed, 2])
    long = np.flatnonzero(histories.pool.getnnz(axis=1) >= SHORTEST)
    users = {int(user): _last(histories.of(user)) for user in np.sort(rng.permutation(long)[: settings.probed_users])}
    by_item = histories.pool.tocsc()
    by_item.sort_indices()
    chosen = items[np.diff(by_item.indptr)[items] >= 2]
    found = {}
    for item in np.sort(rng.permutation(chosen)[: settings.probed_items]):
        own = by_item.indices[by_item.indptr[item] : by_item.indptr[item + 1]]
        count = max(1, int(settings.probe_share * len(own)))
        drawn = np.random.default_rng([settings.seed, 3, item]).permutation(own)[:count]
        found[int(item)] = np.sort(drawn).astype(np.int64)
    return Probes(users, found)


def without(matrix: csr_matrix, hidden: csr_matrix) -> csr_matrix:
    """`matrix` with zeros where `hidden` has ones."""
    left = (matrix - matrix.multiply(hidden)).tocsr()
    left.eliminate_zeros()
    return left


def _last(history: np.ndarray) -> np.ndarray:
    latest = [*dict.fromkeys(history[::-1].tolist())]
    return np.sort(np.array(latest[: 2 if len(latest) >= TWO else 1], np.int64))


def _matrix(hidden: dict[int, np.ndarray], shape: tuple[int, int]) -> csr_matrix:
    rows = np.repeat(np.array([*hidden], np.int64), [len(one) for one in hidden.values()])
    columns = np.concatenate([np.empty(0, np.int64), *hidden.values()])
    return csr_matrix((np.ones(len(rows)), (rows, columns)), shape)
