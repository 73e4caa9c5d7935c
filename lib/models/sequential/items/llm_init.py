"""LLMInit, as in the comparison of AlphaFuse: a trained table that begins as whitened text."""

import torch
from torch import nn

from lib.models.sequential.items import ItemEmbedding, whitened, with_padding


class Items(ItemEmbedding):
    """E, which is white(text)[:, :d] at first."""

    def build(self, n_items, d, text):
        """The table [n_items, d]."""
        self.weight = nn.Parameter(torch.from_numpy(whitened(text, d)))

    def table(self):
        """The table below a row of zeros."""
        return with_padding(self.weight)
