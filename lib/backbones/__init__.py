"""Graph recommenders, one file each: the file name is the backbone's name, its class is `Backbone`.

A backbone knows nothing of alignment. It gives the final vectors used for scoring and its own loss terms.
"""

import importlib
import pkgutil

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from lib.files import unknown
from lib.graph import Graph
from lib.losses import Batch


class BackboneSettings(BaseModel):
    """Settings of a backbone; the fields document the yaml keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reg_weight: float = Field(ge=0, description="weight of the squared norm of all trainable tensors")
    layers: int = Field(ge=1, description="propagation layers")
    self_loops: bool = Field(False, description="add self-loops before normalising (spec rlmrec Q1)")


class GraphBackbone(nn.Module):
    """The trainable ego table [n_users + n_items, d] over a graph; subclasses give `forward` and `losses`."""

    Settings = BackboneSettings

    def __init__(self, graph: Graph, settings: BackboneSettings, ego_size: int, generator: torch.Generator):
        super().__init__()
        self.graph, self.settings = graph, settings
        tables = [torch.empty(rows, ego_size) for rows in (graph.n_users, graph.n_items)]
        for table in tables:  # two tables, each with its own Xavier bound (spec rlmrec 2)
            nn.init.xavier_uniform_(table, generator=generator)
        self.ego = nn.Parameter(torch.cat(tables))

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
        return final[batch.users], final[n_users + batch.positives], final[n_users + batch.negatives]


def names() -> list[str]:
    """Names of all backbones: the modules of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def get(name: str) -> type[GraphBackbone]:
    """The class of a backbone; raises UserError with the nearest name."""
    if name not in names():
        raise unknown("backbone", name, names())
    return importlib.import_module(f"{__name__}.{name}").Backbone
