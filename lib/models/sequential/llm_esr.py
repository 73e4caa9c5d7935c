"""LLM-ESR: two views of every item, learned and of text, and a teacher among users with like texts.

Liu et al., LLM-ESR, NeurIPS 2024 (docs/methods/pte-dreamrec.md 6). Each view of a history attends to the other, one
encoder reads both, and users and items are the two views side by side.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lib.data.sequences.rows import PAD
from lib.models.sequential.initial_values import drawn
from lib.models.sequential.items.llm_esr import Items
from lib.models.sequential.losses import LossSettings, loss
from lib.models.sequential.sasrec import cropped, look_up, visible


class LlmEsr(nn.Module):
    """LLM-ESR over two views of items, each of width d.

    `encoder(vectors [B, L, d], present [B, L]) -> states [B, L, d]` is causal and shared by both views; of histories
    longer than `encoder.length` the latest items count. `encoder.last(...) -> [B, d]` is the last state. positions:
    `last` trains the item after a history, `all` also those in it.
    """

    def __init__(
        self, items: Items, encoder: nn.Module, loss: LossSettings, positions: str, generator: torch.Generator
    ):
        super().__init__()
        self.settings, self.encoder, self.items = items.settings, encoder, items
        self.loss, self.score, self.positions = loss, loss.score, positions
        length, size = encoder.length, items.ids.shape[1]
        self.places = nn.Parameter(torch.empty(length, size).uniform_(-(size**-0.5), size**-0.5, generator=generator))
        self.dropout = nn.Dropout(self.settings.view_dropout)
        self.text_to_ids = CrossAttention(size, self.settings.view_heads, generator)
        self.ids_to_text = CrossAttention(size, self.settings.view_heads, generator)

    def states(self, history: Tensor, table: Tensor) -> Tensor:
        """The user after each place [B, L, 2 d] of histories [B, L]: the state of the learned view, then of text."""
        return torch.cat(self.encoder(*self._crossed(history, table)).chunk(2), -1)

    def users(self, history: Tensor, table: Tensor) -> Tensor:
        """The user after histories: states(...)[:, -1], [B, 2 d], at less cost."""
        return torch.cat(self.encoder.last(*self._crossed(history, table)).chunk(2), -1)

    def losses(
        self, whole: Tensor, generator: torch.Generator | None, neighbours: Tensor, nearest: Tensor
    ) -> dict[str, Tensor]:
        """Weighted terms by name, each []: that of the next item, and the distance to the teacher.

        whole [B, L + 1] are histories with the target as last column; negatives are drawn from `generator`. The teacher
        is the mean of the last states of k histories, which are rows nearest [B, k] of `neighbours` [U, L], and gets no
        gradient.
        """
        table, history = self.items.table(), cropped(whole[:, :-1], self.encoder.length)
        if self.positions == "last":
            users, target = self.users(history, table), whole[:, -1]
            shown = users
        else:
            present, following = history != PAD, whole[:, whole.shape[1] - history.shape[1] :]
            states = self.states(history, table)
            shown, target, users = states[present], following[present], states[:, -1]
        with torch.no_grad():
            of_neighbours = self.users(cropped(neighbours, self.encoder.length), table)
            teacher = of_neighbours[nearest].mean(1)
        distance = F.mse_loss(users, teacher)
        next_item = loss(shown, target, table, self.loss, generator)
        return {self.loss.kind: next_item, "distillation": self.settings.distillation_weight * distance}

    @torch.no_grad()
    def queries(self, history: Tensor, table: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Users after histories [B, L], [B, 2 d], to be compared with rows of the item table.

        Leaves the model in evaluation mode; nothing is drawn from `generator`, which other recommenders need.
        """
        self.eval()
        return self.users(cropped(history, self.encoder.length), table)

    def _crossed(self, history: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
        """What the encoder reads, the learned view of all histories and then that of text: [2 B, L, d], [2 B, L].

        Item vectors, rows of table [n_items + 1, 2 d], are multiplied by sqrt(d) and get the vector of their place.
        Then each view is replaced by what it attends to: queries of the learned view are of text, and the other way
        round.
        """
        present = history != PAD
        ids, text = (self._placed(view) for view in look_up(table, history).chunk(2, -1))
        allowed = visible(present)[:, None]
        crossed = torch.cat([self.text_to_ids(text, ids, allowed), self.ids_to_text(ids, text, allowed)])
        return crossed, present.repeat(2, 1)

    def _placed(self, vectors: Tensor) -> Tensor:
        length, size = vectors.shape[1:]
        return self.dropout(vectors * size**0.5 + self.places[-length:])


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
