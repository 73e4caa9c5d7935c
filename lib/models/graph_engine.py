"""Which library sums over neighbours: DGL where it works, torch's sparse matrices everywhere else.

DGL has wheels for few combinations of Python, torch and system, so it is optional. Both engines give the same layer.
"""

import importlib
import os
from functools import lru_cache

import torch

from lib.core.errors import UserError

ENGINES = ("dgl", "torch")


@lru_cache
def load_dgl():
    """(DGL, "") where it can be imported, else (None, the reason)."""
    os.environ.setdefault("DGLBACKEND", "pytorch")  # otherwise its first import writes a file into the user's home
    try:
        return importlib.import_module("dgl"), ""
    except Exception as error:  # DGL fails in many ways: no wheel, wrong glibc, wrong torch
        return None, f"{type(error).__name__}: {error}".splitlines()[0]


@lru_cache
def dgl_works_on(device_type: str) -> bool:
    """Whether the installed DGL can hold a graph on this type of device; a build for processors cannot on a GPU."""
    dgl, _ = load_dgl()
    if dgl is None:
        return False
    try:
        dgl.graph(([0], [0])).to(device_type)
    except Exception:
        return False
    return True


def choose_engine(device="cpu", engine: str | None = None) -> str:
    """The engine to use on `device`: the one asked for, else DGL where it works, else torch.

    Raises UserError when the engine asked for is unknown or does not work there.
    """
    if engine not in (None, *ENGINES):
        raise UserError(f"unknown graph engine '{engine}': known: {', '.join(ENGINES)}")
    usable = dgl_works_on(torch.device(device).type)
    if engine == "dgl" and not usable:
        raise UserError(
            f"the graph engine dgl does not work on {device} here ({load_dgl()[1] or 'built without it'}): use torch"
        )
    return engine or ("dgl" if usable else "torch")


def engine_report() -> str:
    """One line for people: which engine is used on a processor, and why."""
    dgl, reason = load_dgl()
    if choose_engine() == "dgl":
        return f"dgl {dgl.__version__}"
    return f"torch CSR (dgl: {reason or 'not built for a processor'})"
