"""Read the pickles of the published data without trusting them: numpy arrays, scipy.sparse matrices and plain containers.

No class or function of the pickle is ever called. The names it may mention stand for small constructors of our own, which
check what they are given: numpy's would accept a dtype that reinterprets bytes as pointers, scipy's indices out of bounds.
"""

import pickle
import re
from pathlib import Path

import numpy as np
from scipy import sparse

from lib.files import UserError

BROKEN = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, LookupError, MemoryError, OverflowError
)  # fmt: skip


def load(path: Path):
    """The array, sparse matrix or container in `path`; raises UserError for any other class and for a damaged file."""
    try:
        with open(path, "rb") as file:
            content = _Unpickler(file, path).load()
            return content.matrix() if isinstance(content, _Sparse) else content
    except FileNotFoundError:
        raise UserError(f"no file {path}: fetch the data again") from None
    except BROKEN as error:
        raise UserError(f"{path} is damaged or cut off ({error}): delete its folder and fetch it again") from None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, path):
        super().__init__(file)
        self.path = path

    def find_class(self, module, name):
        # numpy 2 renamed numpy.core to numpy._core; scipy made its modules private
        known = (re.sub(r"^numpy\._core\b", "numpy.core", module), name)
        if known in ADMITTED:
            return ADMITTED[known]
        if (form := re.fullmatch(r"(coo|csr|csc)_(matrix|array)", name)) and module in SPARSE[form[1]]:
            return FORMS[form[1]]
        raise UserError(
            f"{self.path} wants {module}.{name}, which could run code, so it was not loaded: only numpy arrays, scipy.sparse "
            "matrices and plain containers are read; fetch the data from its official source"
        )


class _Dtype:
    """A plain dtype (numbers, strings, objects); its pickled state may set the byte order and nothing else."""

    def __init__(self, code, align=False, copy=False):
        self.value = np.dtype(str(code))
        if self.value.kind not in "biufcSUO" or self.value.fields is not None or self.value.subdtype:
            raise ValueError(f"dtype {code}")

    def __setstate__(self, state):
        if state[1] in "<>":
            self.value = self.value.newbyteorder(state[1])


class _Array(np.ndarray):
    """An array that only takes its state with a plain dtype."""

    def __setstate__(self, state):
        version, shape, dtype, fortran, content = state
        super().__setstate__((version, shape, _plain(dtype), fortran, content))


def _plain(dtype) -> np.dtype:
    if not isinstance(dtype, _Dtype):
        raise ValueError("an array without a dtype")
    return dtype.value


def _reconstruct(kind, shape, code):
    return np.ndarray.__new__(_Array, (0,), "b")  # empty; the state follows


def _scalar(dtype, content):
    return np.frombuffer(content, _plain(dtype), count=1)[0]


def _frombuffer(content, dtype, shape, order):
    return np.frombuffer(content, _plain(dtype)).reshape(shape, order=order)


def _encode(text, encoding):
    # how protocol 2 writes bytes
    if encoding != "latin1":
        raise ValueError(f"text in {encoding}")
    return text.encode("latin1")


class _Sparse:
    """The state of a sparse matrix, kept until it can be checked."""

    def matrix(self):
        state = vars(self)
        shape, data = state.get("_shape", state.get("shape")), np.asarray(state["data"])
        if self.form == "coo":
            row, column = state["coords"] if "coords" in state else (state["row"], state["col"])
            return sparse.coo_matrix((data, (np.asarray(row), np.asarray(column))), shape=shape)
        matrix = sparse.csr_matrix if self.form == "csr" else sparse.csc_matrix
        matrix = matrix((data, np.asarray(state["indices"]), np.asarray(state["indptr"])), shape=shape)
        matrix.check_format(full_check=True)
        return matrix


FORMS = {form: type(form, (_Sparse,), {"form": form}) for form in ("coo", "csr", "csc")}
SPARSE = {form: ("scipy.sparse", f"scipy.sparse.{form}", f"scipy.sparse._{form}") for form in FORMS}
ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy", "ndarray"): None,  # only ever the first argument of _reconstruct
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    **{(module, kind.__name__): kind for module in ("builtins", "__builtin__") for kind in (set, frozenset)},
}
