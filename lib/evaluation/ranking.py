"""Full ranking of all items for each user, and per-user recall and NDCG (docs/methods/rlmrec.md 2)."""

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from torch import Tensor

from lib.core.errors import UserError

SCORES = 2**27  # held at once, 512 MiB: what a GPU needs to be busy, and a limit for a processor
USERS = 256  # scored at once on a processor: of ten thousand items their scores stay in its last cache


@torch.no_grad()
def top_items(user_vectors: Tensor, item_vectors: Tensor, seen: sp.csr_matrix, users: np.ndarray, k: int) -> Tensor:
    """The k best-scored items of each given user, best first: [len(users), k]; `seen` items never appear.

    Vectors are [n_users, d] and [n_items, d], a score is their dot product, `seen` is [n_users, n_items]. Only train
    items belong in it: validation items compete at test time and count as misses (docs/methods/rlmrec.md Q3).
    """
    size = chunk_size(item_vectors)
    # one buffer for all chunks: fresh memory took as long as the products
    scores = item_vectors.new_empty(min(size, len(users)), len(item_vectors))
    chunks = []
    for start in range(0, len(users), size):
        rows = users[start : start + size]
        chosen = user_vectors.index_select(0, torch.from_numpy(rows).to(scores.device))
        here = torch.mm(chosen, item_vectors.T, out=scores[: len(rows)])
        # the train items of these users can never be among the best
        row, column = (torch.from_numpy(index).to(scores.device) for index in seen[rows].nonzero())
        here[row, column] = -torch.inf
        chunks.append(here.topk(k, sorted=True).indices)
    return torch.cat(chunks)


def chunk_size(item_vectors: Tensor) -> int:
    """How many users are scored at once against items [n_items, d]."""
    fitting = max(SCORES // len(item_vectors), 1)
    return min(fitting, USERS) if item_vectors.device.type == "cpu" else fitting


def hits(top: np.ndarray, relevant: sp.csr_matrix, users: np.ndarray) -> np.ndarray:
    """Whether each ranked item is relevant to its user: [len(users), k] bool, from item ids `top` of the same shape.

    In plain form relevant[users[row], top[row, rank]] != 0; `relevant` is [n_users, n_items].
    """
    # as one number per (row, item), the pairs are looked up in a sorted list, without a dense matrix
    n_items = relevant.shape[1]
    rows = relevant[users].tocoo()
    keys = np.sort(rows.row.astype(np.int64) * n_items + rows.col)
    wanted = np.arange(len(users), dtype=np.int64)[:, None] * n_items + top
    # a pair behind the last key would get a place that does not exist; at the last one it is not equal either
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return keys[places] == wanted


def recall_and_ndcg(found: np.ndarray, n_relevant: np.ndarray, ks) -> dict[str, np.ndarray]:
    """Per-user metrics by name, each [n] float64, from hits [n, max(ks)], best rank first, and n_relevant [n].

    In plain form for one user, with hit(r) 1 where the item at rank r = 1, 2, ... is relevant and else 0:

        recall@k = sum_{r <= k} hit(r)  /  n_relevant
        ndcg@k   = sum_{r <= k} hit(r) / log2(r + 1)  /  sum_{r <= min(k, n_relevant)} 1 / log2(r + 1)

    Recall is not cut at k: a user with more than k relevant items cannot reach 1. tests/test_ranking.py compares with
    this form, one user and one rank at a time, and with ir-measures.
    """
    discount = 1 / np.log2(np.arange(2, max(ks) + 2))
    ideal = np.concatenate([[0], discount.cumsum()])  # ideal[m]: the DCG of m hits at the first m ranks
    metrics = {}
    for k in ks:
        metrics[f"recall@{k}"] = found[:, :k].sum(1) / n_relevant
        ranks = found[:, :k]  # fewer than k where there are not that many items
        metrics[f"ndcg@{k}"] = ranks @ discount[: ranks.shape[1]] / ideal[np.minimum(n_relevant, k)]
    return metrics


def evaluate(final: Tensor, n_users: int, seen: sp.csr_matrix, relevant: sp.csr_matrix, ks=(5, 10, 20)) -> pd.DataFrame:
    """Per-user metrics of final vectors [n_users + n_items, d]: one row per user with a relevant item.

    `seen` and `relevant` are [n_users, n_items]; columns are user and the metrics. Raises UserError when no user has a
    relevant item.
    """
    n_relevant = np.diff(relevant.indptr)
    users = np.flatnonzero(n_relevant)
    if not len(users):
        raise UserError("the validation or test split is empty, so nothing is ranked: use more data or other ratios")
    k = min(max(ks), relevant.shape[1])  # a tiny dataset may have fewer items than the largest cut-off
    top = top_items(final[:n_users], final[n_users:], seen, users, k).cpu().numpy()
    found = hits(top, relevant, users)
    return pd.DataFrame({"user": users, **recall_and_ndcg(found, n_relevant[users], ks)})


def mean(per_user: pd.DataFrame) -> dict[str, float]:
    """Mean of every metric over the evaluated users."""
    return {name: float(value) for name, value in per_user.drop(columns="user").mean().items()}
