"""PyTorch Geometric's LightGCN on the library's batches and dropped edges.

Two ways to hand it the graph: the edge list of its own example, or a torch CSR matrix, which its layers also take and
multiply by much faster. Both come with ready-made weights: its own normalisation would run in every layer and step.
"""

import warnings

import torch

from lib.core.errors import UserError


def load():
    """The class torch_geometric.nn.LightGCN; raises UserError with the way to install it."""
    try:
        from torch_geometric.nn import LightGCN
    except ImportError as error:
        raise UserError(
            f"PyTorch Geometric is left out ({error}): to compare with it, .venv/bin/pip install torch_geometric"
        ) from None
    return LightGCN


class Model(torch.nn.Module):
    """LightGCN base of a library Graph: sum of `layers` + 1 tables, BPR, squared norm of the whole table."""

    def __init__(self, graph, options, size=32, csr=False):
        super().__init__()
        self.n_users, self.options, self.csr = graph.n_users, options, csr
        self.peer = load()(graph.n_nodes, size, options["layers"], alpha=1.0, normalize=False)
        ends = torch.stack([graph.columns, graph.rows]).long()  # messages go from the first row to the second
        pointers = torch.bincount(ends[1] + 1, minlength=graph.n_nodes + 1).cumsum(0)
        self.register_buffer("ends", ends)
        self.register_buffer("pointers", pointers)
        self.register_buffer("weights", graph.scale[ends].prod(0)[:, 0])
        self.to(graph.rows.device)

    def loss(self, users, positives, negatives, generator):
        """The loss of one step, []."""
        keep_rate = self.options["keep_rate"]
        kept = torch.rand(len(self.weights), generator=generator, device=self.weights.device) < keep_rate
        pairs = torch.stack([users.repeat(2), self.n_users + torch.cat([positives, negatives])])
        liked, other = self.peer(edge_label_index=pairs, **self.edges(kept)).chunk(2)
        weight = self.options["reg_weight"] * len(users)  # it divides by the length of the batch
        return self.peer.recommendation_loss(liked, other, lambda_reg=weight)

    def edges(self, kept):
        """What the peer takes as edge_index, and as edge_weight where that is apart."""
        if not self.csr:
            return {"edge_index": self.ends[:, kept], "edge_weight": self.weights[kept]}
        size = (len(self.pointers) - 1,) * 2
        with warnings.catch_warnings():  # torch calls its CSR layout beta
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support")
            matrix = torch.sparse_csr_tensor(
                self.pointers, self.ends[0], self.weights * kept, size, check_invariants=False
            )
        return {"edge_index": matrix}

    @torch.no_grad()
    def final(self):
        """Vectors for scoring [n_nodes, size]."""
        return self.peer.get_embedding(**self.edges(torch.ones_like(self.weights, dtype=torch.bool)))


def train_epoch(model, optimizer, batches):
    """One pass over the batches; the mean loss."""
    losses = []
    for batch in batches:
        optimizer.zero_grad()
        loss = model.loss(batch.users, batch.positives, batch.negatives, batch.generator)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses).mean().item()
