"""Changed interactions of the ablations, named behind a '+': 'amazon+noise=0.1', 'movielens-100k+early'.

A study trains the same models on the data and on a variant of them (docs/methods/rlmrec.md 12). lib/core/names.py reads
and writes these names; lib/language/text_variants.py has the variants of texts.
"""

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_matrix

from lib.core.errors import UserError, unknown
from lib.core.names import VARIANTS_OF_DATA, read_dataset
from lib.data.interactions import SPLITS, Interactions, matrix


def interactions(data: Interactions, label: str, seed: int) -> Interactions:
    """The variant of `data` that `label` names, or the data as they are when it names none.

    `seed` decides which pairs noise adds. Raises UserError for an unknown variant.
    """
    _, kind, value = read_dataset(label)
    if kind == "noise":
        return with_noise(data, _share(label, value), seed)
    if kind in ("early", "late"):
        return period(data, kind)
    if "+" in label:  # misspelt, or a variant of texts
        raise unknown("variant of a dataset", label.rpartition("+")[2], VARIANTS_OF_DATA)
    return data


def _share(label: str, value: str) -> float:
    """The number behind 'noise='; raises UserError unless it lies between 0 and 1."""
    try:
        share = float(value)
    except ValueError:
        share = None
    if share is None or not 0 <= share <= 1:
        raise UserError(f"{label}: noise needs a share between 0 and 1, as in noise=0.1")
    return share


def with_noise(data: Interactions, share: float, seed: int) -> Interactions:
    """The data with more train pairs, drawn at random among those that no split holds (RLMRec's paper, section 4.4).

    `share` times the number of train pairs are added. Raises UserError when there are not so many free pairs.
    """
    n_users, n_items = data.train.shape
    known = sum(getattr(data, split) for split in SPLITS).tocoo()
    # a pair is one number, so that sets of pairs are sorted arrays; 32 bits are too few for a large dataset
    taken = np.unique(known.row.astype(np.int64) * n_items + known.col)
    wanted = round(share * data.train.nnz)
    if wanted > n_users * n_items - len(taken):
        raise UserError(f"{data.name} has too few free pairs for noise={share:g}")
    rng, added = np.random.default_rng(seed), np.empty(0, np.int64)
    while len(added) < wanted:
        # some of the drawn pairs are taken or drawn twice, so draw more than are missing
        drawn = rng.integers(n_users * n_items, size=2 * (wanted - len(added)))
        added = np.union1d(added, np.setdiff1d(drawn, taken))
    added = rng.permutation(added)[:wanted]  # union1d sorts, and the first of a sorted list would be no fair draw
    noise = csr_matrix((np.ones(wanted, np.float32), (added // n_items, added % n_items)), shape=data.train.shape)
    return replace(data, train=data.train + noise, events=None)


def period(data: Interactions, which: str) -> Interactions:
    """Each user's `early` or `late` half of the interactions by time, in the splits where they were.

    An interaction keeps its split, so a profile, which is written from the train split, never knows a test item of
    either half. The halves are those of each user and not of the calendar, since most people are active for a few days
    only. Raises UserError when the data have no dates.
    """
    events = data.events
    if events is None or events.get("timestamp") is None or events.timestamp.isna().any():
        raise UserError(f"{data.name} has no timestamps, so it has no {which} period")
    ordered = events.sort_values(["user", "timestamp", "item"])
    position = ordered.groupby("user").cumcount()  # 0 for the first interaction of each user
    half = ordered.groupby("user").item.transform("size") / 2  # of an odd number the one in the middle is early
    kept = ordered[position < half] if which == "early" else ordered[position >= half]
    matrices = {split: matrix(kept[kept.split == split], data.train.shape) for split in SPLITS}
    return replace(data, **matrices, events=None)
