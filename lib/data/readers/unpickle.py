"""Read the published pickles without trusting them: numpy arrays, scipy.sparse matrices and plain containers.

A pickle is a program that may call any function by name. The few names that are admitted here stand for constructors of
our own (pickled_numbers.py), and any other name is an error.
"""

import io
import pickle
import re
import struct
from pathlib import Path

from lib.core.errors import UserError, short
from lib.data.readers.pickled_numbers import ADMITTED, FORMS, MODULES, Array, Dtype, Sparse

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
        raise UserError(
            f"{path} is damaged or cut off ({short(error)}): delete its folder and fetch it again"
        ) from None


def _value(content, made: dict):
    """`content` with the arrays and matrices in it made from their states.

    `made` holds what was made before by identity: what stands in many places is made once, or a few lists that hold
    each other would fill the memory.
    """
    if id(content) in made:
        return made[id(content)]
    if isinstance(content, (Array, Sparse)):
        value = content.value()
    elif isinstance(content, dict):
        value = {key: _value(value, made) for key, value in content.items()}
    elif isinstance(content, (list, tuple)):
        value = type(content)(_value(part, made) for part in content)
    else:
        return content
    made[id(content)] = value
    return value


TUPLES = (pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3)  # the codes that build one
LARGEST_TUPLE = 1_000_000  # values


def _weighed(load):
    """The function for a code that builds a tuple, which is then weighed."""

    def weighed(unpickler):
        load(unpickler)
        unpickler.weigh(unpickler.stack[-1])

    return weighed


class _Unpickler(pickle._Unpickler):
    """Python's reader of pickles, but with the names in ADMITTED and FORMS only.

    It is the one written in Python: five bytes of a pickle make the one in C reserve gigabytes.
    """

    def __init__(self, file, path):
        super().__init__(file)
        self.path = path
        self.tuples = {}  # every tuple so far, and how many values it stands for, by identity

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
            f"{self.path} wants {short(f'{module}.{name}')}, which could run code, so it was not loaded: only numpy "
            "arrays, scipy.sparse matrices and plain containers are read; fetch the data from its official source"
        )

    def load_build(self):
        """Set a state, of what has one only: of our own classes and functions it would change them for every file."""
        if not isinstance(self.stack[-2], (Array, Dtype, Sparse)):
            raise pickle.UnpicklingError("a state for what has none")
        super().load_build()

    def weigh(self, made: tuple) -> None:
        """Raise UnpicklingError where tuples that hold each other stand for too many values.

        As a key such a tuple would be looked through, which takes seconds for twenty of them and years for sixty.
        """
        weight = 1 + sum(self.tuples[id(part)][1] if id(part) in self.tuples else 1 for part in made)
        if weight > LARGEST_TUPLE:
            raise pickle.UnpicklingError(f"a tuple of more than {LARGEST_TUPLE:,} values")
        self.tuples[id(made)] = made, weight

    dispatch = pickle._Unpickler.dispatch | {pickle.BUILD[0]: load_build}
    dispatch |= {code[0]: _weighed(pickle._Unpickler.dispatch[code[0]]) for code in TUPLES}
