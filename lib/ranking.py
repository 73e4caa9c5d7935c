"""Full ranking of all items and per-user Recall and NDCG (spec rlmrec 2, evaluation protocol)."""

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from torch import Tensor

from lib.files import UserError

CHUNK = 512  # users scored at once: [CHUNK, n_items] scores are all that is held
ON_GPU = 2**27  # scores held at once there, 512 MiB: each chunk costs a transfer of train items


def top_items(user_vectors: Tensor, item_vectors: Tensor, seen: sp.csr_matrix, users: np.ndarray, k: int) -> Tensor:
    """The k best-scored items of each given user, best first: [len(users), k]; `seen` items never appear.

    Scores are dot products. Only train items belong in `seen`: validation items compete at test time (Q3).
    """
    chunks, size = [], CHUNK if user_vectors.device.type == "cpu" else max(CHUNK, ON_GPU // len(item_vectors))
    for start in range(0, len(users), size):
        rows = users[start : start + size]
        scores = user_vectors[torch.from_numpy(rows).to(user_vectors.device)] @ item_vectors.T
        row, column = (torch.from_numpy(index).to(scores.device) for index in seen[rows].nonzero())
        scores[row, column] = -torch.inf
        chunks.append(scores.topk(k, sorted=True).indices)
    return torch.cat(chunks)


def hits(top: np.ndarray, relevant: sp.csr_matrix, users: np.ndarray) -> np.ndarray:
    """Whether each ranked item is relevant to its user: [len(users), k] bool, from ids `top` of the same shape."""
    n_items = relevant.shape[1]
    rows = relevant[users].tocoo()
    keys = np.sort(rows.row.astype(np.int64) * n_items + rows.col)
    wanted = np.arange(len(users), dtype=np.int64)[:, None] * n_items + top
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return keys[at] == wanted


def recall_and_ndcg(found: np.ndarray, n_relevant: np.ndarray, ks) -> dict[str, np.ndarray]:
    """Per-user metrics from hits [n, max(ks)] and the number of relevant items [n], in float64.

    recall@k = hits / all relevant items (not cut at k); ndcg@k divides by the best DCG that min(k, relevant) hits give.
    """
    discount = 1 / np.log2(np.arange(2, max(ks) + 2))
    ideal = np.concatenate([[0], discount.cumsum()])
    metrics = {}
    for k in ks:
        metrics[f"recall@{k}"] = found[:, :k].sum(1) / n_relevant
        ranks = found[:, :k]  # fewer than k where there are not that many items
        metrics[f"ndcg@{k}"] = ranks @ discount[: ranks.shape[1]] / ideal[np.minimum(n_relevant, k)]
    return metrics


def evaluate(final: Tensor, n_users: int, seen: sp.csr_matrix, relevant: sp.csr_matrix, ks=(5, 10, 20)) -> pd.DataFrame:
    """Per-user metrics of final vectors [n_users + n_items, d]: one row per user with a relevant item.

    Raises UserError when there is no such user.
    """
    n_relevant = np.diff(relevant.indptr)
    users = np.flatnonzero(n_relevant)
    if not len(users):
        raise UserError("the validation or test split is empty, so nothing is ranked: use more data or other ratios")
    k = min(max(ks), relevant.shape[1])
    top = top_items(final[:n_users], final[n_users:], seen, users, k).cpu().numpy()
    found = hits(top, relevant, users)
    return pd.DataFrame({"user": users, **recall_and_ndcg(found, n_relevant[users], ks)})


def mean(per_user: pd.DataFrame) -> dict[str, float]:
    """Mean of every metric over the evaluated users."""
    return {name: float(value) for name, value in per_user.drop(columns="user").mean().items()}
