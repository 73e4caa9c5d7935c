"""LLM-ESR: two views of every item, learned and of text, and a teacher among users with like texts.

Liu et al., LLM-ESR, NeurIPS 2024 (docs/methods/pte-dreamrec.md 6). Each view of a history attends to the other, one
encoder reads both, and users and items are the two views side by side.
"""

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from lib.core.errors import UserError
from lib.core.settings import Strict
from lib.data.sequences.rows import PAD
from lib.models.linear import linear
from lib.models.sequential.initial_values import drawn


class LlmEsrSettings(Strict):
    """Settings of LLM-ESR; the defaults are the public code's but for `causal`."""

    heads: int = Field(2, ge=1, description="heads of the attention across views; must divide their width d")
    dropout: float = Field(0.5, ge=0, lt=1, description="of what the attention across views reads")
    distillation_weight: float = Field(0.1, ge=0, description="alpha, of the distance to the teacher")
    causal: bool = Field(True, description="no place attends to later ones; false in the public code")


class TwoViews(nn.Module):
    """Both views of items: a trained table that begins as principal components of their text, and adapted text.

    text [n_items, T] are vectors of the texts of items 1 .. n_items, which stay as they are. Raises UserError where
    text is too narrow, or items too few, for `size` components.
    """

    def __init__(self, text: Tensor, size: int, generator: torch.Generator):
        super().__init__()
        width = text.shape[1]
        self.register_buffer("text", text, persistent=False)  # no parameter, and in no checkpoint
        self.ids = nn.Parameter(principal_components(text, size))
        # no activation between them, as in the public code
        self.adapter = drawn(nn.Sequential(nn.Linear(width, width // 2), nn.Linear(width // 2, size)), generator)

    def table(self) -> Tensor:
        """The learned view and that of text side by side [n_items + 1, 2 d], with zeros in row 0."""
        first, second = self.adapter
        # two linear layers in a row are one: a sixth of the work for all items
        bias = second.weight @ first.bias + second.bias
        text = linear(self.text, second.weight @ first.weight, bias)
        return F.pad(torch.cat([self.ids, text], 1), (0, 0, 1, 0))


class LlmEsr(nn.Module):
    """LLM-ESR over two views of items.

    `encoder(vectors [B, L, d], present [B, L]) -> states [B, L, d]` is shared by both views and should be as causal as
    `settings.causal` says; `length` is the longest history L.
    """

    score = "dot"

    def __init__(
        self, settings: LlmEsrSettings, encoder: nn.Module, items: TwoViews, length: int, generator: torch.Generator
    ):
        super().__init__()
        self.settings, self.encoder, self.items = settings, encoder, items
        size = items.ids.shape[1]
        self.places = nn.Parameter(torch.empty(length, size).uniform_(-(size**-0.5), size**-0.5, generator=generator))
        self.dropout = nn.Dropout(settings.dropout)
        self.text_to_ids = CrossAttention(size, settings.heads, generator)
        self.ids_to_text = CrossAttention(size, settings.heads, generator)

    def states(self, history: Tensor, table: Tensor) -> Tensor:
        """The user after each place [B, L, 2 d] of histories [B, L]: the state of the learned view, then of text.

        Item vectors, rows of table [n_items + 1, 2 d], are multiplied by sqrt(d) and get the vector of their place.
        Then each view is replaced by what it attends to: queries of the learned view are of text, and the other way
        round.
        """
        present = history != PAD
        vectors = table.index_select(0, history.flatten()).unflatten(0, history.shape)
        ids, text = (self._placed(view) for view in vectors.chunk(2, -1))
        allowed = self._allowed(present)
        crossed = torch.cat([self.text_to_ids(text, ids, allowed), self.ids_to_text(ids, text, allowed)])
        return torch.cat(self.encoder(crossed, present.repeat(2, 1)).chunk(2), -1)

    def losses(self, whole: Tensor, negatives: Tensor, neighbours: Tensor) -> dict[str, Tensor]:
        """Weighted terms by name, each []: binary cross-entropy of what follows, and the distance to the teacher.

        whole [B, L + 1] are histories with the target as last column, `negatives` [B, L] an item for each place of the
        history that does not follow; places without an item do not count. The teacher is the mean of the last states
        of k neighbours' histories, `neighbours` [B, k, L], and gets no gradient.
        """
        table, history = self.items.table(), whole[:, :-1]
        states, counted = self.states(history, table), history != PAD
        logits = [
            (states[counted] * table.index_select(0, items[counted])).sum(1) for items in (whole[:, 1:], negatives)
        ]
        # the mean over positives plus the mean over negatives
        bce = F.softplus(-logits[0]).mean() + F.softplus(logits[1]).mean()
        with torch.no_grad():
            of_neighbours = self.states(neighbours.flatten(0, 1), table)[:, -1]
            teacher = of_neighbours.unflatten(0, neighbours.shape[:2]).mean(1)
        distance = F.mse_loss(states[:, -1], teacher)
        return {"bce": bce, "distillation": self.settings.distillation_weight * distance}

    @torch.no_grad()
    def queries(self, history: Tensor, table: Tensor) -> Tensor:
        """Users after histories [B, L], [B, 2 d], to be compared with rows of the item table by inner product.

        Leaves the model in evaluation mode.
        """
        self.eval()
        return self.states(history, table)[:, -1]

    def _placed(self, vectors: Tensor) -> Tensor:
        length, size = vectors.shape[1:]
        return self.dropout(vectors * size**0.5 + self.places[-length:])

    def _allowed(self, present: Tensor) -> Tensor:
        """Which place may attend to which [B, 1, L, L]: to items, and to itself, so that padding has where to look."""
        length = present.shape[1]
        every = torch.ones(length, length, dtype=torch.bool, device=present.device)
        earlier = every.tril() if self.settings.causal else every
        return (present[:, None, None] & earlier) | torch.eye(length, dtype=torch.bool, device=present.device)


class CrossAttention(nn.Module):
    """Attention whose queries are of one sequence, and keys and values of another, [B, L, d] each."""

    def __init__(self, size: int, heads: int, generator: torch.Generator):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(size, size, bias=False) for _ in range(3))
        self.output = nn.Linear(size, size)
        drawn(self, generator)

    def forward(self, queries: Tensor, others: Tensor, allowed: Tensor) -> Tensor:
        """[B, L, d] from queries and others [B, L, d] and which place may attend to which, [B, 1, L, L] bool."""
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, x in ((self.query, queries), (self.key, others), (self.value, others))
        )
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        return self.output(mixed.transpose(1, 2).flatten(2))


def principal_components(vectors: Tensor, size: int) -> Tensor:
    """The first principal components [n, size] of vectors [n, T], not whitened.

    Raises UserError where there are not so many.
    """
    from sklearn.decomposition import PCA  # takes a second to import

    if size > min(vectors.shape):
        raise UserError(
            f"{vectors.shape[0]} text vectors of {vectors.shape[1]} numbers have no {size} principal components: "
            "lower size"
        )
    found = PCA(size, svd_solver="covariance_eigh").fit_transform(vectors.double().cpu().numpy())
    return torch.from_numpy(found).to(vectors)
