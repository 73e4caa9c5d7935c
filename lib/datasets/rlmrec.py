"""RLMRec's published folders (amazon, yelp, steam): pickled splits, profiles and text vectors; spec rlmrec 1."""

from pathlib import Path

import numpy as np
import pandas as pd

from lib.datasets.interactions import Interactions
from lib.datasets.schema import DatasetSettings
from lib.datasets.unpickle import load
from lib.files import UserError

FILES = {"train": "trn_mat.pkl", "validation": "val_mat.pkl", "test": "tst_mat.pkl"}


def matches(folder: Path) -> bool:
    """Whether `folder` holds the pickled splits."""
    return (folder / FILES["train"]).is_file()


def read(folder: Path, settings: DatasetSettings) -> Interactions:
    """The published splits, any stored value that is not zero counting as 1, with the profiles where they are there."""
    splits = {split: _matrix(folder / file) for split, file in FILES.items()}
    n_users, n_items = splits["train"].shape
    users, items = _profiles(folder / "usr_prf.pkl", n_users), _profiles(folder / "itm_prf.pkl", n_items)
    return Interactions(settings.name, **splits, users=users, items=items)


def text_vectors(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The published ada-002 vectors, float32 [n_users, 1536] and [n_items, 1536]; raises UserError for NaN."""
    return _vectors(Path(folder) / "usr_emb_np.pkl"), _vectors(Path(folder) / "itm_emb_np.pkl")


def _matrix(path: Path):
    matrix = load(path)
    if not hasattr(matrix, "tocsr"):
        raise UserError(f"{path} holds no sparse matrix but a {type(matrix).__name__}: fetch the data again")
    return matrix


def _profiles(path: Path, rows: int) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    content = load(path)
    try:
        texts = [content[index]["profile"] for index in range(rows)]
    except (KeyError, IndexError, TypeError) as error:
        raise UserError(f"{path} has no profile for index {error}: it must have one for each of {rows} rows") from None
    return pd.DataFrame({"profile": texts})


def _vectors(path: Path) -> np.ndarray:
    vectors = np.asarray(load(path))
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
        raise UserError(f"{path} must hold one row of numbers per index, but is {vectors.dtype} {list(vectors.shape)}")
    if wrong := np.flatnonzero(~np.isfinite(vectors).all(axis=1)).tolist():
        raise UserError(f"{path} has NaN or infinity in {len(wrong)} rows, first row {wrong[0]}: fetch the data again")
    return vectors.astype(np.float32)
