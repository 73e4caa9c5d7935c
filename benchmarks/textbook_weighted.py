"""The textbook's DCCF and AutoCF, whose entries have learnt weights.

Each entry gathers a row [d] from its ends, and `index_add` sums them up: torch.sparse.mm would take the gradient of a
COO tensor's values through a matrix of all pairs of nodes.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.textbook import BACKBONES, Model, info_nce, normalised


def xavier(rows, columns):
    """A trainable table [rows, columns]."""
    return nn.Parameter(nn.init.xavier_uniform_(torch.empty(rows, columns)))


def weighted_mean(entries, weights, x):
    """Mean of x [n_nodes, ..., d] over each row's entries, by weights [n_entries, ...]."""
    rows, columns = entries
    sums = weights.new_zeros(len(x), *weights.shape[1:]).index_add(0, rows, weights)
    shares = weights / (sums.index_select(0, rows) + 1e-8)
    return torch.zeros_like(x).index_add(0, rows, shares[..., None] * x.index_select(0, columns))


def distinct(entries, n_nodes):
    """The entries [2, n] without repeats."""
    ones = torch.ones(entries.shape[1], device=entries.device)
    return torch.sparse_coo_tensor(entries, ones, (n_nodes, n_nodes), check_invariants=False).coalesce().indices()


class DCCF(Model):
    """Intents and adaptive masks beside each propagation, contrasted with it in every layer."""

    def __init__(self, backbone, alignment, options, train, text, size=32, device="cpu"):
        super().__init__(backbone, alignment, options, train, text, size, device)
        self.user_intents, self.item_intents = (xavier(size, options["intents"]) for _ in range(2))
        self.to(device)

    def final(self):
        return self.layers(torch.cat([self.users, self.items]))[0]

    def layers(self, ego):
        """Final vectors, and the four views of every layer."""
        layers, views = [ego], []
        for _ in range(self.options["layers"]):
            x = layers[-1]
            near, intents = torch.sparse.mm(self.adjacency, x), self.intents(x)
            views.append((near, intents, self.masked(near, x), self.masked(intents, x)))
            layers.append(x + sum(views[-1]))
        return torch.stack(layers).sum(0), views

    def intents(self, x):
        """Each row as a mixture of its side's intents."""
        users, items = x.split([self.n_users, self.n_items])
        users = (users @ self.user_intents).softmax(1) @ self.user_intents.T
        return torch.cat([users, (items @ self.item_intents).softmax(1) @ self.item_intents.T])

    def masked(self, view, x):
        """Mean of x over neighbours, by how much a view's rows agree."""
        rows, columns = entries = self.adjacency.indices()
        view = F.normalize(view)
        cosine = (view.index_select(0, rows) * view.index_select(0, columns)).sum(1)
        return weighted_mean(entries, (cosine + 1) / 2, x)

    def backbone_terms(self, ego, batch):
        final, views = self.layers(ego)
        users, items = batch.users.unique(), self.n_users + batch.positives.unique()
        total = 0
        for near, *others in views:
            for view in others:
                for rows in (users, items):
                    total += info_nce(near[rows], view[rows], view[rows], self.options["ssl_temperature"])
        return final, {"bpr": self.bpr(final, batch), "ssl": self.options["ssl_weight"] / len(users) * total}


class Attention(nn.Module):
    """One layer of attention over entries."""

    def __init__(self, size, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (xavier(size, size) for _ in range(3))

    def forward(self, entries, x):
        rows, columns = entries
        query, key, value = ((x @ w).view(len(x), self.heads, -1) for w in (self.query, self.key, self.value))
        logits = (query.index_select(0, rows) * key.index_select(0, columns)).sum(-1)
        return weighted_mean(entries, logits.clamp(-10, 10).exp(), value).flatten(1)


class AutoCF(Model):
    """Propagation on a masked graph, attention on a completed one; both are drawn anew every few steps."""

    def __init__(self, backbone, alignment, options, train, text, size=32, device="cpu"):
        super().__init__(backbone, alignment, options, train, text, size, device)
        self.attention = nn.ModuleList(Attention(size, options["heads"]) for _ in range(options["transformer_layers"]))
        self.links = self.adjacency.sign()  # without degrees
        self.to(device)

    def final(self):
        return self.encode(torch.cat([self.users, self.items]), self.adjacency, self.adjacency.indices())

    def encode(self, ego, matrix, entries):
        """Final vectors: propagation by a matrix, then attention over entries, all layers summed."""
        layers = [ego]
        for _ in range(self.options["layers"]):
            layers.append(torch.sparse.mm(matrix, layers[-1]))
        for attention in self.attention:
            layers.append(attention(entries, layers[-1]))
        return torch.stack(layers).sum(0)

    def backbone_terms(self, ego, batch):
        terms = {}
        if batch.step % self.options["refresh_every"] == 0:
            scores = self.seed_scores(batch.generator)
            self.graphs = self.draw(scores.detach(), batch.generator)
            terms["infomax"] = -scores.mean()
        final = self.encode(ego, *self.graphs)
        users, items = final.split([self.n_users, self.n_items])
        anchors = users[batch.users]
        matched = (anchors * items[batch.positives]).sum(1)
        terms["reconstruction"] = (anchors @ items.T).logsumexp(1).mean() - matched.mean()
        pairs = (users, batch.users.unique()), (items, batch.positives.unique())
        spread = sum((x[rows] @ x.T).logsumexp(1).mean() for x, rows in pairs)
        return final, terms | {"ssl": self.options["ssl_weight"] * spread}

    def seed_scores(self, generator):
        """How like its two hops of neighbours each node's ego row is, in logs and with Gumbel noise."""
        ego = torch.cat([self.users, self.items])
        degree = torch.sparse.mm(self.links, torch.ones_like(ego[:, :1]))
        first = torch.sparse.mm(self.links, ego) - ego
        second = torch.sparse.mm(self.links, first) - first - degree * ego
        count = degree + (torch.sparse.mm(self.links, degree) - degree) - degree + 1e-8
        likeness = F.logsigmoid(F.cosine_similarity((first + second) / count, ego))
        uniform = torch.rand(len(ego), generator=generator, device=ego.device)
        return likeness - (-uniform.clamp(min=1e-8).log()).log()

    def draw(self, scores, generator):
        """The masked graph as a matrix and the completed one's entries [2, n]."""
        n, options, entries = len(scores), self.options, self.links.indices()
        rows, columns = entries
        draw = partial(torch.randint, generator=generator, device=rows.device)
        reached = torch.zeros_like(scores, dtype=torch.bool)
        reached[scores.topk(min(options["seeds"], n)).indices] = True
        hidden, kept = reached, torch.ones_like(rows, dtype=torch.bool)
        for _ in range(options["mask_depth"]):
            hidden = hidden | reached
            hit = kept & (reached[rows] | reached[columns])
            kept = kept & ~hit
            reached = torch.zeros_like(reached)
            reached[rows[hit]] = True
        hidden[draw(n, (int(options["extra_masked"] * n),))] = True
        nodes, loops = hidden.nonzero().ravel(), torch.arange(n, device=rows.device).expand(2, -1)
        pairs = nodes[draw(len(nodes), entries.shape)]
        completed = torch.cat([pairs, pairs.flip(0), loops, entries[:, kept]], dim=1)
        return normalised(*entries[:, kept], n), distinct(completed, n)


MODELS = dict.fromkeys(BACKBONES, Model) | {"dccf": DCCF, "autocf": AutoCF}
