"""Folders with splits as scipy writes them: train.npz, validation.npz and test.npz.

Optional files users.parquet and items.parquet say more about users and items.
"""

import zipfile
from pathlib import Path

import pandas as pd
import pyarrow
from scipy import sparse

from lib.core.errors import UserError
from lib.data.dataset_settings import DatasetSettings
from lib.data.interactions import SPLITS, Interactions


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
        return sparse.load_npz(path)  # runs nothing: scipy reads no pickled objects here
    except FileNotFoundError:
        raise UserError(f"no file {path}: the folder needs train.npz, validation.npz and test.npz") from None
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is no scipy sparse matrix ({error}): write it with scipy.sparse.save_npz") from None


def _side(path: Path, key: str, rows: int) -> pd.DataFrame | None:
    """What `path` says of each index, in order: [rows]; None without such a file, UserError for a broken one."""
    if not path.is_file():
        return None
    try:
        frame = pd.read_parquet(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise UserError(f"{path} is no parquet file ({str(error).splitlines()[0]}): write it again") from None
    if key not in frame or sorted(frame[key]) != list(range(rows)):
        raise UserError(f"{path} needs a column '{key}' with each index from 0 to {rows - 1} once, as in the splits")
    return frame.sort_values(key).drop(columns=key).reset_index(drop=True)
