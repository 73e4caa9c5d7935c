"""Small made-up inputs shared by tests."""

import numpy as np
import scipy.sparse as sp
import torch

from lib.data import row_order
from lib.data.interactions import Interactions
from lib.training.run_settings import Protocol


def interactions(n_users=40, n_items=30, seed=0, density=0.25) -> Interactions:
    """Random disjoint splits in which every user and item has a train edge."""
    rng = np.random.default_rng(seed)
    which = np.where(rng.random((n_users, n_items)) < density, rng.choice(3, (n_users, n_items), p=[0.6, 0.2, 0.2]), -1)
    which[np.arange(n_users), np.arange(n_users) % n_items] = 0
    which[np.arange(n_items) % n_users, np.arange(n_items)] = 0
    return Interactions("toy", *(sp.csr_matrix((which == split).astype(np.float32)) for split in range(3)))


def protocol(**changes) -> Protocol:
    """A protocol that trains in a blink."""
    values = dict(
        embedding_size=8, batch_size=64, learning_rate=0.01, epochs=12, evaluate_every=3, patience=5, ks=(5, 10, 20)
    )
    return Protocol(**values | changes)


def text(data: Interactions, width=10, seed=1) -> torch.Tensor:
    """Random text vectors [n_users + n_items, width]."""
    return torch.randn(data.n_users + data.n_items, width, generator=torch.Generator().manual_seed(seed))


def save_vectors(path, data: Interactions, vectors) -> None:
    """Write vectors of users then items as `path`.npy with the list of whose they are."""
    np.save(path, np.asarray(vectors))
    row_order.table(data).to_csv(path.with_suffix(".order.csv"), index=False)


def dense_normalised(train, self_loops=False) -> np.ndarray:
    """D^-1/2 A D^-1/2 as a dense float64 matrix, from the definition."""
    n_users, n_items = train.shape
    full = np.zeros((n_users + n_items,) * 2)
    full[:n_users, n_users:] = train.toarray()
    full += full.T
    if self_loops:
        full += np.eye(len(full))
    degrees = full.sum(1)
    factors = np.where(degrees > 0, np.maximum(degrees, 1) ** -0.5, 0)
    return factors[:, None] * full * factors
