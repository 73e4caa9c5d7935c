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
from lib.models.linear import linear, product
from lib.models.log_partition import softmax_mean


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
        *first, last = self.generate
        hidden = nn.Sequential(*first)(final.index_select(0, masked))  # [count, H]
        # the decoder's last layer is linear, D = W h: its bias is a column of W here, for a 1 in h
        weights = torch.cat([last.weight, last.bias[:, None]], dim=1)  # W, [T, H + 1]
        hidden = torch.cat([hidden, hidden.new_ones(len(hidden), 1)], dim=1)
        # |W h|^2 = h . (W'W h)
        lengths = (linear(hidden, weights.T @ weights) * hidden).sum(1).clamp(min=1e-24).sqrt()
        scaled = hidden / (self.settings.temperature * lengths)[:, None]  # x / t = W scaled
        log_shares = _log_shares(scaled, weights, self.text.index_select(0, masked))
        # the public code bounds each node's loss by adding 1e-8 to its share
        return {"alignment": -self.settings.weight * (log_shares.exp() + 1e-8).log().mean()}


def _log_shares(scaled, weights, truth):
    """Logarithms log p_j [count] for guesses x_j / t = W scaled_j, from scaled [count, H + 1] and texts y [count, T].

    As scaled . (W'y) instead of (W scaled) . y, each of the count^2 products is of H numbers instead of T. The gradient
    of log p_j with respect to x_j / t is y_j less the mean text by softmax, which the same pass gives.
    """
    with torch.no_grad():
        narrow = product(truth, weights.T)  # W'y, [count, H + 1]
        partition, expected = softmax_mean(scaled, narrow, truth)
        values = (scaled * narrow).sum(1) - partition
    # W scaled times that gradient: a number whose own gradients are those of log p, and whose value is replaced
    carrier = (linear(expected.neg_().add_(truth), weights.T) * scaled).sum(1)
    return carrier + (values - carrier).detach()
