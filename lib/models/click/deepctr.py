"""deepctr-torch, which brings the click models, imported so that it asks no server and prints nothing."""

import sys
from functools import cache
from types import ModuleType, SimpleNamespace


@cache
def library() -> SimpleNamespace:
    """The parts of deepctr-torch that are used: the classes of models, and of descriptions of fields."""
    # Its last import starts a thread that asks a package index for a newer version and prints when none answers. That
    # function is all that this module of it holds, so one that does nothing stands in its place before it is imported.
    silent = ModuleType("deepctr_torch.utils", "Asks no server for a newer version.")
    silent.check_version = lambda version: None
    sys.modules.setdefault(silent.__name__, silent)
    from deepctr_torch import models
    from deepctr_torch.inputs import SparseFeat, VarLenSparseFeat

    return SimpleNamespace(models=models, SparseFeat=SparseFeat, VarLenSparseFeat=VarLenSparseFeat)
