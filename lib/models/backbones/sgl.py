"""SGL with edge dropout: Wu et al., SIGIR 2021, arXiv 2010.10783, as trained in RLMRec (docs/methods/rlmrec.md 4.3).

    E[l+1] = A E[l]             A the symmetrically normalised adjacency, as in LightGCN
    Z      = E[0] + ... + E[L]
    V1, V2 = the same on two graphs from which different entries are dropped
    loss   = BPR(Z) + c/B * [ NCE(V1[u], V2[u] | V2 of all users) + NCE(V1[i], V2[i] | V2 of all items) ]

with u the batch's users and i its items, by default the negative ones as well.
"""

from pydantic import Field

from lib.models.backbones import BackboneSettings, GraphBackbone, layer_sum
from lib.models.losses import bpr


class Settings(BackboneSettings):
    """SGL's yaml keys."""

    keep_rate: float = Field(
        gt=0, le=1, description="share of adjacency entries kept in each of the two views (docs/methods/rlmrec.md Q7)"
    )
    ssl_weight: float = Field(ge=0, description="weight c of the contrast between the views")
    ssl_temperature: float = Field(gt=0, description="temperature of that contrast")
    ssl_negatives: bool = Field(
        True, description="also contrast the sampled negative items (docs/methods/rlmrec.md 4.3)"
    )


class Backbone(GraphBackbone):
    """BPR on the whole graph, contrast between two edge-dropped views."""

    Settings = Settings

    def forward(self, ego, graph=None):
        return layer_sum(ego, (graph or self.graph).propagate, self.settings.layers)

    def losses(self, ego, batch):
        settings = self.settings
        final = self(ego)
        # each view draws one graph for all its layers; BPR reads the vectors of the whole graph
        first = self(ego, self.graph.drop_edges(settings.keep_rate, batch.generator))
        second = self(ego, self.graph.drop_edges(settings.keep_rate, batch.generator))
        ssl = self.contrast(first, second, batch, settings.ssl_temperature, settings.ssl_negatives)
        return final, {"bpr": bpr(*self.triples(final, batch)), "ssl": settings.ssl_weight * ssl}
