"""The least that a sequential recommender can be built from: a table of item vectors, and a causal encoder."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Table(nn.Module):
    """Item vectors [n_items, d] behind a row of zeros, fixed or trained."""

    def __init__(self, vectors: Tensor, trained: bool = False):
        super().__init__()
        self.vectors = nn.Parameter(vectors.clone(), requires_grad=trained)

    def table(self) -> Tensor:
        return F.pad(self.vectors, (0, 0, 1, 0))


class Encoder(nn.Module):
    """A linear map of each place's vector and of the mean of those before it: [B, L, d] -> [B, L, d]."""

    def __init__(self, size: int, length: int, seed: int = 0, dropout: float = 0.0):
        super().__init__()
        self.length = length
        generator = torch.Generator().manual_seed(seed)
        self.now, self.before = (
            nn.Parameter(torch.randn(size, size, generator=generator) / size**0.5) for _ in range(2)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: Tensor, present: Tensor) -> Tensor:
        shown = self.dropout(vectors) * present[..., None]
        mean = shown.cumsum(1) / present.cumsum(1).clamp(min=1)[..., None]
        return shown @ self.now + mean @ self.before

    def last(self, vectors: Tensor, present: Tensor) -> Tensor:
        return self(vectors, present)[:, -1]
