"""What one training step reads, and how repeated rows of it are merged."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Batch(NamedTuple):
    """One training step: B rows of a user, an item it has in train, and an item it has not.

    There is one row per train interaction, so an active user or a popular item stands in many rows. Users and items are
    both numbered from 0; in the graph, item i is node n_users + i.
    """

    users: Tensor  # [B] int64
    positives: Tensor  # [B] int64
    negatives: Tensor  # [B] int64
    step: int  # 0-based within the epoch: AutoCF draws its graphs at some steps only
    generator: torch.Generator  # draws edge dropout, noise and masks
    fixed: bool = False  # no shape may depend on values, since the step is captured (lib/training/step.py)

    def distinct(self, indices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Values [m] in ascending order, places [b] and counts [m] of the different indices among those given [b].

        `values[places]` is `indices` again, and counts[k] says how often values[k] occurs there. A loss can thus
        compute every different row once and weigh it by its count, which equals computing the repeated rows.

        How many different ones there are depends on values, so in a fixed batch m is b: behind the different indices
        the smallest one is repeated with a count of 0. It is a row that the loss reads anyway.
        """
        if not self.fixed:
            return indices.unique(return_inverse=True, return_counts=True)
        # torch.unique with known shapes: sort, mark where a new value begins, and number the values by these marks
        ordered, order = indices.sort()
        first = F.pad(ordered[1:] != ordered[:-1], (1, 0), value=True)
        places = first.cumsum(0) - 1
        values = ordered[:1].repeat(len(ordered)).scatter_(0, places, ordered)
        counts = torch.zeros_like(places).scatter_add_(0, places, torch.ones_like(places))
        # so far the places belong to the sorted indices: bring them back into the given order
        return values, torch.empty_like(places).scatter_(0, order, places), counts
