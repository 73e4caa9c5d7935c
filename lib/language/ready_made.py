"""Text vectors that somebody made elsewhere, from a file.

.npy          one array: users, then items
.safetensors  two tensors, `users` and `items`
.parquet      one row per user and item with the columns side (user|item), index (from 0) and vector
"""

from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from lib.core.errors import UserError

SUFFIXES = (".npy", ".safetensors", ".parquet")


def read(path: Path, n_users: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of users and of items as they are in the file; raises UserError when it is missing or holds none."""
    if not path.is_file():
        raise UserError(f"no file {path} with text vectors")
    readers = {".npy": _from_npy, ".safetensors": _from_safetensors, ".parquet": _from_parquet}
    try:
        return readers[path.suffix](path, n_users)
    # whatever it is: a damaged file makes these readers raise nearly anything
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path} holds no text vectors ({reason}): see lib/language/ready_made.py for what it must hold"
        ) from None


def _from_npy(path: Path, n_users: int):
    vectors = np.load(path, allow_pickle=False)  # a pickle could run anything
    return vectors[:n_users], vectors[n_users:]


def _from_safetensors(path: Path, _):
    tensors = load_file(path)
    return tensors["users"], tensors["items"]


def _from_parquet(path: Path, _):
    frame = pd.read_parquet(path, columns=["side", "index", "vector"]).sort_values("index")
    sides = [frame[frame.side == side] for side in ("user", "item")]
    if any(side["index"].tolist() != list(range(len(side))) for side in sides):
        raise ValueError("each side needs every index from 0 once")
    return tuple(np.array(side.vector.tolist()) for side in sides)
