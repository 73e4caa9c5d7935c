"""Changed inputs of the ablations, named behind a '+': 'amazon+noise=0.1', 'movielens-100k+early', 'minilm+shuffled'.

A study compares cells of the same grid on such inputs; everything else of a cell stays as it is (spec rlmrec 12).
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from lib.datasets import SPLITS, Interactions
from lib.datasets.interactions import matrix
from lib.files import UserError, unknown
from lib.text import TextVectors

DATA = ("noise", "early", "late")
TEXT = ("shuffled", "metadata")


def name(label: str) -> str:
    """The dataset, or the encoder, without its variant."""
    return label.rpartition("+")[0] if _variant(label) else label


def _variant(label: str) -> str:
    """What stands behind the last '+', when it names a variant: the file of an encoder may hold a '+' too."""
    variant = label.rpartition("+")[2] if "+" in label else ""
    return variant if variant.partition("=")[0] in (*DATA, *TEXT) else ""


def interactions(data: Interactions, label: str, seed: int) -> Interactions:
    """The variant of a dataset that its label names, or the data as they are; raises UserError for an unknown one."""
    kind, _, value = _variant(label).partition("=")
    if not kind:
        if "+" in label:
            raise unknown("variant of a dataset", label.rpartition("+")[2], DATA)
        return data
    if kind == "noise":
        return with_noise(data, _share(label, value), seed)
    return period(data, kind)


def _share(label: str, value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UserError(f"{label}: noise needs a share between 0 and 1, as in noise=0.1")
    return share


def with_noise(data: Interactions, share: float, seed: int) -> Interactions:
    """`share` * |train| further train pairs, drawn at random among pairs that no split holds (paper section 4.4)."""
    n_users, n_items = data.train.shape
    known = sum(getattr(data, split) for split in SPLITS).tocoo()
    taken = np.unique(known.row.astype(np.int64) * n_items + known.col)
    wanted = round(share * data.train.nnz)
    if wanted > n_users * n_items - len(taken):
        raise UserError(f"{data.name} has too few free pairs for noise={share:g}")
    rng, added = np.random.default_rng(seed), np.empty(0, np.int64)
    while len(added) < wanted:
        drawn = rng.integers(n_users * n_items, size=2 * (wanted - len(added)))
        added = np.union1d(added, np.setdiff1d(drawn, taken))
    added = rng.permutation(added)[:wanted]
    noise = csr_matrix((np.ones(wanted, np.float32), (added // n_items, added % n_items)), shape=data.train.shape)
    return replace(data, train=data.train + noise, events=None)


def period(data: Interactions, which: str) -> Interactions:
    """Each user's `early` or `late` half of the interactions by time, in the splits where they were.

    An interaction keeps its split, so what a profile knows (the train split) never holds a test item of either half.
    Halves of users and not of the calendar, since most people are active for a few days only. Raises UserError when the
    data have no dates.
    """
    events = data.events
    if events is None or events.get("timestamp") is None or events.timestamp.isna().any():
        raise UserError(f"{data.name} has no timestamps, so it has no {which} period")
    ordered = events.sort_values(["user", "timestamp", "item"])
    place = ordered.groupby("user").cumcount()
    half = ordered.groupby("user").item.transform("size") / 2
    kept = ordered[place < half] if which == "early" else ordered[place >= half]
    matrices = {split: matrix(kept[kept.split == split], data.train.shape) for split in SPLITS}
    return replace(data, **matrices, events=None)


def texts(data: Interactions, profiles: pd.DataFrame | None, encoder: str) -> pd.DataFrame | None:
    """The texts to encode: the profiles, or with '+metadata' what the data say without a language model.

    Raises UserError when a side has no metadata.
    """
    if _variant(encoder) != "metadata":
        return profiles
    sides = [_metadata(data, side, getattr(data, f"{side}s")) for side in ("user", "item")]
    return pd.concat(sides, ignore_index=True)


def _metadata(data: Interactions, side: str, frame: pd.DataFrame | None) -> pd.DataFrame:
    known = pd.DataFrame() if frame is None else frame.drop(columns=["id", side, "profile"], errors="ignore")
    if known.empty or known.isna().all(axis=None):
        raise UserError(
            f"the {side}s of {data.name} have no metadata besides profiles, so {side} vectors need profiles"
        )
    said = known.astype("string").fillna("unknown")
    text = said.apply(lambda column: column.name + ": " + column).agg("; ".join, axis=1)
    return pd.DataFrame({"side": side, "index": range(len(text)), "text": text})


def vectors(text: TextVectors, encoder: str, seed: int) -> TextVectors:
    """With '+shuffled' each user has another user's vector and each item another item's, fixed by the seed."""
    if _variant(encoder) != "shuffled":
        return text
    rng = np.random.default_rng(seed)
    return replace(text, users=rng.permutation(text.users), items=rng.permutation(text.items))
