"""The batches of an epoch (docs/methods/rlmrec.md 2)."""

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from lib.core.errors import UserError
from lib.models.batch import Batch


class Sampler:
    """Shuffled batches with one row per train interaction and one random negative item in each row.

    Raises UserError when a user has every item in train, so that no negative item exists.
    """

    def __init__(self, train: sp.csr_matrix, batch_size: int, device="cpu"):
        n_users, self.n_items = train.shape
        full = np.flatnonzero(np.diff(train.indptr) >= self.n_items)
        if len(full):
            raise UserError(f"user {full[0]} has every item in train, so no negative item exists: remove that user")
        users = np.repeat(np.arange(n_users), np.diff(train.indptr))
        self.users = torch.from_numpy(users).to(device)  # [n_entries], as the positives
        self.positives = torch.from_numpy(train.indices.astype(np.int64)).to(device)
        # one sorted number per train interaction, in which a drawn pair is looked up
        self.keys = (self.users * self.n_items + self.positives).sort().values
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.users) // self.batch_size)  # rounded up: the last batch may be shorter

    def negatives(self, generator: torch.Generator) -> Tensor:
        """One item per train interaction, uniform over the items that its user has not in train: [n_entries].

        In plain form, for each interaction alone: draw from all items until one is not in the user's train row. Here
        all are drawn at once, then again those that hit a train item, until none is left; tests/test_training.py checks
        that they are uniform. Items of the other splits may be drawn, since training does not know them.
        """
        drawn = torch.empty_like(self.positives)
        waiting = torch.arange(len(drawn), device=drawn.device)  # interactions still without a negative item
        while len(waiting):
            drawn[waiting] = torch.randint(self.n_items, (len(waiting),), generator=generator, device=drawn.device)
            # a drawn pair is in train if the sorted keys hold its number
            keys = self.users[waiting] * self.n_items + drawn[waiting]
            places = torch.searchsorted(self.keys, keys).clamp_(max=len(self.keys) - 1)
            waiting = waiting[self.keys[places] == keys]
        return drawn

    def epoch(self, generator: torch.Generator) -> Iterator[Batch]:
        """The batches of one epoch; negative items are drawn once for all of it (docs/methods/rlmrec.md Q14)."""
        # no global random state: these two draws and those of the steps are all that an epoch takes from `generator`
        negatives = self.negatives(generator)
        order = torch.randperm(len(self.users), generator=generator, device=self.users.device)
        for step, rows in enumerate(order.split(self.batch_size)):
            yield Batch(self.users[rows], self.positives[rows], negatives[rows], step, generator)
