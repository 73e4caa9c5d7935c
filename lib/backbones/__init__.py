"""Graph recommenders, one file each: the file name is the backbone's name, its class is `Backbone`.

A backbone knows nothing of alignment. It gives the final vectors used for scoring and its own loss terms.
"""

import importlib
import pkgutil
from collections.abc import Callable

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from lib.files import unknown
from lib.graph import Graph
from lib.losses import Batch, info_nce


class BackboneSettings(BaseModel):
    """Settings of a backbone; the fields document the yaml keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reg_weight: float = Field(ge=0, description="weight of the squared norm of all trainable tensors")
    layers: int = Field(ge=1, description="propagation layers")
    self_loops: bool = Field(False, description="add self-loops before normalising (spec rlmrec Q1)")


class GraphBackbone(nn.Module):
    """The trainable ego table [n_users + n_items, d] over a graph; subclasses give `forward` and `losses`."""

    Settings = BackboneSettings
    capturable = True  # no shape in a step depends on values if the batch is fixed (`lib.step`)

    def __init__(self, graph: Graph, settings: BackboneSettings, ego_size: int, generator: torch.Generator):
        super().__init__()
        self.graph, self.settings = graph, settings
        # two tables, each with its own Xavier bound (spec rlmrec 2)
        tables = [xavier(rows, ego_size, generator) for rows in (graph.n_users, graph.n_items)]
        self.ego = nn.Parameter(torch.cat(tables).detach())

    @property
    def output_size(self) -> int:
        """Width of the final vectors."""
        return self.ego.shape[1]

    def forward(self, ego: Tensor) -> Tensor:
        """Final vectors [n_nodes, output_size] for scoring: whole graph, nothing random."""
        raise NotImplementedError

    def losses(self, ego: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Training forward: the final vectors that an alignment acts on, and the backbone's weighted terms by name."""
        raise NotImplementedError

    def triples(self, final: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Final vectors of the batch's users, positives and negatives, each [B, output_size]."""
        n_users = self.graph.n_users
        # not final[...]: on several threads its gradient adds up in any order, and no two runs are the same
        nodes = batch.users, n_users + batch.positives, n_users + batch.negatives
        return tuple(final.index_select(0, some) for some in nodes)

    def contrast(self, first: Tensor, second: Tensor, batch: Batch, temperature: float, negatives: bool) -> Tensor:
        """InfoNCE from one view [n_nodes, d] of the batch's users and items to another, divided by B.

        Candidates are all users and all items; `negatives` adds the batch's negative items to its positive ones.
        """
        n_users = self.graph.n_users
        items = torch.cat([batch.positives, batch.negatives]) if negatives else batch.positives
        total = 0
        for nodes, side in ((batch.users, slice(0, n_users)), (n_users + items, slice(n_users, None))):
            nodes, _, counts = batch.distinct(nodes)
            views = first.index_select(0, nodes), second.index_select(0, nodes)
            total = total + info_nce(*views, second[side], temperature, anchor_counts=counts)
        return total / len(batch.users)


def xavier(rows: int, columns: int, generator: torch.Generator) -> nn.Parameter:
    """A trainable table [rows, columns] with Xavier-uniform values."""
    return nn.Parameter(nn.init.xavier_uniform_(torch.empty(rows, columns), generator=generator))


def layer_sum(ego: Tensor, step: Callable[[Tensor], Tensor], layers: int) -> Tensor:
    """E[0] + ... + E[L] with E[l+1] = step(E[l]); a sum, not a mean (spec rlmrec Q6)."""
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
    return importlib.import_module(f"{__name__}.{name}").Backbone
