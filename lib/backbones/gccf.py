"""GCCF (LR-GCCF): Chen et al., AAAI 2020, arXiv 2001.10167, as trained in RLMRec (spec rlmrec 4.1).

E[l+1] = A E[l], no weights and no activation; Z = [E[0] | ... | E[L]]. RLMRec's base uses self-loops, its aligned
variants do not (Q1): the yaml key `self_loops`. The public code also regularises layer weights that nothing reads; they
influence no other value and are left out.
"""

import torch

from lib.backbones import GraphBackbone
from lib.losses import bpr


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
        final = self(ego)
        return final, {"bpr": bpr(*self.triples(final, batch))}
