"""The same models as a textbook would write them: what the library's speed is compared with.

Adjacency in torch's COO layout, whole logit matrices, every text vector projected in each step, Adam tensor by tensor,
the loss read back in every step, and an evaluation that loops over users. Nothing is imported from the library; numbers
equal the library's for the same initial values and random state (tests/test_benchmarks.py). DCCF and AutoCF, whose
entries have learnt weights, follow in textbook_weighted.py, which lists all six.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

BACKBONES = ("gccf", "lightgcn", "sgl", "simgcl")


def adjacency(train, self_loops, device):
    """D^-1/2 A D^-1/2 of users and items as a COO tensor, from a train matrix [n_users, n_items]."""
    train = train.tocoo()
    n_users, n_nodes = train.shape[0], sum(train.shape)
    users, items = torch.from_numpy(train.row).long(), torch.from_numpy(train.col).long() + n_users
    rows, columns = torch.cat([users, items]), torch.cat([items, users])
    if self_loops:
        rows, columns = (torch.cat([ends, torch.arange(n_nodes)]) for ends in (rows, columns))
    return normalised(rows, columns, n_nodes).to(device)


def normalised(rows, columns, n_nodes):
    """D^-1/2 A D^-1/2 of the given entries as a COO tensor."""
    factors = torch.bincount(rows, minlength=n_nodes).clamp(min=1).float() ** -0.5
    values = factors[rows] * factors[columns]
    indices, size = torch.stack([rows, columns]), (n_nodes, n_nodes)
    return torch.sparse_coo_tensor(indices, values, size, check_invariants=False).coalesce()


def drop_edges(matrix, keep_rate, generator):
    """The matrix with each entry kept with probability `keep_rate`, not rescaled."""
    kept = torch.rand(len(matrix.values()), generator=generator, device=matrix.device) < keep_rate
    return torch.sparse_coo_tensor(
        matrix.indices()[:, kept], matrix.values()[kept], matrix.shape, check_invariants=False
    )


def unit(x):
    """Rows of length 1."""
    return x / (x.square().sum(1, keepdim=True) + 1e-8).sqrt()


def info_nce(anchors, positives, candidates, temperature):
    """Sum over anchors of -log softmax of the positive among all candidates, with the matrix of all logits."""
    anchors, positives, candidates = unit(anchors), unit(positives), unit(candidates)
    logits = anchors @ candidates.T / temperature
    return (logits.logsumexp(1) - (anchors * positives).sum(1) / temperature).sum()


def perceptron(inputs, outputs):
    """Two layers with half the summed width between them."""
    hidden = (inputs + outputs) // 2
    return nn.Sequential(nn.Linear(inputs, hidden), nn.LeakyReLU(0.01), nn.Linear(hidden, outputs))


class Model(nn.Module):
    """One of BACKBONES with one of RLMRec's alignments; `options` are the keys of its yaml block.

    A batch has the fields users, positives, negatives, step and generator.
    """

    def __init__(self, backbone, alignment, options, train, text, size=32, device="cpu"):
        super().__init__()
        self.backbone, self.alignment, self.options = backbone, alignment, options
        self.n_users, self.n_items = train.shape
        self.adjacency = adjacency(train, options["self_loops"], device)
        self.users = nn.Parameter(nn.init.xavier_uniform_(torch.empty(self.n_users, size)))
        self.items = nn.Parameter(nn.init.xavier_uniform_(torch.empty(self.n_items, size)))
        width = size * (options["layers"] + 1) if backbone == "gccf" else size
        self.text = None if text is None else text.to(device)
        if alignment == "contrastive":
            self.project = perceptron(text.shape[1], width)
        if alignment == "generative":
            self.token = nn.Parameter(torch.zeros(1, size))
            self.generate = perceptron(width, text.shape[1])
        self.to(device)

    def encode(self, ego, matrix, noise=None):
        """Final vectors: the ego table and its propagated layers, summed, or concatenated in GCCF."""
        layers = [ego]
        for _ in range(self.options["layers"]):
            x = torch.sparse.mm(matrix, layers[-1])
            if noise is not None:
                random = F.normalize(torch.rand(x.shape, generator=noise, device=x.device), dim=1)
                x = x + self.options["noise"] * torch.sign(x) * random
            layers.append(x)
        return torch.cat(layers, dim=1) if self.backbone == "gccf" else torch.stack(layers).sum(0)

    def final(self):
        """Final vectors of users and items for scoring."""
        return self.encode(torch.cat([self.users, self.items]), self.adjacency)

    def losses(self, batch):
        """Weighted loss terms of one step, by name."""
        ego, masked = torch.cat([self.users, self.items]), None
        if self.alignment == "generative":
            count = max(int(self.options["mask_ratio"] * len(ego)), 1)
            masked = torch.randperm(len(ego), generator=batch.generator, device=ego.device)[:count]
            ego = ego.clone()
            ego[masked] = self.token
        final, terms = self.backbone_terms(ego, batch)
        if self.alignment == "contrastive":
            terms["alignment"] = self.contrastive(final, batch)
        if self.alignment == "generative":
            terms["alignment"] = self.generative(final, masked)
        terms["regularisation"] = self.options["reg_weight"] * sum(x.square().sum() for x in self.parameters())
        return terms

    def backbone_terms(self, ego, batch):
        """The final vectors and the backbone's own terms."""
        matrix, views, generator = self.adjacency, None, batch.generator
        if self.backbone == "lightgcn":
            matrix = drop_edges(matrix, self.options["keep_rate"], generator)
        final = self.encode(ego, matrix)
        if self.backbone == "sgl":
            dropped = [drop_edges(self.adjacency, self.options["keep_rate"], generator) for _ in range(2)]
            views = [self.encode(ego, matrix) for matrix in dropped]
        if self.backbone == "simgcl":
            views = [self.encode(ego, self.adjacency, noise=generator) for _ in range(2)]
        terms = {"bpr": self.bpr(final, batch)}
        if views is not None:
            users, items = batch.users, batch.positives
            if self.options["ssl_negatives"]:
                items = torch.cat([items, batch.negatives])
            terms["ssl"] = self.options["ssl_weight"] / len(users) * self.contrast(*views, users, items)
        return final, terms

    def bpr(self, final, batch):
        """Mean softplus of how far the negative's score is above the positive's."""
        users, items = final.split([self.n_users, self.n_items])
        u, p, n = users[batch.users], items[batch.positives], items[batch.negatives]
        return F.softplus((u * n).sum(1) - (u * p).sum(1)).mean()

    def contrast(self, first, second, users, items):
        """InfoNCE between two views of the batch's users and items, against all users and all items."""
        sides = [self.n_users, self.n_items]
        pairs = zip(first.split(sides), second.split(sides), (users, items), strict=True)
        return sum(info_nce(x[rows], y[rows], y, self.options["ssl_temperature"]) for x, y, rows in pairs)

    def contrastive(self, final, batch):
        """Final vectors against projected texts: all users, and the batch's items of each list."""
        vectors, texts = (x.split([self.n_users, self.n_items]) for x in (final, self.project(self.text)))
        users, t = batch.users, self.options["temperature"]
        total = info_nce(vectors[0][users], texts[0][users], texts[0], t)
        for items in (batch.positives, batch.negatives) if self.options["negative_items"] else (batch.positives,):
            total = total + info_nce(vectors[1][items], texts[1][items], texts[1][items], t)
        return self.options["weight"] / len(users) * total

    def generative(self, final, masked):
        """Masked nodes must tell their own text from those of the other masked nodes."""
        guess, truth = F.normalize(self.generate(final[masked])), F.normalize(self.text[masked])
        shares = (guess @ truth.T / self.options["temperature"]).softmax(1)
        return -self.options["weight"] * (torch.diagonal(shares) + 1e-8).log().mean()


def train_epoch(model, optimizer, batches):
    """One pass over the batches; the mean loss."""
    losses = []
    for batch in batches:
        optimizer.zero_grad()
        loss = sum(model.losses(batch).values())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


@torch.no_grad()
def evaluate(model, seen, relevant, ks=(5, 10, 20)):
    """Mean recall@k and ndcg@k over users with a relevant item, one user after the other."""
    user_vectors, item_vectors = model.final().split([model.n_users, model.n_items])
    rows = []
    for user in range(model.n_users):
        wanted = set(relevant[user].indices.tolist())
        if not wanted:
            continue
        scores = user_vectors[user] @ item_vectors.T
        scores[torch.from_numpy(seen[user].indices).long().to(scores.device)] = -torch.inf
        ranked = scores.topk(min(max(ks), model.n_items)).indices.tolist()
        rows.append([metric for k in ks for metric in _recall_and_ndcg(ranked[:k], wanted, k)])
    names = [f"{metric}@{k}" for k in ks for metric in ("recall", "ndcg")]
    return dict(zip(names, np.mean(rows, axis=0).tolist(), strict=True))


def _recall_and_ndcg(ranked, wanted, k):
    gains = [1 / math.log2(rank + 2) for rank, item in enumerate(ranked) if item in wanted]
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(k, len(wanted))))
    return len(gains) / len(wanted), sum(gains) / ideal
