"""Losses shared by backbones and alignments (docs/methods/rlmrec.md 0 and 2)."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.models.log_partition import log_partition


def bpr(users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Bayesian personalised ranking: mean of -log sigmoid(user . positive - user . negative) over rows [B, d]; [].

    Written as softplus of the negated margin, which is the same and does not overflow.
    """
    return F.softplus((users * (negatives - positives)).sum(-1)).mean()


def squared_norm(parameters: Iterable[Tensor]) -> Tensor:
    """Sum of squares of all given tensors, [].

    Whole tables and not the batch's rows, and not divided by anything: this is what the public code's weights are
    chosen for (docs/methods/rlmrec.md Q5).
    """
    return sum(parameter.square().sum() for parameter in parameters)


def unit(x: Tensor) -> Tensor:
    """Rows of length 1: x / sqrt(|x|^2 + 1e-8), [n, d] -> [n, d]; the epsilon is the public code's."""
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + 1e-8)


def info_nce_plain(anchors: Tensor, positives: Tensor, candidates: Tensor, temperature: float) -> Tensor:
    """InfoNCE, a sum over anchors and not a mean, with y' for a row y divided by its length:

        sum_b [ log sum_c exp(anchor'_b . candidate'_c / t) - anchor'_b . positive'_b / t ]

    `anchors` and `positives` are [b, d], `candidates` [c, d]; the result is []. The positives are meant to be among the
    candidates, so that this is the cross-entropy of finding them. Training uses `info_nce`; tests hold the two equal.
    """
    anchors, positives, candidates = unit(anchors), unit(positives), unit(candidates)
    logits = anchors @ candidates.T / temperature
    return (logits.logsumexp(1) - (anchors * positives).sum(1) / temperature).sum()


def info_nce(
    anchors: Tensor,
    positives: Tensor,
    candidates: Tensor,
    temperature: float,
    anchor_counts: Tensor | None = None,
    candidate_counts: Tensor | None = None,
) -> Tensor:
    """`info_nce_plain`, fast: the [b, c] logits are never kept, and repeated rows are computed once.

    Counts [b] and [c] say how often an anchor, with its positive, and a candidate occur; without them each occurs once.
    Value and gradients are those of `info_nce_plain` on the repeated rows (tests/test_losses.py).
    """
    # dividing the anchors divides all logits, at [b, d] numbers instead of [b, c]
    anchors, positives, candidates = unit(anchors) / temperature, unit(positives), unit(candidates)
    # an anchor that occurs m times adds its term m times
    weights = anchors.new_ones(len(anchors)) if anchor_counts is None else anchor_counts.to(anchors.dtype)
    return log_partition(anchors, candidates, weights, candidate_counts) - (anchors * positives).sum(-1) @ weights
