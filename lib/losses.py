"""Losses shared by backbones and alignments."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lib.dense import product

BLOCK = 2**20  # logits held at once: 4 MiB stay in a processor's cache, 16 MiB took twice the time


class Batch(NamedTuple):
    """One training step: user and item indices [B], and the step's place in its epoch.

    `fixed`: no shape may depend on values, since the step is captured (`lib.step`).
    """

    users: Tensor
    positives: Tensor
    negatives: Tensor
    step: int  # 0-based within the epoch
    generator: torch.Generator  # for edge dropout, noise and masks
    fixed: bool = False

    def distinct(self, indices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The different indices of [b] in order [m], the place of each of [b] among them, how often each occurs [m].

        In a fixed batch m is b: the smallest index fills the rest and occurs 0 times there.
        """
        if not self.fixed:
            return indices.unique(return_inverse=True, return_counts=True)
        ordered, order = indices.sort()
        first = F.pad(ordered[1:] != ordered[:-1], (1, 0), value=True)
        places = first.cumsum(0) - 1
        values = ordered[:1].repeat(len(ordered)).scatter_(0, places, ordered)
        counts = torch.zeros_like(places).scatter_add_(0, places, torch.ones_like(places))
        return values, torch.empty_like(places).scatter_(0, order, places), counts


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
    """Row-wise log sum exp of x @ candidates.T by blocks.

    The gradients are taken in the forward pass, while a block's shares are at hand: the logits are computed once and
    never kept. exp2 took a quarter of the time of exp on a processor.
    """

    @staticmethod
    def forward(ctx, x, candidates, counts, weights):
        rows = max(1, BLOCK * (1 if x.device.type == "cpu" else 16) // len(candidates))  # a GPU needs more to be busy
        result, of_x = x.new_empty(len(x)), torch.empty_like(x)
        of_candidates = torch.zeros_like(candidates.T) if ctx.needs_input_grad[1] else None
        counted = candidates if counts is None else counts[:, None] * candidates
        for at in range(0, len(x), rows):
            here = slice(at, at + rows)
            shares = product(x[here] / math.log(2), candidates)
            largest = shares.amax(1, keepdim=True)
            shares.sub_(largest).exp2_()
            sums = shares.sum(1) if counts is None else shares @ counts
            result[here] = (sums.log2() + largest[:, 0]) * math.log(2)
            factors = (1 / sums if weights is None else weights[here] / sums)[:, None]
            torch.mul(product(shares, counted.T), factors, out=of_x[here])
            if of_candidates is not None:
                of_candidates += product((x[here] * factors).T, shares.T)
        if of_candidates is not None:
            of_candidates = (of_candidates if counts is None else counts * of_candidates).T
        ctx.save_for_backward(of_x, of_candidates)
        return result if weights is None else result @ weights

    @staticmethod
    def backward(ctx, gradient):
        of_x, of_candidates = ctx.saved_tensors
        return gradient[..., None] * of_x, None if of_candidates is None else gradient * of_candidates, None, None


def log_partition(x: Tensor, candidates: Tensor, weights: Tensor | None = None, counts: Tensor | None = None) -> Tensor:
    """log sum_c counts_c exp(x . c) for each row of x [b, d], candidates [c, d], without keeping the [b, c] matrix.

    With `weights` [b] it is their weighted sum, []. Without them it is [b], and the candidates must be constants; else
    ValueError.
    """
    if weights is None and candidates.requires_grad:
        raise ValueError("log_partition: a gradient for the candidates needs the rows' weights")
    counts, weights = (y if y is None else y.to(x.dtype) for y in (counts, weights))
    return _LogPartition.apply(x, candidates, counts, weights)


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
    weights = anchors.new_ones(len(anchors)) if anchor_counts is None else anchor_counts.to(anchors.dtype)
    return log_partition(anchors, candidates, weights, candidate_counts) - (anchors * positives).sum(-1) @ weights
