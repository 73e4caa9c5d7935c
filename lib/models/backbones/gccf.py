"""GCCF (LR-GCCF): Chen et al., AAAI 2020, arXiv 2001.10167, as trained in RLMRec (docs/methods/rlmrec.md 4.1).

    E[l+1] = A E[l]                 A the symmetrically normalised adjacency; no weights, no activation
    Z      = [ E[0] | ... | E[L] ]  side by side, so Z is L + 1 times as wide as E[0]
    loss   = BPR(Z)

RLMRec's base has self-loops in A, its aligned variants have not (docs/methods/rlmrec.md Q1): the yaml key `self_loops`.
The public code also regularises layer weights that nothing reads; they influence no other value and are left out.
"""

import torch

from lib.models.backbones import GraphBackbone
from lib.models.losses import bpr


class Backbone(GraphBackbone):
    """Concatenation of the propagated tables; BPR on the whole graph."""

    @property
    def output_size(self):
        return self.ego.shape[1] * (self.settings.layers + 1)

    def forward(self, ego):
        layers = [ego]
        for _ in range(self.settings.layers):
            layers.append(self.graph.propagate(layers[-1]))
        return torch.cat(layers, dim=1)

    def losses(self, ego, batch):
        final = self(ego)  # nothing is dropped, so training and scoring see the same vectors
        return final, {"bpr": bpr(*self.triples(final, batch))}
