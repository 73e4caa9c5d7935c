"""Files of ready-made text vectors in place of an encoder: which they are, and names that follow from their content."""

import os
from functools import lru_cache
from pathlib import Path

from lib.core.files import ROOT, digest
from lib.core.names import read_encoder, vector_file


def located(encoder: str) -> Path | None:
    """The file of vectors that `encoder` names, whether or not it is there; None where it names a model.

    A relative path starts here or, since a notebook's folder is notebooks/, in the repository.
    """
    path, _ = vector_file(encoder)
    return None if not path else Path(path) if Path(path).is_file() else ROOT / path


def order_file(path: Path) -> Path:
    """The list beside a file of vectors that says whose they are: vectors.order.csv of vectors.npy."""
    return path.with_suffix(".order.csv")


def parts(encoder: str) -> list[Path]:
    """What decides ready-made vectors, as far as it is there: the file and the list of its rows."""
    path = located(encoder)
    return [part for part in (path, order_file(path)) if part.is_file()] if path else []


def seen_from_root(encoder: str) -> str:
    """An encoder as the repository's root names it, wherever it was typed: all paths to one file become the same.

    The name of a model, and of a file that is not there, stays as it is.
    """
    path = located(encoder)
    if path is None or not path.is_file():
        return encoder
    path, variant = Path(os.path.abspath(path)), encoder.removeprefix(read_encoder(encoder).name)
    return (path.relative_to(ROOT) if path.is_relative_to(ROOT) else path).as_posix() + variant


def identified(encoder: str) -> str:
    """An encoder as run settings know it: of a file of vectors with a hash, as in 'data/mine/vectors.npy#1a2b3c4d'.

    The hash is of the file and the list of whose vectors it holds.
    """
    path, plain = located(encoder), seen_from_root(encoder)
    if path is None or not path.is_file():
        return encoder
    state = tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in parts(encoder))
    name = read_encoder(plain).name
    return f"{name}#{_content(state)}{plain.removeprefix(name)}"


@lru_cache(maxsize=64)  # a grid asks for every cell, and a file may have gigabytes
def _content(state: tuple) -> str:
    return digest(*(Path(file) for file, *_ in state))[:8]
