"""A seeded bipartite graph with power-law degrees, of any size."""

from pathlib import Path

import numpy as np
import scipy.sparse as sp

from lib.core.errors import UserError
from lib.data.interactions import SPLITS, Interactions

PER_USER, PER_ITEM = 20, 40  # mean interactions


def interactions(count: int, seed: int = 0, exponent: float = 3.0) -> Interactions:
    """`count` train pairs of count/20 users and count/40 items, and a tenth as many more to test; none to validate.

    Degrees have density k^-exponent in the tail. Raises UserError for fewer than 1000 pairs.
    """
    if count < 1000:
        raise UserError(f"{count} interactions are too few to draw power-law degrees: ask for 1000 or more")
    rng = np.random.default_rng(seed)
    shape = count // PER_USER, count // PER_ITEM
    keys = distinct_pairs(count + count // 10, *shape, exponent, rng)
    tested = np.zeros(len(keys), dtype=bool)
    tested[rng.choice(len(keys), count // 10, replace=False, shuffle=False)] = True
    empty = sp.csr_matrix(shape, dtype=np.float32)
    return Interactions(f"generated {count:,}", matrix(keys[~tested], shape), empty, matrix(keys[tested], shape))


def write(folder: Path, count: int, seed: int = 0) -> None:
    """The same as a folder that lib.data.readers.npz reads."""
    data = interactions(count, seed)
    for split in SPLITS:
        sp.save_npz(Path(folder) / f"{split}.npz", getattr(data, split), compressed=False)


def distinct_pairs(count: int, n_users: int, n_items: int, exponent: float, rng) -> np.ndarray:
    """`count` different pairs as sorted numbers user * n_items + item, int64."""
    # who is popular is shuffled, as in real data: otherwise the popular rows would lie side by side in the cache
    names = [rng.permutation(n) for n in (n_users, n_items)]
    keys = np.empty(0, dtype=np.int64)
    # pairs that were drawn before are no new ones, so a few too many are drawn until there are enough
    while len(keys) < count:
        fresh = int(1.1 * (count - len(keys))) + 100
        users, items = (name[power_law(len(name), fresh, exponent, rng)] for name in names)
        keys = np.union1d(keys, users * np.int64(n_items) + items)
    return np.delete(keys, rng.choice(len(keys), len(keys) - count, replace=False, shuffle=False))


def power_law(n: int, count: int, exponent: float, rng) -> np.ndarray:
    """`count` numbers below n, the r-th of which is drawn about r^(-1 / (exponent - 1)) as often as the first."""
    places = rng.random(count) ** ((exponent - 1) / (exponent - 2))  # inverse of the cumulated frequency
    return np.minimum((n * places).astype(np.int64), n - 1)


def matrix(keys: np.ndarray, shape: tuple[int, int]) -> sp.csr_matrix:
    """The binary CSR matrix of sorted pairs."""
    users, items = np.divmod(keys, shape[1])
    pointers = np.concatenate([[0], np.bincount(users, minlength=shape[0]).cumsum()])
    return sp.csr_matrix((np.ones(len(keys), np.float32), items.astype(np.int32), pointers), shape)
