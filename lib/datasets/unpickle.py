"""Read the published pickles without trusting them: numpy arrays, scipy.sparse matrices and plain containers.

No class or function of the pickle is ever called. The names it may mention stand for small constructors of our own that
check what they are given: numpy's crash on a damaged state or read bytes as pointers, scipy's take any index.
"""

import io
import pickle
import re
import struct
from pathlib import Path

import numpy as np
from scipy import sparse

from lib.files import UserError

BROKEN = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, LookupError, MemoryError, OverflowError,
    RecursionError, struct.error,
)  # fmt: skip


def load(path: Path):
    """The array, sparse matrix or container in `path`; raises UserError for any other class and for a damaged file."""
    try:
        return _value(_Unpickler(io.BytesIO(path.read_bytes()), path).load())
    except FileNotFoundError:
        raise UserError(f"no file {path}: fetch the data again") from None
    except BROKEN as error:
        raise UserError(f"{path} is damaged or cut off ({error}): delete its folder and fetch it again") from None


def _value(content):
    if isinstance(content, (_Array, _Sparse)):
        return content.value()
    if isinstance(content, dict):
        return {key: _value(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return type(content)(map(_value, content))
    return content


class _Unpickler(pickle._Unpickler):  # in Python: five bytes make the C one reserve gigabytes for its memo
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
            f"{self.path} wants {module}.{name}, which could run code, so it was not loaded: only numpy arrays, "
            "scipy.sparse matrices and plain containers are read; fetch the data from its official source"
        )


class _Dtype:
    """A dtype of numbers; its pickled state may set the byte order and nothing else."""

    def __init__(self, code, align=False, copy=False):
        if not re.fullmatch(r"[biufc]\d\d?", code):
            raise ValueError(f"dtype {code}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state):
        self.dtype = self.dtype.newbyteorder(state[1] if state[1] in ("<", ">") else "=")

    def array(self, content, shape, order="C") -> np.ndarray:
        values = np.frombuffer(content, self.dtype).reshape(shape, order=order)
        return values.astype(self.dtype.newbyteorder("="))  # a copy, as numpy's own reading of pickles gives


class _Array:
    """The state of an array, kept until it can be checked."""

    def __setstate__(self, state):
        self.state = state

    def value(self) -> np.ndarray:
        version, shape, dtype, fortran, content = self.state
        return _checked(dtype).array(content, shape, "F" if fortran else "C")


def _checked(dtype) -> _Dtype:
    if not isinstance(dtype, _Dtype):
        raise ValueError("an array without a dtype")
    return dtype


def _reconstruct(kind, shape, code):
    return _Array()  # the state follows


def _scalar(dtype, content):
    return _checked(dtype).array(content, ())[()]


def _frombuffer(content, dtype, shape, order):
    return _checked(dtype).array(content, shape, order)


def _encode(text, encoding):
    # how protocol 2 writes bytes
    if encoding != "latin1":
        raise ValueError(f"text in {encoding}")
    return text.encode("latin1")


def _no_bytes():
    # how protocol 2 writes empty bytes
    return b""


class _Sparse:
    """The state of a sparse matrix, kept until it can be checked."""

    def value(self) -> sparse.csr_matrix:
        state = {name: _value(value) for name, value in vars(self).items()}
        if max(state["_shape"]) > LARGEST:
            raise ValueError(f"a matrix of shape {state['_shape']}")
        if self.form == "coo":
            row, column = state["coords"] if "coords" in state else (state["row"], state["col"])
        else:
            lengths = np.diff(state["indptr"])
            if lengths.max(initial=0) > len(state["indices"]):
                raise ValueError("more entries than indices")
            row, column = np.repeat(np.arange(len(lengths)), lengths), state["indices"]
            row, column = (row, column) if self.form == "csr" else (column, row)
        # this constructor checks lengths and bounds
        return sparse.coo_matrix((state["data"], (row, column)), shape=state["_shape"]).tocsr()


LARGEST = 10**8  # users or items; a damaged shape must not fill the memory
FORMS = {form: type(form, (_Sparse,), {"form": form}) for form in ("coo", "csr", "csc")}
SPARSE = {form: ("scipy.sparse", f"scipy.sparse.{form}", f"scipy.sparse._{form}") for form in FORMS}
ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy", "ndarray"): None,  # only ever the first argument of _reconstruct
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    **{(module, kind.__name__): kind for module in ("builtins", "__builtin__") for kind in (set, frozenset)},
}
