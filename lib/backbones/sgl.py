"""SGL with edge dropout: Wu et al., SIGIR 2021, arXiv 2010.10783, as trained in RLMRec (spec rlmrec 4.3).

Encoder as in LightGCN: E[l+1] = A E[l]; Z = E[0] + ... + E[L]. Three forwards in each step: V1 and V2, each on an
edge-dropped graph of its own, and Z on the whole graph.
loss = BPR(Z) + c/B * [ NCE(V1[u], V2[u] | V2 of all users) + NCE(V1[i], V2[i] | V2 of all items) ].
"""

from pydantic import Field

from lib.backbones import BackboneSettings, GraphBackbone, layer_sum
from lib.losses import bpr


class Settings(BackboneSettings):
    """SGL's yaml keys."""

    keep_rate: float = Field(gt=0, le=1, description="share of adjacency entries kept in each of the two views (Q7)")
    ssl_weight: float = Field(ge=0, description="weight c of the contrast between the views")
    ssl_temperature: float = Field(gt=0, description="temperature of that contrast")
    ssl_negatives: bool = Field(True, description="also contrast the sampled negative items (spec rlmrec 4.3)")


class Backbone(GraphBackbone):
    """BPR on the whole graph, contrast between two edge-dropped views."""

    Settings = Settings

    def forward(self, ego, graph=None):
        return layer_sum(ego, (graph or self.graph).propagate, self.settings.layers)

    def losses(self, ego, batch):
        settings, final = self.settings, self(ego)
        views = [self(ego, self.graph.drop_edges(settings.keep_rate, batch.generator)) for _ in range(2)]
        ssl = self.contrast(*views, batch, settings.ssl_temperature, settings.ssl_negatives)
        return final, {"bpr": bpr(*self.triples(final, batch)), "ssl": settings.ssl_weight * ssl}
