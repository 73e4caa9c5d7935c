"""RLMRec-Gen: masked nodes must give back their text (paper Eq. 18, spec rlmrec 3.2)."""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from lib import alignment
from lib.losses import log_partition


class Settings(alignment.Settings):
    """The generative alignment's yaml keys."""

    weight: float = Field(gt=0, description="weight of the reconstruction term")
    temperature: float = Field(gt=0, description="temperature of the reconstruction")
    mask_ratio: float = Field(gt=0, lt=1, description="share of users and items masked in each step")


class Alignment(alignment.Alignment):
    """RLMRec-Gen: masked nodes must reconstruct their text vectors (paper Eq. 18, spec rlmrec 3.2)."""

    Settings = Settings

    def __init__(self, settings, text, n_users, ego_size, output_size, generator):
        super().__init__(settings, text, n_users, ego_size, output_size, generator)
        self.register_buffer("text", F.normalize(text, eps=1e-12), persistent=False)
        self.token = nn.Parameter(torch.zeros(1, ego_size))  # one row for masked users and items alike
        self.generate = alignment.perceptron(output_size, text.shape[1], generator)

    def mask(self, ego, generator):
        count = max(int(self.settings.mask_ratio * len(ego)), 1)
        masked = torch.randperm(len(ego), generator=generator, device=ego.device)[:count]
        return ego.index_copy(0, masked, self.token.expand(count, -1)), masked

    def losses(self, final, batch, masked):
        guess = F.normalize(self.generate(final.index_select(0, masked)), eps=1e-12)
        truth = self.text.index_select(0, masked)
        guess = guess / self.settings.temperature
        log_share = (guess * truth).sum(-1) - log_partition(guess, truth)
        # the public code bounds each node's loss by adding 1e-8 to its softmax share
        return {"alignment": -self.settings.weight * (log_share.exp() + 1e-8).log().mean()}
