"""What is reached without training: rankings by text vectors, by popularity, at random (docs/methods/rlmrec.md 12)."""

import numpy as np
import pandas as pd
import torch

from lib.data.interactions import Interactions
from lib.evaluation import ranking


def untrained_rankings(data: Interactions, text: torch.Tensor | None, ks=(5, 10, 20)) -> dict[str, pd.DataFrame]:
    """Per-user test metrics of rankings without training: {'text only', 'popularity', 'random': frame}.

    text: vectors of users then items [n_users + n_items, T], scored by their dot product as final vectors are; without
    them there is no 'text only'.
    """
    # final vectors of width one, 1 for every user: a score is then the item's popularity, of which only the order
    # counts
    popularity = np.concatenate([np.ones(data.n_users), np.log1p(data.train.getnnz(axis=0))])
    finals = {} if text is None else {"text only": text}
    finals["popularity"] = torch.from_numpy(popularity)[:, None]
    tables = {name: ranking.evaluate(final, data.n_users, data.train, data.test, ks) for name, final in finals.items()}
    return tables | {"random": _expected_at_random(data, ks)}


def _expected_at_random(data: Interactions, ks) -> pd.DataFrame:
    """Expected metrics when all items outside train come in random order."""
    n_relevant = np.diff(data.test.indptr)
    users = np.flatnonzero(n_relevant)
    candidates = (data.n_items - np.diff(data.train.indptr))[users, None]
    # the metrics are linear in hits, so hits may be probabilities
    # beyond a user's last candidate there is no rank that could be a hit
    chance = np.where(np.arange(max(ks)) < candidates, n_relevant[users, None] / candidates, 0)
    return pd.DataFrame({"user": users, **ranking.recall_and_ndcg(chance, n_relevant[users], ks)})
