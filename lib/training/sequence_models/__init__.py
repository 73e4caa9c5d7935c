"""The recommender that settings ask for, before its first step: one module each, with `model(data, settings)`.

sasrec    self-attention over items of any kind
dreamrec  DreamRec over a table that is trained or fixed; what adapts text is read by its encoder alone
llm_esr   LLM-ESR, with the neighbours of each training row

`model.losses(whole, generator)` are the loss terms of training rows [B, L + 1]. Where the data have neighbours it is
also given their histories `neighbours` [U, L], each once, and which of these are each row's, `nearest` [B, k].
`model.queries(history, table, generator)` are compared with `model.items.table()` by `model.score`. Weights are drawn
from torch's own generator.
"""

import importlib
import pkgutil

from lib.core.errors import unknown


def names() -> list[str]:
    """Names of all recommenders: the modules of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def get(name: str):
    """The module of a recommender; raises UserError with the nearest name."""
    if name not in names():
        raise unknown("recommender", name, names())
    # imported by name at run time: an edit of one must not outdate runs of the others
    return importlib.import_module(f"{__name__}.{name}")
