"""UniSRec (Hou et al., KDD 2022), its adapter: a gated mixture of linear maps of text."""

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from lib.core.settings import Strict
from lib.models.linear import linear
from lib.models.sequential.items import TEXT_SCALE, ItemEmbedding, with_padding


class UniSRecSettings(Strict):
    """Of the mixture."""

    experts: int = Field(ge=1, description="linear maps")
    text_dropout: float = Field(ge=0, lt=1, description="of what the maps read")


class Items(ItemEmbedding):
    """sum_k g_k(text) W_k (text - b_k), with gates g = softmax(A text + noise * softplus(B text)).

    The noise is drawn from N(0, 1) while training, and absent otherwise.
    """

    Settings = UniSRecSettings
    adapts_text = True

    def build(self, n_items, d, text):
        """The frozen text [n_items, T], the maps and the gates."""
        width, experts = text.shape[1], self.settings.experts
        self.freeze("text", TEXT_SCALE * text)
        self.maps = nn.Parameter(0.02 * torch.randn(experts * d, width))
        self.shift = nn.Parameter(torch.zeros(experts, width))
        self.gate, self.noise = (nn.Parameter(torch.zeros(experts, width)) for _ in range(2))

    def gates(self):
        """How much of each map an item has [n_items, experts]; a row sums to 1."""
        logits = linear(self.text, self.gate)
        if self.training:
            logits = logits + torch.randn_like(logits) * F.softplus(linear(self.text, self.noise))
        return logits.softmax(1)

    def table(self):
        """The mixture below a row of zeros."""
        experts, text = self.settings.experts, F.dropout(self.text, self.settings.text_dropout, self.training)
        maps = self.maps.view(experts, -1, text.shape[1])
        constant = torch.einsum("kdt,kt->kd", maps, self.shift)  # W_k b_k, of all items alike
        mapped = linear(text, self.maps).view(len(text), experts, -1) - constant
        return with_padding(torch.einsum("nk,nkd->nd", self.gates(), mapped))
