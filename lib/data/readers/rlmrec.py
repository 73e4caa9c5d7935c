"""RLMRec's published folders: pickled splits, profiles and text vectors of amazon, yelp and steam.

What they hold is described in docs/methods/rlmrec.md 1.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from lib.core.errors import UserError, short
from lib.data.dataset_settings import DatasetSettings
from lib.data.interactions import Interactions
from lib.data.readers.unpickle import load

FILES = {"train": "trn_mat.pkl", "validation": "val_mat.pkl", "test": "tst_mat.pkl"}


def matches(folder: Path) -> bool:
    """Whether `folder` holds the pickled splits."""
    return (folder / FILES["train"]).is_file()


def has_dates(folder: Path) -> bool:
    """Never: such splits are matrices without a place for dates."""
    return False


def read(folder: Path, settings: DatasetSettings) -> Interactions:
    """The published splits, in which any value but zero counts as 1, and the profiles if they are there.

    Raises UserError for a file that is missing or damaged, and for profiles of another dataset.
    """
    splits = {split: _matrix(folder / file) for split, file in FILES.items()}
    n_users, n_items = splits["train"].shape
    users, items = _profiles(folder / "usr_prf.pkl", n_users), _profiles(folder / "itm_prf.pkl", n_items)
    return Interactions(settings.name, **splits, users=users, items=items)


def text_vectors(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The published ada-002 vectors, float32 [n_users, 1536] and [n_items, 1536]; raises UserError for NaN."""
    return _vectors(Path(folder) / "usr_emb_np.pkl"), _vectors(Path(folder) / "itm_emb_np.pkl")


def _matrix(path: Path):
    """The sparse matrix in `path`; raises UserError when it holds something else."""
    matrix = load(path)
    if not hasattr(matrix, "tocsr"):
        raise UserError(f"{path} holds no sparse matrix but a {type(matrix).__name__}: fetch the data again")
    if not min(matrix.shape) or matrix.dtype.kind not in "biuf" or not np.isfinite(matrix.data).all():
        raise UserError(f"{path} holds an empty matrix, NaN or what is no number: fetch the data again")
    return matrix


def _profiles(path: Path, rows: int) -> pd.DataFrame | None:
    """A column `profile` with one text per index; None without such a file, UserError when a text is missing."""
    if not path.is_file():
        return None
    content = load(path)
    try:
        texts = [content[index]["profile"] for index in range(rows)]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        where = f"{path} has no profile for index {short(error)}"
        raise UserError(f"{where}: it must have one for each of {rows} rows") from None
    if other := [index for index, text in enumerate(texts) if not isinstance(text, str)]:
        raise UserError(f"{path} has a profile that is no text at index {other[0]}: fetch the data again")
    return pd.DataFrame({"profile": texts})


def _vectors(path: Path) -> np.ndarray:
    """The matrix in `path` as float32; raises UserError unless it is one of finite numbers."""
    vectors = load(path)
    # np.asarray would make gigabytes of a few lists that hold each other
    if not isinstance(vectors, np.ndarray):
        raise UserError(f"{path} must hold one row of numbers per index, but is a {type(vectors).__name__}")
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
        raise UserError(f"{path} must hold one row of numbers per index, but is {vectors.dtype} {list(vectors.shape)}")
    with np.errstate(over="ignore"):  # what is too large for 32 bits becomes infinity and is told
        vectors = vectors.astype(np.float32)
    if wrong := np.flatnonzero(~np.isfinite(vectors).all(axis=1)).tolist():
        raise UserError(f"{path} has NaN or infinity in {len(wrong)} rows, first row {wrong[0]}: fetch the data again")
    return vectors
