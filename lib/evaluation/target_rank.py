"""The rank of each row's one target among scored candidates, and HR, NDCG and MRR that follow from it.

A row is one test history with one item to come; ranks r are counted from 1, and half ranks come of ties.
"""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib.core.errors import UserError, unknown

TIES = ("expected", "optimistic")
KS = (1, 5, 10, 20, 50)


def rank_of_target(scores: Tensor, target: Tensor, mask: Tensor | None = None, ties: str = "expected") -> Tensor:
    """Rank of column target[i] in row i of scores [n, n_candidates]: [n] float64, 1 is the best.

    target [n] int64 are columns: item ids where all items are scored, 0 where the target stands before its negatives.
    Columns where mask ([n, n_candidates] or [n_candidates], bool) is true do not compete; the target always does.
    ties: `expected` is the mean over random orders, 1 + #greater + #equal / 2; `optimistic` puts the target before its
    equals, 1 + #greater. A score that is NaN ranks last, and a target's behind all candidates that compete.
    Raises UserError for another name of `ties`.
    """
    if ties not in TIES:
        raise unknown("ties", ties, TIES)
    column = target[:, None]
    own = scores.gather(1, column)
    others = torch.ones_like(scores, dtype=torch.bool) if mask is None else (~mask).expand_as(scores).clone()
    others.scatter_(1, column, False)
    # comparing with NaN is never true, so a NaN is behind every number by itself
    greater = ((scores > own) | own.isnan()) & others
    rank = 1 + greater.sum(1).double()
    return rank if ties == "optimistic" else rank + ((scores == own) & others).sum(1).double() / 2


def metrics_of_ranks(ranks, ks=KS) -> dict[str, np.ndarray]:
    """Metrics of each row by name, each [n] float64, from ranks [n].

    With one relevant item per row, where 1[...] is 1 if true and else 0:

        hr@k   = 1[r <= k]                    which is recall@k and hit@k, too
        ndcg@k = 1[r <= k] / log2(r + 1)
        mrr@k  = 1[r <= k] / r
    """
    ranks = np.asarray(ranks, dtype=float)
    gains = {"hr": np.ones_like(ranks), "ndcg": 1 / np.log2(ranks + 1), "mrr": 1 / ranks}
    return {f"{name}@{k}": np.where(ranks <= k, gain, 0.0) for k in ks for name, gain in gains.items()}


def mean_metrics(ranks, ks=KS) -> pd.DataFrame:
    """Means over rows, tidy as in result files: columns metric, k, value. Raises UserError where there is no row."""
    if not len(ranks):
        raise UserError("no test row is left to rank a target in: use more data, other ratios or another group")
    means = ((*name.split("@"), values.mean()) for name, values in metrics_of_ranks(ranks, ks).items())
    return pd.DataFrame(means, columns=["metric", "k", "value"]).astype({"k": int})
