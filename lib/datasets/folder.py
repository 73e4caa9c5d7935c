"""Folders with ready-made splits: train.npz, validation.npz, test.npz and optional users.parquet and items.parquet."""

import zipfile
from pathlib import Path

import pandas as pd
import pyarrow
from scipy import sparse

from lib.datasets.interactions import SPLITS, Interactions
from lib.datasets.schema import DatasetSettings
from lib.files import UserError


def matches(folder: Path) -> bool:
    """Whether `folder` holds a train split in scipy's npz format."""
    return (folder / "train.npz").is_file()


def read(folder: Path, settings: DatasetSettings) -> Interactions:
    """The splits as they are; frames must hold one row for each dense index in a column `user` or `item`."""
    splits = {split: _matrix(folder / f"{split}.npz") for split in SPLITS}
    n_users, n_items = splits["train"].shape
    users, items = _side(folder / "users.parquet", "user", n_users), _side(folder / "items.parquet", "item", n_items)
    return Interactions(settings.name, **splits, users=users, items=items)


def _matrix(path: Path):
    try:
        return sparse.load_npz(path)  # scipy never unpickles here
    except FileNotFoundError:
        raise UserError(f"no file {path}: the folder needs train.npz, validation.npz and test.npz") from None
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is no scipy sparse matrix ({error}): write it with scipy.sparse.save_npz") from None


def _side(path: Path, key: str, rows: int) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    try:
        frame = pd.read_parquet(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise UserError(f"{path} is no parquet file ({str(error).splitlines()[0]}): write it again") from None
    if key not in frame or sorted(frame[key]) != list(range(rows)):
        raise UserError(f"{path} needs a column '{key}' with each index from 0 to {rows - 1} once, as in the splits")
    return frame.sort_values(key).drop(columns=key).reset_index(drop=True)
