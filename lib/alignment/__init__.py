"""How text vectors shape the embeddings, for any backbone, one file each; without one a backbone is `base`.

An alignment sees the ego table before the backbone's forward and the final vectors after it, and nothing else of the
backbone.
"""

import importlib
import pkgutil

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from lib.dense import Linear
from lib.files import unknown
from lib.losses import Batch

NAMES = ("base", "contrastive", "generative")  # RLMRec's


class Settings(BaseModel):
    """Settings of an alignment; the fields document the yaml keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Alignment(nn.Module):
    """No alignment: the backbone alone."""

    Settings = Settings

    def __init__(self, settings, text, n_users, ego_size, output_size, generator):
        super().__init__()
        self.settings, self.n_users = settings, n_users

    def inputs(self, ego: Tensor) -> Tensor:
        """The table [n_nodes, ...] that the backbone's forward uses in place of the ego table, for scoring."""
        return ego

    def mask(self, ego: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """The same for a training step [n_nodes, ...], and the masked nodes if any."""
        return self.inputs(ego), None

    def losses(self, final: Tensor, batch: Batch, masked: Tensor | None) -> dict[str, Tensor]:
        """Weighted loss terms by name."""
        return {}


def perceptron(inputs: int, outputs: int, generator: torch.Generator) -> nn.Sequential:
    """Two layers with half the summed width between (spec rlmrec 3.1); Xavier weights, torch's default biases."""
    hidden = (inputs + outputs) // 2
    layers = nn.Sequential(Linear(inputs, hidden), nn.LeakyReLU(0.01), Linear(hidden, outputs))
    for linear in (layers[0], layers[2]):
        nn.init.xavier_uniform_(linear.weight, generator=generator)
        bound = linear.in_features**-0.5
        nn.init.uniform_(linear.bias, -bound, bound, generator=generator)
    return layers


def names() -> list[str]:
    """Names of all alignments: base, and the modules of this folder."""
    return ["base", *sorted(module.name for module in pkgutil.iter_modules(__path__))]


def get(name: str) -> type[Alignment]:
    """The class of an alignment; raises UserError with the nearest name."""
    if name not in names():
        raise unknown("alignment", name, names())
    return Alignment if name == "base" else importlib.import_module(f"{__name__}.{name}").Alignment
