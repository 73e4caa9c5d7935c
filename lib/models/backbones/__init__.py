"""Graph recommenders, one file each: the file name is the backbone's name, its class is `Backbone`.

A backbone knows nothing of text or alignment. From the ego table, its trainable vectors of users and items, it computes
the final vectors: the score of a user and an item is their dot product. It also brings its own loss terms.
"""

import importlib
import pkgutil
from collections.abc import Callable

import torch
from pydantic import Field
from torch import Tensor, nn

from lib.core.errors import unknown
from lib.core.settings import Strict
from lib.models.batch import Batch
from lib.models.graph import Graph
from lib.models.losses import info_nce


class BackboneSettings(Strict):
    """Settings that every backbone has."""

    reg_weight: float = Field(ge=0, description="weight of the squared norm of all trainable tensors")
    layers: int = Field(ge=1, le=100, description="propagation layers")
    self_loops: bool = Field(False, description="add self-loops before normalising (docs/methods/rlmrec.md Q1)")


class GraphBackbone(nn.Module):
    """The trainable ego table [n_users + n_items, d] over a graph; subclasses give `forward` and `losses`."""

    Settings = BackboneSettings
    capturable = True  # no shape in a step depends on values if the batch is fixed (lib/training/step.py)

    def __init__(self, graph: Graph, settings: BackboneSettings, ego_size: int, generator: torch.Generator):
        super().__init__()
        self.graph, self.settings = graph, settings
        # Two tables and not one: Xavier's bound sqrt(6 / (rows + d)) falls with the number of rows, so users and items
        # begin at different lengths, as in the public code (docs/methods/rlmrec.md 2).
        tables = [xavier(rows, ego_size, generator) for rows in (graph.n_users, graph.n_items)]
        self.ego = nn.Parameter(torch.cat(tables).detach())

    @property
    def output_size(self) -> int:
        """Width of the final vectors."""
        return self.ego.shape[1]

    def forward(self, ego: Tensor) -> Tensor:
        """Final vectors [n_nodes, output_size] for scoring, from an ego table: the whole graph, nothing random.

        The table is an argument because an alignment may mask rows of it or put text beside it.
        """
        raise NotImplementedError

    def losses(self, ego: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Training forward: the final vectors that an alignment acts on, and the weighted loss terms by name."""
        raise NotImplementedError

    def triples(self, final: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Final vectors of the batch's users, positives and negatives, each [B, output_size]."""
        n_users = self.graph.n_users
        # index_select and not final[...]: on several threads the gradient of indexing adds up repeated rows in any
        # order, so that no two runs would be the same
        users = final.index_select(0, batch.users)
        positives = final.index_select(0, n_users + batch.positives)
        negatives = final.index_select(0, n_users + batch.negatives)
        return users, positives, negatives

    def contrast(self, first: Tensor, second: Tensor, batch: Batch, temperature: float, negatives: bool) -> Tensor:
        """The contrast between two views V, W [n_nodes, d] of all nodes, []:

            1/B * [ NCE(V[u], W[u] | W of all users) + NCE(V[i], W[i] | W of all items) ]

        u are the batch's users, i its positive items and, with `negatives`, its negative items as well.
        NCE(x, y | c) is InfoNCE from anchors x to positives y among candidates c.
        """
        n_users = self.graph.n_users
        items = torch.cat([batch.positives, batch.negatives]) if negatives else batch.positives
        sides = [(batch.users, slice(0, n_users)), (n_users + items, slice(n_users, None))]
        total = 0
        for nodes, everybody in sides:
            # a node that stands in several rows is one anchor with that count; positives and negatives are one list,
            # since they have the same candidates
            distinct, _, counts = batch.distinct(nodes)
            anchors, positives = first.index_select(0, distinct), second.index_select(0, distinct)
            total = total + info_nce(anchors, positives, second[everybody], temperature, anchor_counts=counts)
        return total / len(batch.users)


def xavier(rows: int, columns: int, generator: torch.Generator) -> nn.Parameter:
    """A trainable table [rows, columns], uniform within +-sqrt(6 / (rows + columns))."""
    return nn.Parameter(nn.init.xavier_uniform_(torch.empty(rows, columns), generator=generator))


def layer_sum(ego: Tensor, step: Callable[[Tensor], Tensor], layers: int) -> Tensor:
    """E[0] + ... + E[L] with E[0] the ego table and E[l+1] = step(E[l]): [n_nodes, d] -> [n_nodes, d].

    The original LightGCN averages. The public code sums, which makes scores (L + 1)^2 times as large, and its settings
    are chosen for that (docs/methods/rlmrec.md Q6).
    """
    final = layer = ego
    for _ in range(layers):
        layer = step(layer)
        final = final + layer
    return final


def names() -> list[str]:
    """Names of all backbones: the modules of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def get(name: str) -> type[GraphBackbone]:
    """The class of a backbone; raises UserError with the nearest name."""
    if name not in names():
        raise unknown("backbone", name, names())
    # imported by name at run time, so that a new file needs no line here
    return importlib.import_module(f"{__name__}.{name}").Backbone
