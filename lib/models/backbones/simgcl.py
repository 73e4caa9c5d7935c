"""SimGCL: Yu et al., SIGIR 2022, arXiv 2112.08679, as trained in RLMRec (docs/methods/rlmrec.md 4.4).

    E[l+1] = A E[l]             A the symmetrically normalised adjacency, as in LightGCN
    Z      = E[0] + ... + E[L]
    V1, V2 = the same with noise in every layer, E[l+1] = A E[l] + e * sign(A E[l]) * n,
             where n are rows of random non-negative numbers, each row of length 1
    loss   = BPR(Z) + c/B * [ NCE(V1[u], V2[u] | V2 of all users) + NCE(V1[i], V2[i] | V2 of all items) ]

with u the batch's users and i its positive items. The ego table E[0] gets no noise, but is part of the sum; the
original averages layers 1 .. L instead.
"""

import torch
import torch.nn.functional as F
from pydantic import Field

from lib.models.backbones import BackboneSettings, GraphBackbone, layer_sum
from lib.models.losses import bpr


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
        settings = self.settings
        final = self(ego)
        # BPR reads the clean vectors; only the contrast sees noise, which each view draws for itself
        first, second = self.noisy_view(ego, batch.generator), self.noisy_view(ego, batch.generator)
        ssl = self.contrast(first, second, batch, settings.ssl_temperature, settings.ssl_negatives)
        return final, {"bpr": bpr(*self.triples(final, batch)), "ssl": settings.ssl_weight * ssl}

    def noisy_view(self, ego, generator):
        """Final vectors [n_nodes, d] with noise in every layer; a noisy table is what the next layer propagates."""

        def step(x):
            x = self.graph.propagate(x)
            # torch.rand is not negative, so that the sign of x decides where the noise points
            noise = F.normalize(torch.rand(x.shape, generator=generator, device=x.device), dim=1)
            return x + self.settings.noise * x.sign() * noise  # away from 0: no value changes its sign

        return layer_sum(ego, step, self.settings.layers)
