"""Read the published pickles without trusting them: numpy arrays, scipy.sparse matrices and plain containers.

A pickle is a program that may call any function by name. The few names that are admitted here stand for constructors of
our own, and any other name is an error. Even those of numpy and scipy are not called, since numpy's crash on a damaged
state or read bytes as pointers, and scipy's take any index.
"""

import io
import pickle
import re
import struct
from pathlib import Path

import numpy as np
from scipy import sparse

from lib.core.errors import UserError, short

# what reading a damaged pickle may raise
BROKEN = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, LookupError, MemoryError, OverflowError,
    RecursionError, AssertionError, NotImplementedError, struct.error,
)  # fmt: skip


def load(path: Path):
    """The array, sparse matrix or container in `path`; raises UserError for any other class and for a damaged file."""
    try:
        return _value(_Unpickler(io.BytesIO(path.read_bytes()), path).load(), {})
    except OSError as error:
        raise UserError(f"no file {path} can be read ({error.strerror}): fetch the data again") from None
    except BROKEN as error:
        raise UserError(f"{path} is damaged or cut off ({short(error)}): delete its folder and fetch it again") from None


def _value(content, made: dict):
    """`content` with the arrays and matrices in it made from their states.

    `made` holds what was made before by identity: what stands in many places is made once, or a few lists that hold
    each other would fill the memory.
    """
    if id(content) in made:
        return made[id(content)]
    if isinstance(content, (_Array, _Sparse)):
        value = content.value()
    elif isinstance(content, dict):
        value = {key: _value(value, made) for key, value in content.items()}
    elif isinstance(content, (list, tuple)):
        value = type(content)(_value(part, made) for part in content)
    else:
        return content
    made[id(content)] = value
    return value


class _Unpickler(pickle._Unpickler):
    """Python's reader of pickles, but with the names in ADMITTED and FORMS only.

    It is the one written in Python: five bytes of a pickle make the one in C reserve gigabytes.
    """

    def __init__(self, file, path):
        super().__init__(file)
        self.path = path

    def find_class(self, module, name):
        """What `module.name` in the pickle stands for; raises UserError for a name that is not admitted."""
        # numpy 2 renamed numpy.core to numpy._core; scipy made its modules private
        known = (re.sub(r"^numpy\._core\b", "numpy.core", module), name)
        if known in ADMITTED:
            return ADMITTED[known]
        form, _, kind = name.partition("_")
        if kind in ("matrix", "array") and module in MODULES.get(form, ()):
            return FORMS[form]
        raise UserError(
            f"{self.path} wants {short(f'{module}.{name}')}, which could run code, so it was not loaded: only numpy arrays, "
            "scipy.sparse matrices and plain containers are read; fetch the data from its official source"
        )


class _Dtype:
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


class _Array:
    """The state of an array, kept until it can be checked."""

    def __setstate__(self, state):
        self.state = state

    def value(self) -> np.ndarray:
        """The array; raises an error in BROKEN for a damaged state."""
        version, shape, dtype, fortran, content = self.state
        return _checked(dtype).array(content, shape, "F" if fortran else "C")


def _checked(dtype) -> _Dtype:
    """`dtype`, where a pickle may have put anything else; raises ValueError then."""
    if not isinstance(dtype, _Dtype):
        raise ValueError("an array without a dtype")
    return dtype


# What the admitted names stand for; the arguments are those that numpy and pickle write


def _reconstruct(kind, shape, code):
    return _Array()  # the pickle sets its state next


def _scalar(dtype, content):
    return _checked(dtype).array(content, ())[()]


def _frombuffer(content, dtype, shape, order):
    return _checked(dtype).array(content, shape, order)


def _encode(text, encoding):
    # version 2 of the format writes bytes as text to be encoded
    if encoding != "latin1":
        raise ValueError(f"text in {encoding}")
    return text.encode("latin1")


def _no_bytes():
    # version 2 writes no bytes as a call of `bytes`
    return b""


class _Sparse:
    """The state of a sparse matrix, which pickle writes into the attributes, kept until it can be checked."""

    form: str

    def value(self) -> sparse.csr_matrix:
        """The matrix; raises an error in BROKEN for a damaged state."""
        state = {name: _value(value, {}) for name, value in vars(self).items()}
        if max(state["_shape"]) > LARGEST:
            raise ValueError(f"a matrix of shape {state['_shape']}")
        if self.form == "coo":
            # newer versions of scipy write both as one pair
            row, column = state["coords"] if "coords" in state else (state["row"], state["col"])
        else:
            lengths = np.diff(state["indptr"])  # entries per row of a csr matrix, per column of a csc matrix
            if lengths.max(initial=0) > len(state["indices"]):  # repeating so often could fill the memory
                raise ValueError("more entries than indices")
            row, column = np.repeat(np.arange(len(lengths)), lengths), state["indices"]
            if self.form == "csc":
                row, column = column, row
        # of scipy's constructors this one checks lengths and bounds
        return sparse.coo_matrix((state["data"], (row, column)), shape=state["_shape"]).tocsr()


class _Coo(_Sparse):
    form = "coo"


class _Csr(_Sparse):
    form = "csr"


class _Csc(_Sparse):
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
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    # the module of built-in names has another name in version 2 of the format
    ("__builtin__", "bytes"): _no_bytes,
    ("__builtin__", "set"): set,
    ("__builtin__", "frozenset"): frozenset,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
}
