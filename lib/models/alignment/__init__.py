"""How text vectors shape the embeddings of any backbone, one file each: the file's class is `Alignment`.

An alignment knows nothing of the backbone. It sees the ego table before the backbone's forward, where it may mask rows
or add columns, and the final vectors after it, where it may add a loss term. `base`, which does neither, is the class
below. A new file in this folder is a new alignment of that name.
"""

import importlib
import pkgutil

import torch
from torch import Tensor, nn

from lib.core.errors import unknown
from lib.core.settings import Strict
from lib.models.batch import Batch
from lib.models.linear import Linear


class Settings(Strict):
    """Settings of an alignment; base has none."""


class Alignment(nn.Module):
    """`base`, the backbone alone; and what every alignment may define otherwise.

    `text` holds the text vectors [n_users + n_items, T] of users then items, or None for base; `ego_size` and
    `output_size` are the widths of the backbone's ego table and final vectors.
    """

    Settings = Settings

    def __init__(
        self,
        settings: Settings,
        text: Tensor | None,
        n_users: int,
        ego_size: int,
        output_size: int,
        generator: torch.Generator,
    ):
        super().__init__()
        self.settings, self.n_users = settings, n_users

    def inputs(self, ego: Tensor) -> Tensor:
        """The table [n_nodes, ...] that the backbone's forward gets in place of the ego table, for scoring."""
        return ego

    def mask(self, ego: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """The same for a training step [n_nodes, ...], and the indices of the masked nodes, if any."""
        return self.inputs(ego), None

    def losses(self, final: Tensor, batch: Batch, masked: Tensor | None) -> dict[str, Tensor]:
        """Weighted loss terms by name, from final vectors [n_nodes, output_size]."""
        return {}


def perceptron(inputs: int, outputs: int, generator: torch.Generator) -> nn.Sequential:
    """Two linear layers with half the summed width between, [n, inputs] -> [n, outputs] (docs/methods/rlmrec.md 3.1).

    Weights are Xavier's, biases torch's default; both are drawn from `generator`, as every initial value is.
    """
    hidden = (inputs + outputs) // 2
    layers = nn.Sequential(Linear(inputs, hidden), nn.LeakyReLU(0.01), Linear(hidden, outputs))
    # the same values that torch would take, but from our generator: torch's own draw cannot be given one
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
    # imported by name at run time, so that a new file needs no line here
    return Alignment if name == "base" else importlib.import_module(f"{__name__}.{name}").Alignment
