"""AutoCF: Xia et al., WWW 2023, arXiv 2303.07797, as trained in RLMRec (docs/methods/rlmrec.md 4.6).

A masked autoencoder on the graph: it hides entries of the adjacency and learns vectors that give them back. At steps
0, 10, 20, ... of each epoch two graphs are drawn anew:

    seeds           the nodes most like their neighbourhood, plus Gumbel noise
    encoder graph   A without the entries around the seeds
    decoder graph   the encoder graph with self-loops and random pairs of masked nodes

Final vectors are the sum of all layers, the last of which attends over the decoder graph:

    E[l+1] = A' E[l]                      A' the symmetrically normalised encoder graph
    T      = attention(E[L])              over the entries of the decoder graph
    Z      = E[0] + ... + E[L] + T

    loss   = mean over the batch's pairs of -log softmax of z_u . z_i over all items
             + c * [ mean_u log sum_u' exp(z_u . z_u') + mean_i log sum_i' exp(z_i . z_i') ]     uniformity
             - mean over all nodes of the score by which seeds are chosen, on steps that draw    infomax

Scoring uses A in place of both graphs, so its attention never sees the self-loops and pairs that training sees
(docs/methods/rlmrec.md Q12).
"""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from lib.core.errors import UserError
from lib.models.backbones import BackboneSettings, GraphBackbone, xavier
from lib.models.log_partition import log_partition


class Settings(BackboneSettings):
    """AutoCF's yaml keys."""

    ssl_weight: float = Field(ge=0, description="weight c of the uniformity among users and among items")
    transformer_layers: int = Field(ge=1, le=100, description="attention layers after the propagation layers")
    heads: int = Field(ge=1, description="attention heads; they divide the embedding size")
    seeds: int = Field(ge=1, description="nodes around which entries are masked")
    mask_depth: int = Field(ge=1, le=100, description="hops around the seeds that lose their entries")
    extra_masked: float = Field(ge=0, le=1, description="further draws of masked nodes, as a share of all nodes")
    refresh_every: int = Field(
        ge=1, description="steps for which graphs are kept, counted in each epoch (docs/methods/rlmrec.md Q10)"
    )
    assume_self_loops: bool = Field(
        True, description="score seeds as if A had self-loops, which it has not (docs/methods/rlmrec.md Q10)"
    )


class Attention(nn.Module):
    """One graph-transformer layer without residual, output projection or norm."""

    def __init__(self, size, heads, generator):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (xavier(size, size, generator) for _ in range(3))

    def forward(self, graph, x):
        """Each node's softmax over its entries, by heads side by side: [n_nodes, d] -> [n_nodes, d].

        The logits query[row] . key[column] are neither scaled nor shifted but held within +-10.
        """
        # of each head [n_nodes, d / heads]
        queries = (x @ self.query).chunk(self.heads, dim=1)
        keys = (x @ self.key).chunk(self.heads, dim=1)
        values = (x @ self.value).chunk(self.heads, dim=1)
        outputs = []
        for query, key, value in zip(queries, keys, values, strict=True):
            weights = graph.dots(query, key).clamp(-10, 10).exp()  # [n_entries], at most e^10
            # the division by the row's sum of weights completes the softmax
            outputs.append(graph.weighted_mean(weights, value))
        return torch.cat(outputs, dim=1)


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
        self.encoder = self.decoder = graph  # until the first step draws others

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
            # which nodes are chosen has no gradient; the scores learn through the infomax term
            self.encoder, self.decoder = self.draw_graphs(scores.detach(), batch.generator)
            terms["infomax"] = -scores.mean()
        final = self(ego, self.encoder, self.decoder)
        users, items = final.split([self.graph.n_users, self.graph.n_items])
        return final, terms | self._terms(users, items, batch)

    def _terms(self, users, items, batch):
        """Reconstruction and uniformity from final vectors [n_users, d] and [n_items, d], each []."""
        matched = (users.index_select(0, batch.users) * items.index_select(0, batch.positives)).sum(1).mean()
        unique, counts = batch.users.unique(return_counts=True)
        some_users, some_items = users.index_select(0, unique), items.index_select(0, batch.positives.unique())
        # the reconstruction is a mean over rows, so a user counts as often as it occurs; uniformity is one over nodes;
        # all dot products are raw, without unit rows or temperature
        partition = log_partition(some_users, items, counts / len(batch.users))
        among_users = log_partition(some_users, users, _mean_weights(some_users))
        among_items = log_partition(some_items, items, _mean_weights(some_items))
        return {"reconstruction": partition - matched, "ssl": self.settings.ssl_weight * (among_users + among_items)}

    def seed_scores(self, generator):
        """log sigmoid(cosine(q, e)) of each node's ego row e and its neighbourhood q, plus Gumbel noise: [n_nodes].

        The neighbourhood is the mean over nodes one and two hops away,
            f = A e - e,    s = (A f - f) - degree * e,    q = (f + s) / number of nodes.
        The public code subtracts e and f as if A had self-loops, which it has not (docs/methods/rlmrec.md Q10).
        It reads the ego table itself, never the one in which an alignment has masked rows.
        """
        ego, neighbours, loop = self.ego, self.graph.sum_neighbours, float(self.settings.assume_self_loops)
        degree = neighbours(torch.ones_like(ego[:, :1]))  # [n_nodes, 1]
        first = neighbours(ego) - loop * ego
        second = neighbours(first) - loop * first - degree * ego
        count = degree + (neighbours(degree) - loop * degree) - degree + 1e-8
        # with Gumbel noise on the logarithms, the best are a random draw in proportion to sigmoid(cosine)
        uniform = torch.rand(len(ego), generator=generator, device=ego.device)
        gumbel = -(-uniform.where(uniform > 0, 1e-8).log()).log()  # the logarithm of a draw of 0 is not finite
        return F.logsigmoid(F.cosine_similarity((first + second) / count, ego)) + gumbel

    def draw_graphs(self, scores, generator):
        """The encoder and the decoder graph around the nodes with the best scores [n_nodes]."""
        graph, n, device = self.graph, self.graph.n_nodes, scores.device
        seeds = scores.topk(min(self.settings.seeds, n)).indices
        left, hidden = mask_around(graph, seeds, self.settings.mask_depth)
        extra = torch.randint(n, (int(self.settings.extra_masked * n),), generator=generator, device=device)
        hidden[extra] = True
        masked = hidden.nonzero().ravel()
        # as many random pairs of masked nodes as A has entries; both directions of a pair become entries
        pairs = torch.randint(len(masked), (2, len(graph.rows)), generator=generator, device=device)
        one, other = masked[pairs]
        every = torch.arange(n, device=device)  # self-loops
        rows, columns = graph.rows[left], graph.columns[left]
        encoder = graph.with_entries(rows, columns)
        decoder = graph.with_entries(torch.cat([one, other, every, rows]), torch.cat([other, one, every, columns]))
        return encoder, decoder


def _mean_weights(x):
    """Weights [n] with which a sum over the rows of x [n, d] is their mean."""
    return x.new_full((len(x),), 1 / len(x))


def mask_around(graph, seeds, depth):
    """Which entries are left [n_entries] and which nodes are masked [n_nodes], both bool, around seed indices [k].

    In each of `depth` rounds all entries at the reached nodes are removed: first at the seeds, then at the ends of what
    was removed before. Nodes count as masked in the round in which their entries go.
    """
    left = torch.ones_like(graph.rows, dtype=torch.bool)
    hidden = reached = left.new_zeros(graph.n_nodes).index_fill(0, seeds, True)
    for _ in range(depth):
        removed = left & (reached[graph.rows] | reached[graph.columns])
        left, hidden = left & ~removed, hidden | reached
        # the adjacency is symmetric, so the rows of removed entries are all of their ends
        reached = torch.zeros_like(reached).index_fill(0, graph.rows[removed].long(), True)
    return left, hidden
