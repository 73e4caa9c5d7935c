"""Folders with splits as scipy writes them: train.npz, validation.npz and test.npz.

Optional files users.parquet and items.parquet say more about users and items.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from lib.core.errors import UserError, short
from lib.data.dataset_settings import DatasetSettings
from lib.data.interactions import SPLITS, Interactions
from lib.data.readers.pickled_numbers import LARGEST


def matches(folder: Path) -> bool:
    """Whether `folder` holds a train split in scipy's npz format."""
    return (folder / "train.npz").is_file()


def has_dates(folder: Path) -> bool:
    """Never: such splits are matrices without a place for dates."""
    return False


def read(folder: Path, settings: DatasetSettings) -> Interactions:
    """The splits as they are; users.parquet and items.parquet need a row for each index, in a column `user` or `item`.

    Raises UserError for a file that is missing, damaged or of another dataset.
    """
    splits = {split: _matrix(folder / f"{split}.npz") for split in SPLITS}
    n_users, n_items = splits["train"].shape
    users, items = _side(folder / "users.parquet", "user", n_users), _side(folder / "items.parquet", "item", n_items)
    return Interactions(settings.name, **splits, users=users, items=items)


def _matrix(path: Path):
    """The sparse matrix in `path`; raises UserError for anything else."""
    try:
        matrix = sparse.load_npz(path)  # runs nothing: scipy reads no pickled objects here
        return _checked(matrix)
    except FileNotFoundError:
        raise UserError(f"no file {path}: the folder needs train.npz, validation.npz and test.npz") from None
    # whatever it is: a damaged file makes zipfile, numpy and scipy raise nearly anything
    except Exception as error:
        raise UserError(f"{path} is no scipy sparse matrix ({short(error)}): write it with save_npz") from None


def _checked(matrix) -> sparse.csr_matrix:
    """`matrix` in csr form; raises ValueError for one that scipy would take, but nobody can mean."""
    if matrix.format not in ("csr", "csc", "coo"):
        raise ValueError(f"it has the form {matrix.format} instead of csr")
    if not 0 < min(matrix.shape) <= max(matrix.shape) <= LARGEST:  # a damaged shape must not fill the memory
        raise ValueError(f"its shape is {list(matrix.shape)}")
    if matrix.dtype.kind not in "biuf" or not np.isfinite(matrix.data).all():
        raise ValueError("it holds NaN or what is no number")
    if matrix.format == "csc":
        matrix.check_format(full_check=True)  # before it is converted, which reads wherever the indices point
    # csr is checked in Interactions, coo where it is made
    return sparse.csr_matrix(matrix)


def _side(path: Path, key: str, rows: int) -> pd.DataFrame | None:
    """What `path` says of each index, in order: [rows]; None without such a file, UserError for a broken one."""
    if not path.is_file():
        return None
    try:
        frame = pd.read_parquet(path)
        complete = key in frame and sorted(frame[key]) == list(range(rows))
    # whatever it is: a damaged file makes arrow raise nearly anything, and values of several types cannot be sorted
    except Exception as error:
        raise UserError(f"{path} cannot be read ({short(error)}): write it again as a parquet file") from None
    if not complete:
        raise UserError(f"{path} needs a column '{key}' with each index from 0 to {rows - 1} once, as in the splits")
    return frame.sort_values(key).drop(columns=key).reset_index(drop=True)
