"""KAR: text as an input of the backbone instead of a target (Xi et al., RecSys 2024, arXiv 2306.10933).

Experts a_k, each a perceptron, and a gate G turn a node's text s into one vector, which stands beside its ego row e in
all layers:

    x = [ e ; sum_k softmax(G s)_k a_k(s) ]

RLMRec compares with KAR without giving code. That the vector is put beside the model's input is its authors' answer to
a question (docs/methods/rlmrec.md 12); experts and gate are KAR's own. It works with backbones that have no tensor of
the ego table's width, such as LightGCN.
"""

import torch
from pydantic import Field
from torch import nn

from lib.models import alignment
from lib.models.linear import Linear


class Settings(alignment.Settings):
    """KAR's yaml keys."""

    experts: int = Field(ge=1, le=1000, description="perceptrons between which the gate chooses")


class Alignment(alignment.Alignment):
    """The backbone propagates ego rows and adapted text side by side; no loss term of its own."""

    Settings = Settings

    def __init__(self, settings, text, n_users, ego_size, output_size, generator):
        super().__init__(settings, text, n_users, ego_size, output_size, generator)
        # moves to the device with the model, but is no weight and stays out of checkpoints
        self.register_buffer("text", text, persistent=False)
        inputs, count = text.shape[1], settings.experts
        self.experts = nn.ModuleList(alignment.perceptron(inputs, ego_size, generator) for _ in range(count))
        self.gate = nn.init.xavier_uniform_(Linear(inputs, count).weight, generator=generator)  # [experts, T]

    def inputs(self, ego):
        shares = (self.text @ self.gate.T).softmax(1)  # [n_nodes, experts]
        # unlike RLMRec, KAR needs the text for scoring too, since the adapted vectors are part of the final ones
        adapted = 0
        for share, expert in zip(shares.unbind(1), self.experts, strict=True):
            adapted = adapted + share[:, None] * expert(self.text)
        return torch.cat([ego, adapted], dim=1)
