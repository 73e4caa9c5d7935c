"""Initial weights of linear layers from a generator that is given, which torch's own draw cannot be."""

import torch
from torch import nn


def drawn(module: nn.Module, generator: torch.Generator) -> nn.Module:
    """The same module; the linear layers in it have new values, uniform within +-1 / sqrt(inputs) as torch's own."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            bound = layer.in_features**-0.5
            for values in layer.parameters():
                nn.init.uniform_(values, -bound, bound, generator=generator)
    return module
