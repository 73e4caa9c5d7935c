"""Changed texts of the ablations, named behind a '+': 'minilm+shuffled', 'minilm+metadata'."""

from dataclasses import replace

import numpy as np
import pandas as pd

from lib.core.errors import UserError
from lib.core.names import read_encoder
from lib.data.interactions import Interactions
from lib.language.text_vectors import TextVectors


def texts(data: Interactions, profiles: pd.DataFrame | None, encoder: str) -> pd.DataFrame | None:
    """The texts to encode: the profiles, or with '+metadata' what the data say without a language model.

    Raises UserError when a side has no metadata.
    """
    if read_encoder(encoder).kind != "metadata":
        return profiles
    sides = [_metadata(data, side, getattr(data, f"{side}s")) for side in ("user", "item")]
    return pd.concat(sides, ignore_index=True)


def _metadata(data: Interactions, side: str, frame: pd.DataFrame | None) -> pd.DataFrame:
    """'title: Heat; year: 1995' of every row of one side; a value that is not there reads 'unknown'."""
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
    if read_encoder(encoder).kind != "shuffled":
        return text
    # users before items: in another order the same seed would give other vectors
    rng = np.random.default_rng(seed)
    return replace(text, users=rng.permutation(text.users), items=rng.permutation(text.items))
