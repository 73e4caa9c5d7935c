"""AutoCF: Xia et al., WWW 2023, arXiv 2303.07797, as trained in RLMRec (spec rlmrec 4.6).

At steps 0, 10, 20, ... of each epoch two graphs are drawn anew. Seeds are the nodes most like their neighbourhood (plus
Gumbel noise). The encoder graph is A without the entries around the seeds, the decoder graph is what is left of it with
self-loops and random pairs of masked nodes.
E[l+1] = A' E[l] on the encoder graph, T = attention over the decoder graph's entries; Z = E[0] + ... + E[L] + T.
loss = mean over pairs of -log softmax of z_u . z_i over all items
       + c * [ mean_u log sum_u' exp(z_u . z_u') + mean_i log sum_i' exp(z_i . z_i') ] + infomax on the drawing steps.
Scoring uses A for both, so its attention never sees the self-loops and pairs of training (Q12).
"""

from functools import partial

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from lib.backbones import BackboneSettings, GraphBackbone, xavier
from lib.files import UserError
from lib.losses import log_partition


class Settings(BackboneSettings):
    """AutoCF's yaml keys."""

    ssl_weight: float = Field(ge=0, description="weight c of the uniformity among users and among items")
    transformer_layers: int = Field(ge=1, description="attention layers after the propagation layers")
    heads: int = Field(ge=1, description="attention heads; they divide the embedding size")
    seeds: int = Field(ge=1, description="nodes around which entries are masked")
    mask_depth: int = Field(ge=1, description="hops around the seeds that lose their entries")
    extra_masked: float = Field(ge=0, le=1, description="further draws of masked nodes, as a share of all nodes")
    refresh_every: int = Field(ge=1, description="steps for which graphs are kept, counted in each epoch (Q10)")
    assume_self_loops: bool = Field(True, description="score seeds as if A had self-loops, which it has not (Q10)")


class Attention(nn.Module):
    """One graph-transformer layer without residual, output projection or norm."""

    def __init__(self, size, heads, generator):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (xavier(size, size, generator) for _ in range(3))

    def forward(self, graph, x):
        """[n_nodes, d] -> [n_nodes, d]: each row's softmax over its entries, logits unscaled and within +-10."""
        heads = zip(*((x @ w).chunk(self.heads, dim=1) for w in (self.query, self.key, self.value)), strict=True)
        return torch.cat([graph.weighted_mean(graph.dots(q, k).clamp(-10, 10).exp(), v) for q, k, v in heads], dim=1)


class Backbone(GraphBackbone):
    """Masked graph autoencoder: the graphs kept between steps start anew with every epoch."""

    Settings = Settings
    capturable = False  # the graphs that it draws have as many entries as chance gives them

    def __init__(self, graph, settings, ego_size, generator):
        super().__init__(graph, settings, ego_size, generator)
        if ego_size % settings.heads:
            raise UserError(f"autocf: {settings.heads} heads do not divide the embedding size {ego_size}: change heads")
        layers = (Attention(ego_size, settings.heads, generator) for _ in range(settings.transformer_layers))
        self.attention = nn.ModuleList(layers)
        self.encoder = self.decoder = graph

    def forward(self, ego, encoder=None, decoder=None):
        layers = [ego]
        for _ in range(self.settings.layers):
            layers.append((encoder or self.graph).propagate(layers[-1]))
        for attention in self.attention:
            layers.append(attention(decoder or self.graph, layers[-1]))
        return sum(layers)

    def losses(self, ego, batch):
        terms = {}
        if batch.step % self.settings.refresh_every == 0:
            scores = self.seed_scores(batch.generator)
            self.encoder, self.decoder = self.draw_graphs(scores.detach(), batch.generator)
            terms["infomax"] = -scores.mean()
        final = self(ego, self.encoder, self.decoder)
        return final, terms | self._terms(*final.split([self.graph.n_users, self.graph.n_items]), batch)

    def _terms(self, users, items, batch):
        matched = (users.index_select(0, batch.users) * items.index_select(0, batch.positives)).sum(1).mean()
        unique, counts = batch.users.unique(return_counts=True)
        some_users, some_items = users.index_select(0, unique), items.index_select(0, batch.positives.unique())
        partition = log_partition(some_users, items, counts / len(batch.users))
        uniformity = sum(log_partition(x, y, _mean(x)) for x, y in ((some_users, users), (some_items, items)))
        return {"reconstruction": partition - matched, "ssl": self.settings.ssl_weight * uniformity}

    def seed_scores(self, generator):
        """Log agreement of each node's (never masked) ego row with its neighbourhood, plus Gumbel noise: [n_nodes]."""
        ego, neighbours, loop = self.ego, self.graph.sum_neighbours, float(self.settings.assume_self_loops)
        degree = neighbours(torch.ones_like(ego[:, :1]))
        first = neighbours(ego) - loop * ego
        second = neighbours(first) - loop * first - degree * ego
        count = degree + (neighbours(degree) - loop * degree) - degree + 1e-8
        uniform = torch.rand(len(ego), generator=generator, device=ego.device)
        gumbel = -(-uniform.where(uniform > 0, 1e-8).log()).log()
        return F.logsigmoid(F.cosine_similarity((first + second) / count, ego)) + gumbel

    def draw_graphs(self, scores, generator):
        """The encoder and the decoder graph around the best-scored nodes."""
        graph, n = self.graph, self.graph.n_nodes
        draw = partial(torch.randint, generator=generator, device=scores.device)
        left, hidden = mask_around(graph, scores.topk(min(self.settings.seeds, n)).indices, self.settings.mask_depth)
        hidden[draw(n, (int(self.settings.extra_masked * n),))] = True
        masked, every = hidden.nonzero().ravel(), torch.arange(n, device=scores.device)
        one, other = masked[draw(len(masked), (2, len(graph.rows)))]  # as many pairs as A has entries
        rows, columns = graph.rows[left], graph.columns[left]
        ends = torch.cat([one, other, every, rows]), torch.cat([other, one, every, columns])
        return graph.with_entries(rows, columns), graph.with_entries(*ends)


def _mean(x):
    """Weights with which a sum over rows is their mean."""
    return x.new_full((len(x),), 1 / len(x))


def mask_around(graph, seeds, depth):
    """Remove all entries at the seeds, then all at the ends of those, ...: entries left, nodes reached (both bool)."""
    left = torch.ones_like(graph.rows, dtype=torch.bool)
    hidden = reached = left.new_zeros(graph.n_nodes).index_fill(0, seeds, True)
    for _ in range(depth):
        removed = left & (reached[graph.rows] | reached[graph.columns])
        left, hidden = left & ~removed, hidden | reached
        reached = torch.zeros_like(reached).index_fill(0, graph.rows[removed].long(), True)
    return left, hidden
