"""Text vectors that somebody made elsewhere, from a file that says whose each of them is.

.parquet      one row per user and item: side (user|item), id and vector; or user, item and vector, of which each row
              fills either user or item
.safetensors  tensors `users` and `items`, and the ids of their rows in `user_ids` and `item_ids`, if these are numbers
.npy          one array: users, then items

An id is what the data call a user or an item. Where a file has none, the list beside it has: vectors.order.csv of
vectors.npy, with the columns side, index and id (`python -m lib order`). Ids that the data do not have, or that the
k-core left out, are passed over.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from lib.core.errors import UserError
from lib.core.vector_files import order_file
from lib.data import row_order
from lib.data.interactions import Interactions

SIDES = ("user", "item")
SHOWN = 3  # ids in a message


def read(path: Path, data: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """Vectors [n_users, T] and [n_items, T] by index.

    Raises UserError when the file is missing, holds none, does not say whose they are, or lacks some.
    """
    if not path.is_file():
        raise UserError(f"no file {path} with text vectors")
    readers = {".npy": _from_npy, ".safetensors": _from_safetensors, ".parquet": _from_parquet}
    try:
        found = readers[path.suffix](path, data.name)
    except UserError:
        raise
    # whatever it is: a damaged file makes these readers raise nearly anything
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path} holds no text vectors ({reason}): see lib/language/ready_made.py for what it must hold"
        ) from None
    return tuple(_by_index(path, side, *found[side], row_order.ids(data, side)) for side in SIDES)


def _from_npy(path: Path, dataset: str) -> dict:
    vectors = np.load(path, allow_pickle=False)  # a pickle could run anything
    ids = _listed(path, dataset)
    n_users = len(ids["user"])
    return {"user": (ids["user"], vectors[:n_users]), "item": (ids["item"], vectors[n_users:])}


def _from_safetensors(path: Path, dataset: str) -> dict:
    tensors = load_file(path)
    listed = {} if all(f"{side}_ids" in tensors for side in SIDES) else _listed(path, dataset)
    ids = {side: listed[side] if listed else _as_text(pd.Series(tensors[f"{side}_ids"])) for side in SIDES}
    return {side: (ids[side], tensors[f"{side}s"]) for side in SIDES}


def _from_parquet(path: Path, dataset: str) -> dict:
    frame = pd.read_parquet(path)
    if {*SIDES} <= {*frame}:
        if (unclear := frame[[*SIDES]].notna().sum(axis=1).ne(1)).any():
            raise ValueError(f"row {int(unclear.to_numpy().argmax()) + 1} must fill either user or item")
        rows = {side: frame[frame[side].notna()] for side in SIDES}
        return {side: (_as_text(rows[side][side]), _array(rows[side]["vector"])) for side in SIDES}
    rows = {side: frame[frame["side"] == side] for side in SIDES}
    if "id" in frame:
        return {side: (_as_text(rows[side]["id"]), _array(rows[side]["vector"])) for side in SIDES}
    listed, rows = _listed(path, dataset), {side: rows[side].sort_values("index") for side in SIDES}
    if any(rows[side]["index"].tolist() != list(range(len(rows[side]))) for side in SIDES):
        raise ValueError("each side needs every index from 0 once")
    return {side: (listed[side], _array(rows[side]["vector"])) for side in SIDES}


def _array(vectors: pd.Series) -> np.ndarray:
    return np.array(vectors.tolist())


def _as_text(ids: pd.Series) -> pd.Series:
    """Ids as text; whole numbers that stand in a column with gaps were stored as 7.0."""
    whole = ids.dtype.kind == "f" and (ids % 1 == 0).all()
    return (ids.astype("int64") if whole else ids).astype(str)


def _listed(path: Path, dataset: str) -> dict[str, pd.Series]:
    """The ids of the rows of each side, from the list beside `path`; raises UserError without a good one."""
    beside = order_file(path)
    if not beside.is_file():
        raise UserError(
            f"{path} does not say whose vectors its rows are: save it as parquet with the columns side (user or item), "
            f"id and vector, or, if its rows are users, then items, in the order of the data, run: "
            f"python -m lib order {dataset} --to {beside}"
        )
    try:
        frame = pd.read_csv(beside, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        rows = {side: frame[frame["side"] == side] for side in SIDES}
        positions = {side: rows[side]["index"].astype(int).tolist() for side in SIDES}
        ids = {side: rows[side]["id"] for side in SIDES}
    except (ValueError, KeyError) as error:  # pandas' errors of parsing are ValueErrors
        raise UserError(
            f"{beside} cannot be read ({' '.join(str(error).split())}): it needs the columns side, index and id"
        ) from None
    if any(positions[side] != list(range(len(ids[side]))) for side in SIDES):
        raise UserError(f"{beside} must have the index of users and of items rising from 0: write it anew")
    return ids


def _by_index(path: Path, side: str, ids: pd.Series, vectors: np.ndarray, known: pd.Series) -> np.ndarray:
    """The vectors of `known` ids, in that order; raises UserError when there is not exactly one of each."""
    if len(ids) != len(vectors):
        raise UserError(
            f"{path} has {len(vectors)} vectors for the {len(ids)} {side}s of {order_file(path).name}: "
            "both must be of the same data"
        )
    if (twice := ids[ids.duplicated() & ids.isin(known)].unique()).size:
        raise UserError(f"{path} has more than one vector of {_some(twice, side)}: keep one of each")
    places = pd.Index(ids[~ids.duplicated()]).get_indexer(known)
    if (lost := known[places < 0]).size:
        raise UserError(f"{path} lacks the vectors of {_some(lost, side, len(known))}: add them")
    return vectors[np.flatnonzero(~ids.duplicated())[places]]


def _some(ids, side: str, of: int | None = None) -> str:
    """'4 of 9 users (a, b, c, ...)'."""
    shown = ", ".join([*map(str, ids[:SHOWN]), *(["..."] if len(ids) > SHOWN else [])])
    return f"{len(ids)}{f' of {of}' if of else ''} {side}{'s' * ((of or len(ids)) != 1)} ({shown})"
