"""RLMRec's pickled folders, and pickles that want more than data."""

import contextlib
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rlmrec_folder import TRAIN, dump, write
from scipy import sparse

from lib.core.errors import UserError
from lib.core.files import sha256
from lib.data import datasets
from lib.data.dataset_settings import DatasetSettings
from lib.data.readers import rlmrec, unpickle

TOY = DatasetSettings(name="toy", title="Toy")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_published_folder_is_read(tmp_path, protocol):
    data = datasets.read(write(tmp_path, protocol), TOY)
    assert data.train.toarray().tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    assert data.validation.nnz == data.test.nnz == 1
    assert data.users.profile.tolist() == ["usr 0", "usr 1", "usr 2"] and data.items.profile[3] == "itm 3"
    users, items = rlmrec.text_vectors(tmp_path)
    assert users.dtype == np.float32 and users.tolist() == np.arange(15.0).reshape(3, 5).tolist()
    assert items.shape == (4, 5) and type(items) is np.ndarray


def test_the_published_archive_gives_the_folder_of_its_dataset(tmp_path):
    for name in ("amazon", "steam"):
        write(tmp_path / "zip" / name)
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for path in sorted((tmp_path / "zip").rglob("*.pkl")):
            archive.write(path, path.relative_to(tmp_path / "zip"))
    text = (
        f"name: steam\ntitle: Steam\nsources: [{{url: u, sha256: {sha256(tmp_path / 'data.zip')}, members: steam/*}}]\n"
    )
    (tmp_path / "params/steam").mkdir(parents=True)
    (tmp_path / "params/steam/dataset.yaml").write_text(text)
    datasets.fetch("steam", tmp_path / "data.zip", tmp_path / "params", tmp_path / "data")
    assert datasets.load("steam", tmp_path / "params", tmp_path / "data").train.nnz == 3


def test_profiles_are_optional_but_complete(tmp_path):
    write(tmp_path)
    dump(tmp_path / "itm_prf.pkl", {0: {"profile": "x"}, 1: {"profile": "y"}})
    with pytest.raises(UserError, match="itm_prf.pkl has no profile for index 2"):
        datasets.read(tmp_path, TOY)
    (tmp_path / "itm_prf.pkl").unlink()
    (tmp_path / "usr_prf.pkl").unlink()
    assert datasets.read(tmp_path, TOY).items is None


def test_wrong_content_is_one_sentence(tmp_path):
    write(tmp_path)
    dump(tmp_path / "usr_emb_np.pkl", np.array([[1, 2], [np.nan, 1], [3, np.inf]]))
    with pytest.raises(UserError, match="NaN or infinity in 2 rows, first row 1"):
        rlmrec.text_vectors(tmp_path)
    dump(tmp_path / "usr_emb_np.pkl", np.arange(3.0))
    with pytest.raises(UserError, match="one row of numbers per index"):
        rlmrec.text_vectors(tmp_path)
    dump(tmp_path / "val_mat.pkl", np.eye(3))
    with pytest.raises(UserError, match="holds no sparse matrix but a"):
        datasets.read(tmp_path, TOY)
    (tmp_path / "val_mat.pkl").unlink()
    with pytest.raises(UserError, match="no file .*val_mat.pkl"):
        datasets.read(tmp_path, TOY)


VALUES = [
    np.arange(6, dtype=">i4").reshape(2, 3), np.asfortranarray([[1.0, 2], [3, 4]]), np.float64(1.5),
    np.array(True), np.array([1 + 2j]), np.zeros((0, 4), np.float16),
    {"a": [1, (2.5, None)], "b": {1, 2}, "c": frozenset("x"), "d": b"\xff", "e": True},
]  # fmt: skip


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("value", VALUES, ids=str)
def test_plain_values_come_back(tmp_path, value, protocol):
    found = unpickle.load(dump(tmp_path / "x.pkl", value, protocol))
    if isinstance(value, dict):
        assert found == value
    else:
        np.testing.assert_array_equal(found, value)
        assert found.dtype == value.dtype.newbyteorder("=")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("kind", ["coo_matrix", "csr_matrix", "csc_matrix", "coo_array", "csr_array", "csc_array"])
def test_sparse_matrices_come_back(tmp_path, kind, protocol):
    found = unpickle.load(dump(tmp_path / "x.pkl", getattr(sparse, kind)(TRAIN), protocol))
    assert found.format == "csr" and (found.toarray() == TRAIN.toarray()).all() and found.dtype == float


def test_damaged_compressed_matrices_are_refused(tmp_path):
    for name, at, value in (("indptr", -1, 9), ("indptr", 1, 2**30), ("indptr", 1, -5), ("indices", 0, 99)):
        for kind in (sparse.csr_matrix, sparse.csc_matrix):
            matrix = kind(TRAIN)
            getattr(matrix, name)[at] = value
            with pytest.raises(UserError, match="is damaged"):
                unpickle.load(dump(tmp_path / "x.pkl", matrix))


@pytest.mark.parametrize("new, old", [(b"numpy._core", b"numpy.core"), (b"scipy.sparse._coo", b"scipy.sparse.coo")])
def test_older_module_names_are_known(tmp_path, new, old):
    content = pickle.dumps(TRAIN, protocol=2)
    assert new in content
    (tmp_path / "x.pkl").write_bytes(content.replace(new, old))
    assert (unpickle.load(tmp_path / "x.pkl").toarray() == TRAIN.toarray()).all()


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def hostile(module: str, name: str) -> bytes:
    """A pickle that calls module.name('x') when it is loaded."""
    return f"c{module}\n{name}\n(S'x'\ntR.".encode()


@pytest.mark.parametrize(
    "module, name",
    [
        ("os", "system"), ("posix", "system"), ("subprocess", "Popen"), ("importlib", "import_module"),
        ("builtins", "eval"), ("builtins", "exec"), ("builtins", "getattr"), ("__builtin__", "open"),
        ("builtins", "bytearray"), ("_codecs", "decode"), ("pickle", "loads"), ("copyreg", "_reconstructor"),
        ("numpy", "load"), ("numpy", "fromfile"), ("numpy", "memmap"), ("numpy._core.multiarray", "fromfile"),
        ("numpy.testing", "measure"), ("numpy.testing._private.utils", "runstring"),
        ("numpy.f2py.crackfortran", "myeval"), ("numpy", "core._reconstruct"), ("torch", "load"),
        ("scipy.sparse", "load_npz"), ("scipy.sparse._coo", "warn"), ("scipy.sparse.linalg", "eigs"),
        ("scipy.io", "loadmat"), ("scipy.sparse._coo", "coo_matrix.__init__"), ("scipy.sparse.os", "coo_matrix"),
        ("evil", "coo_matrix"),
    ],
)  # fmt: skip
def test_foreign_names_are_refused_by_name(tmp_path, module, name):
    (tmp_path / "x.pkl").write_bytes(hostile(module, name))
    with pytest.raises(UserError, match=f"wants {module}.{name}, which could run code"):
        unpickle.load(tmp_path / "x.pkl")


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_call_hidden_in_data_does_not_happen(tmp_path, protocol):
    import os

    mine = tmp_path / "touched"
    for content in ({0: {"profile": Call(os.mkdir, str(mine))}}, np.array([Call(os.mkdir, str(mine))], dtype=object)):
        with pytest.raises(UserError, match="mkdir|dtype O"):
            unpickle.load(dump(tmp_path / "x.pkl", content, protocol))
    assert not mine.exists()


def test_admitted_names_only_take_plain_data(tmp_path):
    import codecs

    bad = [
        Call(codecs.encode, "x", "rot13"),
        Call(np.dtype, "V8"),
        Call(np.dtype, "(f8"),
        np.array(["text"]),
        Call(np.dtype, [("f", object)]),
        np.array([None], dtype=object),
        Call(np._core.multiarray.scalar, np.dtype("O"), b"12345678"),
        Call(np._core.numeric._frombuffer, b"12345678", np.dtype("O"), (1,), "C"),
        np.zeros(2, dtype=[("f", "f8")]),
        Call(np.ndarray, (2,)),
    ]
    for content in bad:
        with pytest.raises(UserError, match="is damaged or cut off|wants __builtin__.object"):
            unpickle.load(dump(tmp_path / "x.pkl", [content], 2))


def test_a_dtype_cannot_be_turned_into_pointers(tmp_path):
    class Forged:
        def __reduce__(self):
            # numpy itself would let this state make an 8-byte float field an object field
            return np.dtype, ("f8", False, True), (3, "|", None, ("f",), {"f": (np.dtype("O"), 0)}, 8, 1, 0)

    class Array:
        def __reduce__(self):
            state = (1, (1,), Forged(), False, b"AAAAAAAA")
            return np._core.multiarray._reconstruct, (np.ndarray, (0,), b"b"), state

    with pytest.raises(UserError, match="dtype O"):
        unpickle.load(dump(tmp_path / "x.pkl", Array(), 4))


def test_coordinates_out_of_bounds_are_refused(tmp_path):
    matrix = TRAIN.copy()
    matrix.coords[1][0] = 99
    with pytest.raises(UserError, match="is damaged"):
        unpickle.load(dump(tmp_path / "x.pkl", matrix))


def test_damaged_sizes_do_not_fill_the_memory(tmp_path):
    (tmp_path / "x.pkl").write_bytes(pickle.PROTO + b"\x02Nr\xff\xff\xff\x7f")  # memo entry two billion
    with pytest.raises(UserError, match="is damaged"):
        unpickle.load(tmp_path / "x.pkl")
    huge = sparse.coo_matrix(TRAIN)
    huge._shape = (2**40, 4)
    with pytest.raises(UserError, match="a matrix of shape"):
        unpickle.load(dump(tmp_path / "x.pkl", huge))


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_pickle_cut_anywhere_is_one_sentence(tmp_path, protocol):
    content = pickle.dumps(TRAIN, protocol)
    for length in range(0, len(content), 3):
        (tmp_path / "x.pkl").write_bytes(content[:length])
        with pytest.raises(UserError, match="is damaged or cut off|which could run code"):
            unpickle.load(tmp_path / "x.pkl")


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_a_damaged_pickle_never_does_worse_than_an_error(tmp_path_factory, changes):
    content = bytearray(pickle.dumps({"m": np.arange(4.0), "t": "text"}, protocol=2))
    for place, value in changes:
        content[place % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "damaged.pkl"
    path.write_bytes(content)
    try:
        unpickle.load(path)
    except UserError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize("state", [b"}X\x04\0\0\0formX\x03\0\0\0cscs", b"N}X\x05\0\0\0valueNs\x86"])
def test_a_pickle_cannot_change_how_later_ones_are_read(tmp_path, state):
    """A state for a class instead of an object would be set for every file that this process reads."""
    (tmp_path / "x.pkl").write_bytes(b"\x80\x04cscipy.sparse._coo\ncoo_matrix\n" + state + b"b.")
    with pytest.raises(UserError, match="is damaged"):
        unpickle.load(tmp_path / "x.pkl")
    assert (unpickle.load(dump(tmp_path / "y.pkl", TRAIN)).toarray() == TRAIN.toarray()).all()


@pytest.mark.parametrize("kind", [tuple, list])
@pytest.mark.parametrize(
    "before, behind",
    [(b"}", b"K\x01s"), (b"", b""), (b"c_codecs\nencode\nX\x01\0\0\0x", b"\x86R"), (b"(}q\1K\0X\1\0\0\0x", b"u")],
    ids=["a key", "a value", "an argument", "beside a profile"],
)
def test_a_few_values_that_hold_each_other_fill_neither_memory_nor_time(tmp_path, kind, before, behind):
    inner = kind((1, 2))
    for _ in range(60):
        inner = kind((inner, inner))
    (tmp_path / "x.pkl").write_bytes(b"\x80\x02" + before + pickle.dumps(inner, 2)[2:-1] + behind + b".")
    for read in (unpickle.load, rlmrec._vectors, rlmrec._matrix, lambda path: rlmrec._profiles(path, 1)):
        with contextlib.suppress(UserError):
            assert read(tmp_path / "x.pkl")
