"""DCCF: Ren et al., SIGIR 2023, arXiv 2305.02759, as trained in RLMRec (docs/methods/rlmrec.md 4.5).

Each layer makes four views of its input E, all [n_nodes, d]:

    g      = A E                                    the neighbourhood, A symmetrically normalised
    t      = softmax(E C) C^T                       the intents, with one table C for users and one for items
    a[p]   = sum_q w(p, q) E[q] / sum_q w(p, q)     a mean over the neighbours q of p, where w(p, q) is
                                                    (cosine + 1) / 2 of g[p] and g[q]
    b[p]                                            the same with t in place of g
    E[l+1] = E + g + t + a + b
    Z      = E[0] + ... + E[L]

The loss contrasts the neighbourhood with the three other views of the same node, layer by layer:

    loss   = BPR(Z) + c * sum over layers and y = t, a, b of 1/|u| * [ NCE(g[u], y[u] | y[u]) + NCE(g[i], y[i] | y[i]) ]

with u and i the different users and positive items of the batch, which are also the only candidates. The item terms are
divided by the number of users too (docs/methods/rlmrec.md Q8).
"""

import torch
import torch.nn.functional as F
from pydantic import Field

from lib.models.backbones import BackboneSettings, GraphBackbone, xavier
from lib.models.losses import bpr, info_nce


class Settings(BackboneSettings):
    """DCCF's yaml keys."""

    intents: int = Field(ge=1, le=100_000, description="latent intents of users, and as many of items")
    ssl_weight: float = Field(ge=0, description="weight c of the contrast between the views")
    ssl_temperature: float = Field(gt=0, description="temperature of that contrast")
    ssl_negatives: bool = Field(
        False, description="also contrast the sampled negative items (docs/methods/rlmrec.md Q8)"
    )
    ssl_per_user: bool = Field(
        True, description="divide the item terms by the number of users, not of items (docs/methods/rlmrec.md Q8)"
    )


class Backbone(GraphBackbone):
    """Disentangled intents and adaptive neighbourhood masks, contrasted in each layer."""

    Settings = Settings

    def __init__(self, graph, settings, ego_size, generator):
        super().__init__(graph, settings, ego_size, generator)
        self.user_intents, self.item_intents = (xavier(ego_size, settings.intents, generator) for _ in range(2))

    def forward(self, ego):
        final, _ = self._layers(ego)
        return final

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
            # g and t decide how much each neighbour counts; what is averaged is the layer's input
            a = self.graph.weighted_mean(self._agreement(g), layer)
            b = self.graph.weighted_mean(self._agreement(t), layer)
            views.append((g, t, a, b))
            layer = layer + g + t + a + b
            final = final + layer
        return final, views

    def _intents(self, x):
        """Each row as a mixture of intents, weighted by how much it is like them: [n_nodes, d] -> [n_nodes, d]."""
        users, items = x.split([self.graph.n_users, self.graph.n_items])
        of_users = (users @ self.user_intents).softmax(1) @ self.user_intents.T
        of_items = (items @ self.item_intents).softmax(1) @ self.item_intents.T
        return torch.cat([of_users, of_items])

    def _agreement(self, x):
        """(cosine + 1) / 2 of the two ends of every entry: [n_nodes, d] -> [n_entries]."""
        # of unit rows the dot product is the cosine; shifted to [0, 1] it is a weight
        x = F.normalize(x)
        return (self.graph.dots(x, x) + 1) / 2

    def _contrast(self, views, batch):
        """The sum over layers of g against each other view, for users and for items, []."""
        settings = self.settings
        items = torch.cat([batch.positives, batch.negatives]) if settings.ssl_negatives else batch.positives
        users, once_users, n_users = _once(batch.users, batch)
        items, once_items, n_items = _once(items, batch)
        item_nodes = self.graph.n_users + items
        # (nodes, their counts, what to divide by) of the two sides; the public code divides both by the number of users
        sides = [(users, once_users, n_users), (item_nodes, once_items, n_users if settings.ssl_per_user else n_items)]
        total = 0
        for g, t, a, b in views:
            for y in (t, a, b):
                for nodes, once, divisor in sides:
                    anchors = g.index_select(0, nodes)
                    # selected twice: one tensor in both roles would add up its gradients in another order, round
                    # otherwise, and no recorded run would repeat bit for bit
                    positives, candidates = y.index_select(0, nodes), y.index_select(0, nodes)
                    nce = info_nce(anchors, positives, candidates, settings.ssl_temperature, once, once)
                    total = total + nce / divisor
        return total


def _once(indices, batch):
    """The different indices [m], their counts for InfoNCE, and how many there are; each counts once, however often it
    occurs.

    In a fixed batch the rows that only fill up count 0. Elsewhere there are none, and the counts are None.
    """
    values, _, counts = batch.distinct(indices)
    if not batch.fixed:
        return values, None, len(values)
    once = counts.clamp(max=1)
    return values, once, once.sum()
