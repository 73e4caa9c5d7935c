"""Where the hits of a ranking lie, by groups of items (docs/methods/rlmrec.md 12)."""

import numpy as np
import pandas as pd
import torch

from lib.analysis import kept_measures
from lib.core.files import ROOT
from lib.data.interactions import Interactions
from lib.evaluation import ranking
from lib.training.run_folder import Run

MEASURE = ROOT / "lib" / "analysis" / "item_hits.py"
KEPT = "item_hits.parquet"


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


def hits_of_run(run: Run, data: Interactions, groups: pd.Categorical) -> pd.DataFrame:
    """`item_hits` of a run by its final vectors, or as recorded with it for these groups."""
    kept = kept_measures.measured(run, KEPT, MEASURE)
    if kept is not None and _are_those(groups, kept, data):
        return kept
    return item_hits(run.final, data, groups)


def _are_those(groups: pd.Categorical, found: pd.DataFrame, data: Interactions) -> bool:
    """Whether recorded hits are of these groups: the test items in each follow from the data alone."""
    users = np.flatnonzero(np.diff(data.test.indptr))
    wanted = [np.diff(data.test[users][:, groups.codes == code].indptr) for code in range(len(groups.categories))]
    names = np.repeat(np.asarray(groups.categories, dtype=object), len(users))
    return list(found["group"]) == list(names) and np.array_equal(found["relevant"], np.concatenate(wanted))
