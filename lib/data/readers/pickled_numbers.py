"""What the names in a published pickle stand for: numpy arrays and scipy.sparse matrices, made only when checked.

The constructors of numpy and scipy are not called, since numpy's crash on a damaged state or read bytes as pointers,
and scipy's take any index.
"""

import operator
import re

import numpy as np
from scipy import sparse


class Dtype:
    """A numpy type of numbers; its pickled state may set the byte order and nothing else."""

    def __init__(self, code, align=False, copy=False):
        # a letter for booleans, integers, floats or complex numbers, then the bytes of each
        if not re.fullmatch(r"[biufc]\d\d?", code):
            raise ValueError(f"dtype {code}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state):
        # the second entry is the byte order, as '<', '>' or '|' where it does not matter
        self.dtype = self.dtype.newbyteorder(state[1] if state[1] in ("<", ">") else "=")

    def array(self, content, shape, order="C") -> np.ndarray:
        """The numbers in the bytes `content` as an array of this shape; raises ValueError when they do not fill it."""
        values = np.frombuffer(content, self.dtype).reshape(shape, order=order)
        # a copy in this machine's byte order, as numpy's own reading of pickles gives
        return values.astype(self.dtype.newbyteorder("="))


class Array:
    """The state of an array, kept until it can be checked."""

    def __setstate__(self, state):
        self.state = state

    def value(self) -> np.ndarray:
        """The array; raises an error in BROKEN for a damaged state."""
        version, shape, dtype, fortran, content = self.state
        return _checked(dtype).array(content, shape, "F" if fortran else "C")


def _checked(dtype) -> Dtype:
    """`dtype`, where a pickle may have put anything else; raises ValueError then."""
    if not isinstance(dtype, Dtype):
        raise ValueError("an array without a dtype")
    return dtype


# What the admitted names stand for; the arguments are those that numpy and pickle write


def _reconstruct(kind, shape, code):
    return Array()  # the pickle sets its state next


def _scalar(dtype, content):
    return _checked(dtype).array(content, ())[()]


def _frombuffer(content, dtype, shape, order):
    return _checked(dtype).array(content, shape, order)


def _encode(text, encoding):
    # version 2 of the format writes bytes as text to be encoded
    if encoding != "latin1":
        raise ValueError("text in another encoding")
    return text.encode("latin1")


def _no_bytes():
    # version 2 writes no bytes as a call of `bytes`
    return b""


class Sparse:
    """The state of a sparse matrix, which pickle writes into the attributes, kept until it can be checked."""

    form: str

    def __setstate__(self, state):
        self.state = dict(state)

    def value(self) -> sparse.csr_matrix:
        """The matrix; raises an error in BROKEN for a damaged state."""
        rows, columns = shape = tuple(map(operator.index, self.state["_shape"]))
        if not 0 <= min(rows, columns) <= max(rows, columns) <= LARGEST:
            raise ValueError(f"a matrix of shape {shape}")
        data = self._array(self.state["data"])
        if self.form == "coo":
            # newer versions of scipy write both as one pair
            pair = self.state["coords"] if "coords" in self.state else (self.state["row"], self.state["col"])
            row, column = map(self._array, pair)
        else:
            # entries per row of a csr matrix, per column of a csc matrix
            lengths, column = np.diff(self._array(self.state["indptr"])), self._array(self.state["indices"])
            # repeating so often could fill the memory
            if lengths.min(initial=0) < 0 or lengths.sum(dtype=float) > len(column):
                raise ValueError("more entries than indices")
            row = np.repeat(np.arange(len(lengths)), lengths)
            if self.form == "csc":
                row, column = column, row
        # of scipy's constructors this one checks lengths and bounds
        return sparse.coo_matrix((data, (row, column)), shape=shape).tocsr()

    @staticmethod
    def _array(part) -> np.ndarray:
        """The array in `part`; anything else, such as lists that hold each other, scipy would go through at length."""
        if not isinstance(part, Array | np.ndarray):
            raise ValueError("a sparse matrix of something else than arrays")
        return part.value() if isinstance(part, Array) else part


class _Coo(Sparse):
    form = "coo"


class _Csr(Sparse):
    form = "csr"


class _Csc(Sparse):
    form = "csc"


LARGEST = 10**8  # users or items; a damaged shape must not fill the memory
FORMS = {"coo": _Coo, "csr": _Csr, "csc": _Csc}
# where versions of scipy have or had the class of each form
MODULES = {form: ("scipy.sparse", f"scipy.sparse.{form}", f"scipy.sparse._{form}") for form in FORMS}
ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy", "ndarray"): None,  # only ever the first argument of _reconstruct, which does not use it
    ("numpy", "dtype"): Dtype,
    ("_codecs", "encode"): _encode,
    # the module of built-in names has another name in version 2 of the format
    ("__builtin__", "bytes"): _no_bytes,
    ("__builtin__", "set"): set,
    ("__builtin__", "frozenset"): frozenset,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
}
