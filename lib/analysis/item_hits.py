"""Where the hits of a ranking lie, by groups of items (docs/methods/rlmrec.md 12)."""

import numpy as np
import pandas as pd
import torch

from lib.data.interactions import Interactions
from lib.evaluation import ranking


def item_hits(final: torch.Tensor, data: Interactions, groups: pd.Categorical, k: int = 20) -> pd.DataFrame:
    """Where the hits of a full ranking by final vectors [n_users + n_items, D] lie, by the group [n_items] of the item.

    One row per test user and group: user, group, relevant (test items in the group), recommended (of the k best), hits.
    """
    codes = np.asarray(groups.codes)
    users = np.flatnonzero(np.diff(data.test.indptr))
    top = ranking.top_items(final[: data.n_users], final[data.n_users :], data.train, users, k).cpu().numpy()
    # found: which of the k are hits; shown: the group of each; wanted: test items, a sparse row per user, so that the
    # length of a row is how many there are
    found, shown, wanted = ranking.hits(top, data.test, users), codes[top], data.test[users]
    frames = [
        pd.DataFrame({
            "user": users,
            "group": name,
            "relevant": np.diff(wanted[:, codes == code].indptr),
            "recommended": (shown == code).sum(1),
            "hits": (found & (shown == code)).sum(1),
        })
        for code, name in enumerate(groups.categories)
    ]  # fmt: skip
    return pd.concat(frames, ignore_index=True)
