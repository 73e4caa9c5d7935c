"""SimGCL: Yu et al., SIGIR 2022, arXiv 2112.08679, as trained in RLMRec (spec rlmrec 4.4).

Encoder as in LightGCN: E[l+1] = A E[l]; Z = E[0] + ... + E[L]. Two perturbed views V1 and V2 on the same whole graph:
E[l+1] = A E[l] + e * sign(A E[l]) * n, with n a random non-negative row of length 1; the ego table is not perturbed but
is part of the sum, unlike in the original, which averages layers 1..L.
loss = BPR(Z) + c/B * [ NCE(V1[u], V2[u] | V2 of all users) + NCE(V1[i], V2[i] | V2 of all items) ].
"""

import torch
import torch.nn.functional as F
from pydantic import Field

from lib.backbones import BackboneSettings, GraphBackbone, layer_sum
from lib.losses import bpr


class Settings(BackboneSettings):
    """SimGCL's yaml keys."""

    noise: float = Field(ge=0, description="length e of the noise added to each row and layer")
    ssl_weight: float = Field(ge=0, description="weight c of the contrast between the views")
    ssl_temperature: float = Field(gt=0, description="temperature of that contrast")
    ssl_negatives: bool = Field(False, description="also contrast the sampled negative items, as SGL does")


class Backbone(GraphBackbone):
    """BPR on the clean vectors, contrast between two views with noise in every layer."""

    Settings = Settings

    def forward(self, ego):
        return layer_sum(ego, self.graph.propagate, self.settings.layers)

    def losses(self, ego, batch):
        settings, final = self.settings, self(ego)
        views = [layer_sum(ego, lambda x: self.perturbed(x, batch.generator), settings.layers) for _ in range(2)]
        ssl = self.contrast(*views, batch, settings.ssl_temperature, settings.ssl_negatives)
        return final, {"bpr": bpr(*self.triples(final, batch)), "ssl": settings.ssl_weight * ssl}

    def perturbed(self, x, generator):
        """One layer [n_nodes, d] with noise; the noisy table is what the next layer propagates."""
        x = self.graph.propagate(x)
        noise = F.normalize(torch.rand(x.shape, generator=generator, device=x.device), dim=1)
        return x + self.settings.noise * x.sign() * noise
