"""DCCF: Ren et al., SIGIR 2023, arXiv 2305.02759, as trained in RLMRec (spec rlmrec 4.5).

In each layer, from its input E:
g = A E                                       the neighbourhood, A symmetrically normalised
t = softmax(E C) C^T                          the intents, with one table C for users and one for items
a, b = sum_q w(p, q) E[q] / sum_q w(p, q)     means over neighbours, w = (cosine + 1) / 2 of the rows of g, of t
E[l+1] = E + g + t + a + b; Z = E[0] + ... + E[L].
loss = BPR(Z) + c * sum over layers of 1/|u| * sum_{y = t, a, b} [ NCE(g[u], y[u] | y[u]) + NCE(g[i], y[i] | y[i]) ]
with u and i the different users and positive items of the batch, which are also the only candidates.
"""

import torch
import torch.nn.functional as F
from pydantic import Field

from lib.backbones import BackboneSettings, GraphBackbone, xavier
from lib.losses import bpr, info_nce


class Settings(BackboneSettings):
    """DCCF's yaml keys."""

    intents: int = Field(ge=1, description="latent intents of users, and as many of items")
    ssl_weight: float = Field(ge=0, description="weight c of the contrast between the views")
    ssl_temperature: float = Field(gt=0, description="temperature of that contrast")
    ssl_negatives: bool = Field(False, description="also contrast the sampled negative items (Q8)")
    ssl_per_user: bool = Field(True, description="divide the item terms by the number of users, not of items (Q8)")


class Backbone(GraphBackbone):
    """Disentangled intents and adaptive neighbourhood masks, contrasted in each layer."""

    Settings = Settings

    def __init__(self, graph, settings, ego_size, generator):
        super().__init__(graph, settings, ego_size, generator)
        self.user_intents, self.item_intents = (xavier(ego_size, settings.intents, generator) for _ in range(2))

    def forward(self, ego):
        return self._layers(ego)[0]

    def losses(self, ego, batch):
        final, views = self._layers(ego)
        ssl = self.settings.ssl_weight * self._contrast(views, batch)
        return final, {"bpr": bpr(*self.triples(final, batch)), "ssl": ssl}

    def _layers(self, ego):
        """Final vectors, and the views g, t, a, b of each layer, all [n_nodes, d]."""
        final = layer = ego
        views = []
        for _ in range(self.settings.layers):
            g, t = self.graph.propagate(layer), self._intents(layer)
            a, b = (self.graph.weighted_mean(self._agreement(x), layer) for x in (g, t))
            views.append((g, t, a, b))
            layer = layer + g + t + a + b
            final = final + layer
        return final, views

    def _intents(self, x):
        users, items = x.split([self.graph.n_users, self.graph.n_items])
        pairs = ((users, self.user_intents), (items, self.item_intents))
        return torch.cat([(rows @ intents).softmax(1) @ intents.T for rows, intents in pairs])

    def _agreement(self, x):
        """(cosine + 1) / 2 of the two ends of every entry: [n_entries]."""
        x = F.normalize(x)
        return (self.graph.dots(x, x) + 1) / 2

    def _contrast(self, views, batch):
        settings = self.settings
        items = torch.cat([batch.positives, batch.negatives]) if settings.ssl_negatives else batch.positives
        users, some_users, n_users = _once(batch.users, batch)
        items, some_items, n_items = _once(items, batch)
        sides = (
            (users, some_users, n_users),
            (self.graph.n_users + items, some_items, n_users if settings.ssl_per_user else n_items),
        )
        return sum(
            info_nce(*(x.index_select(0, nodes) for x in (g, y, y)), settings.ssl_temperature, some, some) / divisor
            for g, *others in views
            for y in others
            for nodes, some, divisor in sides
        )


def _once(indices, batch):
    """The different indices [m], 1 for each and 0 where a fixed batch is filled up (else None: all), their number."""
    values, _, counts = batch.distinct(indices)
    some = counts.clamp(max=1)
    return (values, some, some.sum()) if batch.fixed else (values, None, len(values))
