"""KAR: text as an input of the backbone instead of a target (Xi et al., RecSys 2024, arXiv 2306.10933).

Experts a_k, each a perceptron, and a gate turn a node's text s into one vector; it stands beside the ego row in all
layers: x = [e ; sum_k softmax(G s)_k a_k(s)]. The paper compares with KAR without giving code; concatenation as the
model's input is its authors' answer to a question (spec rlmrec 12), experts and gate are KAR's own. For backbones
without tensors of the ego table's width, such as LightGCN.
"""

import torch
from pydantic import Field
from torch import nn

from lib import alignment
from lib.dense import Linear


class Settings(alignment.Settings):
    """KAR's yaml keys."""

    experts: int = Field(ge=1, description="perceptrons between which the gate chooses")


class Alignment(alignment.Alignment):
    """The backbone propagates ego rows and adapted text side by side; no loss term of its own."""

    Settings = Settings

    def __init__(self, settings, text, n_users, ego_size, output_size, generator):
        super().__init__(settings, text, n_users, ego_size, output_size, generator)
        self.register_buffer("text", text, persistent=False)
        inputs, count = text.shape[1], settings.experts
        self.experts = nn.ModuleList(alignment.perceptron(inputs, ego_size, generator) for _ in range(count))
        self.gate = nn.init.xavier_uniform_(Linear(inputs, count).weight, generator=generator)

    def inputs(self, ego):
        shares = (self.text @ self.gate.T).softmax(1)  # [n_nodes, experts]
        adapted = sum(
            share * expert(self.text) for share, expert in zip(shares.T[..., None], self.experts, strict=True)
        )
        return torch.cat([ego, adapted], dim=1)
