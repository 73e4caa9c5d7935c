"""pi(g | x) = exp f(phi(x, g)) / sum over g' of exp f(phi(x, g')), with f a small network.

f reads one candidate at a time, so permuting candidates permutes their probabilities, and any number of them will do.
Users and items have a network each.
"""

import numpy as np
import torch
from torch import Tensor, nn


class SelectionPolicy(nn.Module):
    """f has two hidden layers with GELU; its last layer is 0 at first, so that all candidates are equally likely."""

    def __init__(self, n_features: int, hidden: int, generator: torch.Generator):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_features, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, 1)
        )
        for linear in self.layers[::2]:
            nn.init.xavier_uniform_(linear.weight, generator=generator)
            nn.init.zeros_(linear.bias)
        nn.init.zeros_(self.layers[-1].weight)

    def scores(self, phi: Tensor) -> Tensor:
        """f of features [n, G, n_features]: [n, G]."""
        return self.layers(phi)[..., 0]

    def forward(self, phi: Tensor) -> Tensor:
        """log pi of features [n, G, n_features]: [n, G]."""
        return self.scores(phi).log_softmax(1)

    @torch.no_grad()
    def probabilities(self, phi: np.ndarray) -> np.ndarray:
        """pi of features [n, G, n_features]: [n, G] float64."""
        return self(torch.from_numpy(phi)).double().exp().numpy()
