"""Losses shared by backbones and alignments."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 2**20  # logits held at once: 4 MiB stay in a processor's cache, 16 MiB took twice the time


class Batch(NamedTuple):
    """One training step: user and item indices [B], and the step's place in its epoch."""

    users: Tensor
    positives: Tensor
    negatives: Tensor
    step: int  # 0-based within the epoch
    generator: torch.Generator  # for edge dropout, noise and masks


def bpr(users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """Mean of softplus(user . negative - user . positive) over the batch rows [B, d] (spec rlmrec 2)."""
    return F.softplus((users * (negatives - positives)).sum(-1)).mean()


def squared_norm(parameters: Iterable[Tensor]) -> Tensor:
    """Sum of squares of all given tensors: whole tables, not batch rows (spec rlmrec Q5)."""
    return sum(parameter.square().sum() for parameter in parameters)


def unit(x: Tensor) -> Tensor:
    """Rows divided by sqrt(squared norm + 1e-8) (spec rlmrec 0)."""
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + 1e-8)


class _LogPartition(torch.autograd.Function):
    """Row-wise log sum exp of x @ candidates.T by blocks, which backward computes again instead of keeping."""

    @staticmethod
    def forward(ctx, x, candidates, log_counts):
        rows = max(1, BLOCK * (1 if x.device.type == "cpu" else 16) // len(candidates))  # a GPU needs more to be busy
        result = torch.cat([_logits(block, candidates, log_counts).logsumexp(1) for block in x.split(rows)])
        ctx.save_for_backward(x, candidates, log_counts, result)
        ctx.rows = rows
        return result

    @staticmethod
    def backward(ctx, gradient):
        x, candidates, log_counts, result = ctx.saved_tensors
        of_x, of_candidates = torch.empty_like(x), torch.zeros_like(candidates)
        for at in range(0, len(x), ctx.rows):
            here = slice(at, at + ctx.rows)
            share = _logits(x[here], candidates, log_counts).sub_(result[here, None]).exp_().mul_(gradient[here, None])
            of_x[here] = share @ candidates
            of_candidates.addmm_(share.T, x[here])
        return of_x, of_candidates, None


def _logits(x: Tensor, candidates: Tensor, log_counts: Tensor | None) -> Tensor:
    return x @ candidates.T if log_counts is None else torch.addmm(log_counts, x, candidates.T)


def log_partition(x: Tensor, candidates: Tensor, counts: Tensor | None = None) -> Tensor:
    """log sum_c counts_c exp(x . c) for each row: [b, d], [c, d] -> [b], without keeping the [b, c] matrix."""
    return _LogPartition.apply(x, candidates, None if counts is None else counts.to(x.dtype).log())


def info_nce(
    anchors: Tensor,
    positives: Tensor,
    candidates: Tensor,
    temperature: float,
    anchor_counts: Tensor | None = None,
    candidate_counts: Tensor | None = None,
) -> Tensor:
    """Sum (not mean) over anchors of -anchor.positive/t + log sum_candidates exp(anchor.candidate/t), on unit rows.

    `anchors` and `positives` are [b, d], `candidates` [c, d]. The positive is meant to be among the candidates. Counts
    [b], [c] stand for repeated rows, which is exactly equal to repeating them (spec rlmrec 0, NCE).
    """
    anchors, positives, candidates = unit(anchors) / temperature, unit(positives), unit(candidates)
    each = log_partition(anchors, candidates, candidate_counts) - (anchors * positives).sum(-1)
    return each.sum() if anchor_counts is None else each @ anchor_counts.to(each.dtype)
