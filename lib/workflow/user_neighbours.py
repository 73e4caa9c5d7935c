"""Users with like texts, for recommenders that learn from the neighbours of each."""

import numpy as np
import torch
from torch.nn import functional as F

from lib.analysis.text_overlap import neighbours
from lib.data.sequences.rows import Rows


def history_neighbours(rows: Rows, text: np.ndarray, k: int) -> np.ndarray:
    """Positions [n, k] of the rows whose users' text vectors have the highest cosine with that of each row.

    A user's text vector is the mean of the item vectors text [n_items, T] over the history, since no profiles of users
    are written yet. Targets are in none. Raises UserError when there are not k other rows.
    """
    table = F.pad(torch.from_numpy(text), (0, 0, 1, 0))
    # the sum has the direction of the mean; padding adds nothing to it
    return neighbours(F.embedding_bag(torch.from_numpy(rows.history).long(), table, mode="sum"), k)
