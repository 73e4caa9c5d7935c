"""How text vectors shape the embeddings: none (base), contrastive or generative, for any backbone.

An alignment sees the ego table before the backbone's forward (`mask`) and the final vectors after it (`losses`), and
nothing else of the backbone.
"""

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from lib.files import unknown
from lib.losses import Batch, info_nce, log_partition

NAMES = ("base", "contrastive", "generative")


class Settings(BaseModel):
    """Settings of an alignment; the fields document the yaml keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Base(nn.Module):
    """No alignment: the backbone alone."""

    Settings = Settings

    def __init__(self, settings, text, n_users, ego_size, output_size, generator):
        super().__init__()
        self.settings, self.n_users = settings, n_users

    def mask(self, ego: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """The ego table [n_nodes, d] that the forward will use, and the masked nodes if any."""
        return ego, None

    def losses(self, final: Tensor, batch: Batch, masked: Tensor | None) -> dict[str, Tensor]:
        """Weighted loss terms by name."""
        return {}


class Contrastive(Base):
    """RLMRec-Con: InfoNCE from final vectors to projected text vectors (paper Eq. 16-17, spec rlmrec 3.1)."""

    class Settings(Settings):
        weight: float = Field(gt=0, description="weight of the alignment term")
        temperature: float = Field(gt=0, description="InfoNCE temperature")
        negative_items: bool = Field(True, description="also align the sampled negatives; AutoCF leaves them out")

    def __init__(self, settings, text, n_users, ego_size, output_size, generator):
        super().__init__(settings, text, n_users, ego_size, output_size, generator)
        self.register_buffer("text", text, persistent=False)
        self.project = _perceptron(text.shape[1], output_size, generator)

    def losses(self, final, batch, masked):
        total = self._users(final, batch.users) + self._items(final, batch)
        return {"alignment": self.settings.weight / len(batch.users) * total}

    def _users(self, final, users):
        """Candidates are all users, not the batch (spec rlmrec Q4)."""
        users, counts = users.unique(return_counts=True)
        text = self.project(self.text[: self.n_users])
        return info_nce(final[users], text[users], text, self.settings.temperature, anchor_counts=counts)

    def _items(self, final, batch):
        """Candidates are the batch's own items, repeats included, positives and negatives apart (spec rlmrec Q4)."""
        lists = [batch.positives, batch.negatives][: 1 + self.settings.negative_items]
        items, places = torch.cat(lists).unique(return_inverse=True)  # each item is projected once for both lists
        vectors, text = final[self.n_users + items], self.project(self.text[self.n_users + items])
        total = 0
        for here in places.split(len(batch.users)):
            rows, counts = here.unique(return_counts=True)
            total += info_nce(vectors[rows], text[rows], text[rows], self.settings.temperature, counts, counts)
        return total


class Generative(Base):
    """RLMRec-Gen: masked nodes must reconstruct their text vectors (paper Eq. 18, spec rlmrec 3.2)."""

    class Settings(Settings):
        weight: float = Field(gt=0, description="weight of the reconstruction term")
        temperature: float = Field(gt=0, description="temperature of the reconstruction")
        mask_ratio: float = Field(gt=0, lt=1, description="share of users and items masked in each step")

    def __init__(self, settings, text, n_users, ego_size, output_size, generator):
        super().__init__(settings, text, n_users, ego_size, output_size, generator)
        self.register_buffer("text", F.normalize(text, eps=1e-12), persistent=False)
        self.token = nn.Parameter(torch.zeros(1, ego_size))  # one row for masked users and items alike
        self.generate = _perceptron(output_size, text.shape[1], generator)

    def mask(self, ego, generator):
        count = max(int(self.settings.mask_ratio * len(ego)), 1)
        masked = torch.randperm(len(ego), generator=generator, device=ego.device)[:count]
        return ego.index_copy(0, masked, self.token.expand(count, -1)), masked

    def losses(self, final, batch, masked):
        guess, truth = F.normalize(self.generate(final[masked]), eps=1e-12), self.text[masked]
        guess = guess / self.settings.temperature
        log_share = (guess * truth).sum(-1) - log_partition(guess, truth)
        # the public code bounds each node's loss by adding 1e-8 to its softmax share
        return {"alignment": -self.settings.weight * (log_share.exp() + 1e-8).log().mean()}


def _perceptron(inputs: int, outputs: int, generator: torch.Generator) -> nn.Sequential:
    """Two layers with half the summed width between (spec rlmrec 3.1); Xavier weights, torch's default biases."""
    hidden = (inputs + outputs) // 2
    layers = nn.Sequential(nn.Linear(inputs, hidden), nn.LeakyReLU(0.01), nn.Linear(hidden, outputs))
    for linear in (layers[0], layers[2]):
        nn.init.xavier_uniform_(linear.weight, generator=generator)
        bound = linear.in_features**-0.5
        nn.init.uniform_(linear.bias, -bound, bound, generator=generator)
    return layers


def get(name: str) -> type[Base]:
    """The class of an alignment; raises UserError with the nearest name."""
    if name not in NAMES:
        raise unknown("alignment", name, NAMES)
    return {"base": Base, "contrastive": Contrastive, "generative": Generative}[name]
