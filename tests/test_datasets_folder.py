"""Folders of npz splits and parquet frames."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from lib.core.errors import UserError
from lib.data import datasets
from lib.data.dataset_settings import DatasetSettings

TOY = DatasetSettings(name="toy", title="Toy")


@pytest.fixture
def folder(tmp_path):
    cells = {"train": ([0, 1], [0, 1]), "validation": ([0], [1]), "test": ([1], [0])}
    for split, at in cells.items():
        matrix = sparse.csr_matrix((np.ones(len(at[0])), at), shape=(2, 2))
        sparse.save_npz(tmp_path / f"{split}.npz", matrix)
    pd.DataFrame({"item": [1, 0], "title": ["b", "a"], "profile": ["B", "A"]}).to_parquet(tmp_path / "items.parquet")
    return tmp_path


def test_a_folder_is_read_with_frames_in_index_order(folder):
    data = datasets.read(folder, TOY)
    assert data.train.toarray().tolist() == [[1, 0], [0, 1]] and data.test.toarray().tolist() == [[0, 0], [1, 0]]
    assert data.items.to_dict("list") == {"title": ["a", "b"], "profile": ["A", "B"]} and data.users is None


@pytest.mark.parametrize("items", [[0, 2], [0, 0], [0], [0, 1, 2]])
def test_frames_must_name_every_index_once(folder, items):
    pd.DataFrame({"item": items}).to_parquet(folder / "items.parquet")
    with pytest.raises(UserError, match="needs a column 'item' with each index from 0 to 1 once"):
        datasets.read(folder, TOY)


def test_damaged_files_are_one_sentence(folder):
    whole = (folder / "test.npz").read_bytes()
    for content in (whole[:-40], b"", b"text"):
        (folder / "test.npz").write_bytes(content)
        with pytest.raises(UserError, match="test.npz is no scipy sparse matrix"):
            datasets.read(folder, TOY)
    (folder / "test.npz").unlink()
    with pytest.raises(UserError, match="no file .*test.npz"):
        datasets.read(folder, TOY)
    (folder / "test.npz").write_bytes(whole)
    (folder / "items.parquet").write_bytes(b"PAR1 cut")
    with pytest.raises(UserError, match="items.parquet cannot be read"):
        datasets.read(folder, TOY)


def test_pickled_objects_in_npz_are_not_loaded(folder):
    np.savez(
        folder / "test.npz", format=b"csr", data=np.array([{}], dtype=object), indices=[0], indptr=[0], shape=[2, 2]
    )
    with pytest.raises(UserError, match="test.npz is no scipy sparse matrix .*allow_pickle=False"):
        datasets.read(folder, TOY)


def test_indices_out_of_bounds_are_refused(folder):
    np.savez(folder / "test.npz", format=b"csr", data=[1.0], indices=[7], indptr=[0, 1, 1], shape=[2, 2])
    with pytest.raises(UserError, match="broken sparse matrix"):
        datasets.read(folder, TOY)


@pytest.mark.parametrize(
    "parts",
    [
        dict(format=b"csc", indices=[7], indptr=[0, 1, 1], shape=[2, 2], data=[1.0]),
        dict(format=b"coo", row=[0], col=[0], shape=[2**40, 2], data=[1.0]),
        dict(format=b"csr", indices=[0], indptr=[0, 1, 1], shape=[2, 2], data=[np.nan]),
        dict(format=b"csr", indices=[0], indptr=[0, 1, 1], shape=[2, 2], data=["x"]),
        dict(format=b"csr", indices=[], indptr=[0], shape=[0, 2], data=[1.0][:0]),
        dict(format=b"dia", offsets=[0], shape=[2, 2], data=[[1.0, 1.0]]),
    ],
    ids=["index out of bounds", "huge", "NaN", "text", "nobody", "other form"],
)
def test_matrices_that_nobody_can_mean_are_one_sentence(folder, parts):
    np.savez(folder / "test.npz", **parts)
    with pytest.raises(UserError, match="test.npz is no scipy sparse matrix"):
        datasets.read(folder, TOY)


def test_indices_of_several_types_are_one_sentence(folder):
    """They cannot be sorted."""
    pd.DataFrame({"item": pd.Series([1, None], dtype="Int64"), "title": ["b", "a"]}).to_parquet(
        folder / "items.parquet"
    )
    with pytest.raises(UserError, match="items.parquet"):
        datasets.read(folder, TOY)
