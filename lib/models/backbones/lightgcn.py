"""LightGCN: He et al., SIGIR 2020, arXiv 2002.02126, as trained in RLMRec (docs/methods/rlmrec.md 4.2).

    E[l+1] = A E[l]             A the symmetrically normalised adjacency; a training step drops some of its entries
    Z      = E[0] + ... + E[L]
    loss   = BPR(Z)

The original averages the layers, RLMRec sums them (docs/methods/rlmrec.md Q6).
"""

from pydantic import Field

from lib.models.backbones import BackboneSettings, GraphBackbone, layer_sum
from lib.models.losses import bpr


class Settings(BackboneSettings):
    """LightGCN's yaml keys."""

    keep_rate: float = Field(
        gt=0, le=1, description="share of adjacency entries kept in each training step (docs/methods/rlmrec.md Q7)"
    )


class Backbone(GraphBackbone):
    """Sum of the propagated tables; BPR on an edge-dropped graph."""

    Settings = Settings

    def forward(self, ego, graph=None):
        return layer_sum(ego, (graph or self.graph).propagate, self.settings.layers)

    def losses(self, ego, batch):
        # one draw for all layers of the step; scoring sees the whole graph
        dropped = self.graph.drop_edges(self.settings.keep_rate, batch.generator)
        final = self(ego, dropped)
        return final, {"bpr": bpr(*self.triples(final, batch))}
