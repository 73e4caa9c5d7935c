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

    size: int = Field(64, ge=1, description="d, the width of each of the two views")
    heads: int = Field(2, ge=1, description="heads of the attention across views; must divide size")
    dropout: float = Field(0.5, ge=0, lt=1, description="of what the attention across views reads")
    distillation_weight: float = Field(0.1, ge=0, description="alpha, of the distance to the teacher")
    causal: bool = Field(True, description="no place attends to later ones; false in the public code")


class LlmEsr(nn.Module):
    """LLM-ESR over `text` vectors [n_items, T] of items 1 .. n_items, which stay as they are.

    `encoder(vectors [B, L, d], present [B, L]) -> states [B, L, d]` is shared by both views and should be as causal as
    `settings.causal` says; `length` is the longest history L. Raises UserError where text is too narrow, or items too
    few, for d principal components.
    """

    def __init__(
        self, settings: LlmEsrSettings, encoder: nn.Module, text: Tensor, length: int, generator: torch.Generator
    ):
        super().__init__()
        self.settings, self.encoder = settings, encoder
        size, width = settings.size, text.shape[1]
        self.register_buffer("text", text, persistent=False)  # no parameter, and in no checkpoint
        self.ids = nn.Parameter(principal_components(text, size))
        # no activation between them, as in the public code
        self.adapter = drawn(nn.Sequential(nn.Linear(width, width // 2), nn.Linear(width // 2, size)), generator)
        self.places = nn.Parameter(torch.empty(length, size).uniform_(-(size**-0.5), size**-0.5, generator=generator))
        self.dropout = nn.Dropout(settings.dropout)
        self.text_to_ids = CrossAttention(size, settings.heads, generator)
        self.ids_to_text = CrossAttention(size, settings.heads, generator)

    def tables(self) -> tuple[Tensor, Tensor]:
        """Both views of all items, learned and of text, each [n_items + 1, d] with zeros in row 0."""
        first, second = self.adapter
        # two linear layers in a row are one: a sixth of the work for all items
        bias = second.weight @ first.bias + second.bias
        text = linear(self.text, second.weight @ first.weight, bias)
        return F.pad(self.ids, (0, 0, 1, 0)), F.pad(text, (0, 0, 1, 0))

    def states(self, history: Tensor, tables: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """The user after each place [B, L, 2 d] of histories [B, L]: the state of the learned view, then of text.

        Item vectors are multiplied by sqrt(d), get the vector of their place, and then each view is replaced by what
        it attends to: queries of the learned view are of text and the other way round.
        """
        present = history != PAD
        ids, text = (self._placed(table, history) for table in tables or self.tables())
        allowed = self._allowed(present)
        crossed = torch.cat([self.text_to_ids(text, ids, allowed), self.ids_to_text(ids, text, allowed)])
        return torch.cat(self.encoder(crossed, present.repeat(2, 1)).chunk(2), -1)

    def losses(self, history: Tensor, following: Tensor, negatives: Tensor, neighbours: Tensor) -> dict[str, Tensor]:
        """Weighted terms by name, each []: binary cross-entropy of what follows, and the distance to the teacher.

        `following` [B, L] is the item after each place of `history` [B, L], `negatives` [B, L] one that the user did
        not take; places without an item do not count. The teacher is the mean of the last states of the histories of
        k neighbours, `neighbours` [B, k, L], and gets no gradient.
        """
        tables = self.tables()
        states, items = self.states(history, tables), torch.cat(tables, 1)
        counted = history != PAD
        logits = [(states[counted] * items.index_select(0, item[counted])).sum(1) for item in (following, negatives)]
        # the mean over positives plus the mean over negatives
        bce = F.softplus(-logits[0]).mean() + F.softplus(logits[1]).mean()
        with torch.no_grad():
            of_neighbours = self.states(neighbours.flatten(0, 1), tables)[:, -1]
            teacher = of_neighbours.unflatten(0, neighbours.shape[:2]).mean(1)
        distance = F.mse_loss(states[:, -1], teacher)
        return {"bce": bce, "distillation": self.settings.distillation_weight * distance}

    @torch.no_grad()
    def vectors_of_users(self, history: Tensor) -> Tensor:
        """The user at the end of histories [B, L]: [B, 2 d]. Leaves the model in evaluation mode."""
        self.eval()
        return self.states(history)[:, -1]

    @torch.no_grad()
    def vectors_of_items(self) -> Tensor:
        """What user vectors are compared with [n_items + 1, 2 d]; row 0 is padding and must not compete."""
        return torch.cat(self.tables(), 1)

    def _placed(self, table: Tensor, history: Tensor) -> Tensor:
        vectors = table.index_select(0, history.flatten()).unflatten(0, history.shape)
        return self.dropout(vectors * self.settings.size**0.5 + self.places[-history.shape[1] :])

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
