"""LLM-ESR's two views of every item: a trained table that begins as principal components of text, and adapted text.

Its model is lib/models/sequential/llm_esr.py.
"""

import numpy as np
import torch
from pydantic import Field
from torch import nn

from lib.core.errors import UserError
from lib.core.settings import Strict
from lib.models.linear import linear
from lib.models.sequential.items import ItemEmbedding, with_padding


class LlmEsrSettings(Strict):
    """Settings of LLM-ESR; the defaults are the public code's."""

    view_heads: int = Field(2, ge=1, description="heads of the attention across views; must divide the width of a view")
    view_dropout: float = Field(0.5, ge=0, lt=1, description="of what the attention across views reads")
    distillation_weight: float = Field(0.1, ge=0, description="alpha, of the distance to the teacher")
    neighbours: int = Field(10, ge=1, description="users with the nearest text vectors, whose mean is the teacher")


class Items(ItemEmbedding):
    """Both views side by side, each of width d / 2; text itself stays as it is."""

    Settings = LlmEsrSettings
    backbones = ("sasrec",)
    recommender = "llm_esr"

    def build(self, n_items, d, text):
        """The trained view [n_items, d / 2], the frozen text [n_items, T] and its adapter."""
        if d % 2:
            raise UserError(f"llm_esr: two views of the same width need an even d, not {d}")
        self.freeze("text", text)
        self.ids = nn.Parameter(torch.from_numpy(principal_components(text, d // 2)))
        width = text.shape[1]
        # no activation between them, as in the public code
        self.adapter = nn.Sequential(nn.Linear(width, width // 2), nn.Linear(width // 2, d // 2))

    def table(self):
        """The learned view and that of text below a row of zeros."""
        first, second = self.adapter
        # two linear layers in a row are one: a sixth of the work for all items
        bias = second.weight @ first.bias + second.bias
        return with_padding(torch.cat([self.ids, linear(self.text, second.weight @ first.weight, bias)], 1))


def principal_components(vectors: np.ndarray, size: int) -> np.ndarray:
    """The first principal components [n, size] float32 of vectors [n, T], not whitened.

    Raises UserError where there are not so many.
    """
    from sklearn.decomposition import PCA  # takes a second to import

    if size > min(vectors.shape):
        raise UserError(
            f"{vectors.shape[0]} text vectors of {vectors.shape[1]} numbers have no {size} principal components: "
            "lower size"
        )
    return PCA(size, svd_solver="covariance_eigh").fit_transform(vectors.astype(np.float64)).astype(np.float32)
