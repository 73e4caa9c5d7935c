"""Item vectors, one file each: the file name is the method's name, its class is `Items`.

identity      a trained table, without text: Base
llm_init      the same, which begins as whitened text
alphafuse     whitened text that stays, with trained vectors added in its last coordinates
morec         text through a linear map and GELU
whitenrec     the same with whitened text
unisrec       text through eight gated linear maps
fixed_text    whitened text as it is: iDreamRec
text_linear   whitened text through a linear map alone: PtE without profiles
llm_esr       a trained table and adapted text side by side, for a model of its own
rlmrec_con    a trained table, drawn towards text by a contrast within the batch
rlmrec_gen    a trained table from which text is reconstructed
rlmrec_align  a trained table that is drawn towards a map of text

Formulas and what papers leave open are in docs/methods/pte-recommenders.md 3.
"""

import importlib
import pkgutil
from typing import NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from lib.core.errors import UserError, unknown
from lib.core.settings import Strict
from lib.models.sequential import whitening

TEXT_SCALE = 40  # public codes multiply unit vectors of text by it, so that their entries are near 1


class Batch(NamedTuple):
    """Item numbers of a training step: histories [B, L], left-padded with 0, and all targets [M]."""

    history: Tensor
    target: Tensor


class ItemEmbedding(nn.Module):
    """The vectors of items; subclasses give `table`. What is frozen is a buffer, which no checkpoint holds."""

    Settings = Strict
    reads_text = True
    backbones = ("sasrec", "dreamrec")  # on which the method makes sense
    adapts_text = False  # a trained map of fixed text, which DreamRec must not generate
    recommender = ""  # the model that these vectors are made for, in place of the backbone

    def __init__(self, n_items: int, d: int, text: np.ndarray | None, settings: Strict):
        """text: vectors [n_items, T] of the items' texts, which methods without text do not read."""
        super().__init__()
        self.settings = settings
        if self.reads_text and (text is None or len(text) != n_items):
            found = "none" if text is None else len(text)
            raise UserError(f"{n_items} items need a text vector each, and there are {found}: encode their texts")
        self.build(n_items, d, text)

    def build(self, n_items: int, d: int, text: np.ndarray | None) -> None:
        """Make parameters and buffers."""
        raise NotImplementedError

    def table(self) -> Tensor:
        """Vectors [n_items + 1, d] by item number; row 0, of the padding, is zero."""
        raise NotImplementedError

    def auxiliary(self, batch: Batch) -> dict[str, Tensor]:
        """Weighted loss terms by name that are added to that of the next item."""
        return {}

    def freeze(self, name: str, vectors: np.ndarray) -> None:
        """Keep vectors as self.<name>, in float32, untrained."""
        self.register_buffer(name, torch.from_numpy(vectors.astype(np.float32)), persistent=False)


class TableSettings(Strict):
    """Of a trained table."""

    spread: float = Field(ge=0, description="standard deviation of the normal distribution that it begins from")


def trained(rows: int, d: int, spread: float) -> nn.Parameter:
    """A trainable table [rows, d] of normal numbers."""
    return nn.Parameter(spread * torch.randn(rows, d))


def with_padding(vectors: Tensor) -> Tensor:
    """A row of zeros before vectors [n_items, d]: [n_items + 1, d]."""
    return F.pad(vectors, (0, 0, 1, 0))


def whitened(text: np.ndarray, d: int | None = None) -> np.ndarray:
    """Text vectors [n_items, T] whitened by their own statistics, the d strongest directions or all: [n_items, d]."""
    return whitening.fitted(text, d)(text)


def names() -> list[str]:
    """Names of all kinds of item vectors: the modules of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def get(name: str) -> type[ItemEmbedding]:
    """The class of a method; raises UserError with the nearest name."""
    if name not in names():
        raise unknown("method", name, names())
    # imported by name at run time, so that a new file needs no line here
    return importlib.import_module(f"{__name__}.{name}").Items
