"""RLMRec-Gen: masked nodes must give back their text (paper Eq. 18, docs/methods/rlmrec.md 3.2).

Each step replaces the ego rows of some random nodes M by one trainable token. The backbone's forward fills them from
their neighbours, and a perceptron must say from the result which of the masked nodes' texts is theirs:

    x_j  = perceptron(Z[j]),  y_j = S[j]        both of length 1, for j in M; S the text vectors
    p_j  = exp(x_j . y_j / t) / sum over l in M of exp(x_j . y_l / t)
    loss = -w * mean over M of log(p_j + 1e-8)

All other loss terms of the step see the masked table as well (docs/methods/rlmrec.md Q9).
"""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from lib.models import alignment
from lib.models.log_partition import log_partition


class Settings(alignment.Settings):
    """The generative alignment's yaml keys."""

    weight: float = Field(gt=0, description="weight of the reconstruction term")
    temperature: float = Field(gt=0, description="temperature of the reconstruction")
    mask_ratio: float = Field(gt=0, lt=1, description="share of users and items masked in each step")


class Alignment(alignment.Alignment):
    """Masked nodes must reconstruct their text vectors among those of all masked nodes."""

    Settings = Settings

    def __init__(self, settings, text, n_users, ego_size, output_size, generator):
        super().__init__(settings, text, n_users, ego_size, output_size, generator)
        self.register_buffer("text", F.normalize(text, eps=1e-12), persistent=False)
        self.token = nn.Parameter(torch.zeros(1, ego_size))  # one row for masked users and items alike
        self.generate = alignment.perceptron(output_size, text.shape[1], generator)

    def mask(self, ego, generator):
        count = max(int(self.settings.mask_ratio * len(ego)), 1)
        masked = torch.randperm(len(ego), generator=generator, device=ego.device)[:count]
        # a copy in which the masked rows are the token: these rows of `ego` itself get no gradient from the forward
        return ego.index_copy(0, masked, self.token.expand(count, -1)), masked

    def losses(self, final, batch, masked):
        guess = F.normalize(self.generate(final.index_select(0, masked)), eps=1e-12)  # x, [count, T]
        truth = self.text.index_select(0, masked)  # y, [count, T]
        guess = guess / self.settings.temperature
        # the texts are constants, so log_partition may give one value per row, which the bound below needs
        log_share = (guess * truth).sum(-1) - log_partition(guess, truth)
        # the public code bounds each node's loss by adding 1e-8 to its share
        return {"alignment": -self.settings.weight * (log_share.exp() + 1e-8).log().mean()}
