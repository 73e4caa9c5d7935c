"""SASRec (Kang and McAuley, 2018): self-attention over a history, whose last state is compared with item vectors.

Formulas are in docs/methods/pte-recommenders.md 1.
"""

import math

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from lib.core.settings import Strict
from lib.models.linear import Linear
from lib.models.sequential.items import Batch, ItemEmbedding
from lib.models.sequential.losses import LossSettings, loss


class EncoderSettings(Strict):
    """The encoder of histories."""

    d: int = Field(ge=1, description="width of states and of item vectors")
    blocks: int = Field(ge=1, description="of attention and feed-forward network")
    heads: int = Field(ge=1, description="of attention; a divisor of d")
    length: int = Field(ge=1, description="most items of a history that are read, the latest")
    dropout: float = Field(ge=0, lt=1)
    scaled: bool = Field(False, description="multiply item vectors by sqrt(d) before positions are added")


class Block(nn.Module):
    """Causal attention and a feed-forward network, each with a residual connection."""

    def __init__(self, d: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm_attention, self.norm_feed = nn.LayerNorm(d, eps=1e-8), nn.LayerNorm(d, eps=1e-8)
        self.query, self.key_value, self.out = Linear(d, d), Linear(d, 2 * d), Linear(d, d)
        self.feed = nn.Sequential(Linear(d, d), nn.Dropout(dropout), nn.ReLU(), Linear(d, d), nn.Dropout(dropout))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """States [B, Q, d] of the last Q positions of x [B, L, d]; mask [B, Q, L] is true where a state may look."""
        n, length, d = x.shape
        kept = mask.shape[1]
        query = self.norm_attention(x[:, length - kept :]).reshape(-1, d)
        q = self.query(query).view(n, kept, self.heads, -1).transpose(1, 2)
        k, v = self.key_value(x.reshape(-1, d)).view(n, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        seen = F.scaled_dot_product_attention(q, k, v, mask[:, None], dropout_p=dropout)
        hidden = self.norm_feed(query + self.out(seen.transpose(1, 2).reshape(-1, d)))
        return (hidden + self.feed(hidden)).view(n, kept, d)


class SequenceEncoder(nn.Module):
    """States of histories: position t knows of items up to t, and of no padding.

    Positions are counted from the end, so that the latest item always has the same one, however long the padding is.
    """

    def __init__(self, d: int, blocks: int = 1, heads: int = 1, length: int = 10, dropout: float = 0.1, scaled=False):
        super().__init__()
        self.scale = math.sqrt(d) if scaled else 1.0
        self.position = nn.Parameter(0.02 * torch.randn(length, d))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(d, heads, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(d, eps=1e-8)

    @property
    def length(self) -> int:
        """The most items of a history that are read."""
        return len(self.position)

    def forward(self, vectors: Tensor, present: Tensor) -> Tensor:
        """States [B, L, d] of item vectors [B, L, d]; present [B, L] is false where a position is padding.

        States at padding are all the same and finite, also those of rows that are nothing but padding.
        """
        return self._states(vectors, present, present.shape[1])

    def last(self, vectors: Tensor, present: Tensor) -> Tensor:
        """forward(...)[:, -1] [B, d], at less than half the cost with one block."""
        return self._states(vectors, present, 1)[:, 0]

    def _states(self, vectors: Tensor, present: Tensor, kept: int) -> Tensor:
        """States [B, kept, d] of the last positions: only these are computed in the last block."""
        length = present.shape[1]
        there = present[..., None]
        x = self.dropout(vectors * self.scale + self.position[-length:]) * there
        mask = visible(present)
        for number, block in enumerate(self.blocks, 1):
            rows = kept if number == len(self.blocks) else length
            x = block(x, mask[:, length - rows :]) * there[:, length - rows :]
        return self.norm(x)


def visible(present: Tensor) -> Tensor:
    """Which positions a position looks at [B, L, L]: those before it that are no padding, and always itself.

    Padding looks at itself too, since a softmax over nothing is NaN in some of torch's kernels.
    """
    length = present.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=present.device).tril()
    return (causal & present[:, None]) | torch.eye(length, dtype=torch.bool, device=present.device)


class SASRec(nn.Module):
    """The encoder over item vectors of any kind, trained to find the next item.

    Of histories that are longer than the encoder reads, the latest items count.
    """

    def __init__(self, items: ItemEmbedding, encoder: EncoderSettings, loss: LossSettings, positions: str):
        super().__init__()
        self.items, self.loss, self.score, self.positions = items, loss, loss.score, positions
        self.encoder = SequenceEncoder(**encoder.model_dump())

    def losses(self, whole: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Weighted loss terms by name, of histories with the item that follows as last column [B, L + 1].

        Negatives are drawn from `generator`, or from torch's own, as dropout is.
        """
        history, table = cropped(whole[:, :-1], self.encoder.length), self.items.table()
        vectors, present = look_up(table, history), history > 0
        if self.positions == "last":
            states, target = self.encoder.last(vectors, present), whole[:, -1]
        else:
            following = whole[:, whole.shape[1] - history.shape[1] :]
            states, target = self.encoder(vectors, present)[present], following[present]
        terms = {self.loss.kind: loss(states, target, table, self.loss, generator)}
        return terms | self.items.auxiliary(Batch(history, target))

    def queries(self, history: Tensor, table: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Vectors [B, d] that are compared with rows of the item table, of histories [B, L].

        Nothing is drawn from `generator`, which other recommenders need.
        """
        history = cropped(history, self.encoder.length)
        return self.encoder.last(look_up(table, history), history > 0)


def cropped(history: Tensor, length: int) -> Tensor:
    """The latest `length` columns of histories [B, L], or fewer where the others are padding in all of them.

    States do not depend on padding, and most histories are far shorter than the longest. One column stays at least.
    """
    longest = int((history > 0).any(0).sum())
    return history[:, -max(min(longest, length), 1) :]


def look_up(table: Tensor, items: Tensor) -> Tensor:
    """Rows of a table [n_items + 1, d] by item numbers [B, L]: [B, L, d]."""
    # not table[items], whose gradient adds up repeated rows in any order on several threads
    return table.index_select(0, items.flatten()).view(*items.shape, -1)
