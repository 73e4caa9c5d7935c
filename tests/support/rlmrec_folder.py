"""A small folder in RLMRec's format, for tests of its reader and of fetching it."""

import pickle
from pathlib import Path

import numpy as np
from scipy import sparse

from lib.data.readers import rlmrec

TRAIN = sparse.coo_matrix(([1.0, 2, 3, 0], ([0, 1, 2, 2], [0, 1, 2, 3])), shape=(3, 4))  # one entry is a stored zero


def dump(path: Path, content, protocol=4) -> Path:
    """Write a pickle."""
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def write(folder: Path, protocol=4) -> Path:
    """Splits, profiles and vectors of 3 users and 4 items, in files of the published names and form."""
    folder.mkdir(parents=True, exist_ok=True)
    splits = TRAIN, sparse.coo_matrix(([1.0], ([0], [3])), (3, 4)), sparse.coo_matrix(([1.0], ([2], [0])), (3, 4))
    for file, matrix in zip(rlmrec.FILES.values(), splits, strict=True):
        dump(folder / file, matrix, protocol)
    for side, rows in (("usr", 3), ("itm", 4)):
        profiles = {row: {"profile": f"{side} {row}", "reasoning": "because"} for row in range(rows)}
        dump(folder / f"{side}_prf.pkl", profiles, protocol)
        dump(folder / f"{side}_emb_np.pkl", np.arange(rows * 5.0).reshape(rows, 5), protocol)
    return folder
