"""LightGCN: He et al., SIGIR 2020, arXiv 2002.02126, as trained in RLMRec (spec rlmrec 4.2).

E[l+1] = A E[l] with A the symmetrically normalised adjacency; Z = E[0] + ... + E[L].
"""

from pydantic import Field

from lib.backbones import BackboneSettings, GraphBackbone, layer_sum
from lib.losses import bpr


class Settings(BackboneSettings):
    """LightGCN's yaml keys."""

    keep_rate: float = Field(gt=0, le=1, description="share of adjacency entries kept in each training step (Q7)")


class Backbone(GraphBackbone):
    """Sum of the propagated tables; BPR on an edge-dropped graph."""

    Settings = Settings

    def forward(self, ego, graph=None):
        return layer_sum(ego, (graph or self.graph).propagate, self.settings.layers)

    def losses(self, ego, batch):
        dropped = self.graph.drop_edges(self.settings.keep_rate, batch.generator)  # one draw for all layers
        final = self(ego, dropped)
        return final, {"bpr": bpr(*self.triples(final, batch))}
