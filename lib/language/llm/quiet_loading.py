"""Loads a language model without the bar that transformers draws while it reads a GGUF file."""

from contextlib import contextmanager
from functools import partial

from lib.core.progress import without_widgets


@contextmanager
def without_bar():
    """Meanwhile no bar of a GGUF file is drawn: transformers' own switch for its bars does not reach that one.

    Not a part of lib/language/llm/local.py, which counts among the code behind every text vector.
    """
    with without_widgets():
        from transformers import modeling_gguf_pytorch_utils as reading  # takes seconds to import

    usual = reading.tqdm
    reading.tqdm = partial(usual, disable=True)
    try:
        yield
    finally:
        reading.tqdm = usual
