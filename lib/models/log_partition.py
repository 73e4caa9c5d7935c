"""The logarithm of a softmax's denominator over many candidates, without keeping the matrix of logits.

InfoNCE compares every anchor of a batch with all users or all items. As a matrix these logits take hundreds of MiB on
the larger datasets, and autograd keeps several copies; here only one block of rows exists at a time.
"""

import math

import torch
from torch import Tensor

from lib.models.linear import product

BLOCK = 2**20  # logits held at once: 4 MiB stay in a processor's cache, 16 MiB took twice the time


def log_partition(x: Tensor, candidates: Tensor, weights: Tensor, counts: Tensor | None = None) -> Tensor:
    """Sum over rows b of w_b r_b, where r_b = log sum_c n_c exp(x_b . c), for x [b, d] over candidates [c, d]; [].

    `weights` [b] are w; a count n_c [c] stands for a candidate that occurs several times, and without counts each
    occurs once. In plain form, with which tests/test_losses.py compares values and gradients:

        torch.logsumexp(x @ candidates.T + counts.log(), dim=1) @ weights
    """
    counts = counts if counts is None else counts.to(x.dtype)
    return _LogPartition.apply(x, candidates, weights.to(x.dtype), counts)


@torch.no_grad()
def softmax_mean(x: Tensor, candidates: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Logarithms of a softmax's denominators, and means of values by its shares; no gradients.

        r_b = log sum_c exp(x_b . c)  [b]         mean_b = sum_c exp(x_b . c - r_b) values_c  [b, v]

    x is [b, d], candidates are [c, d] and values [c, v].
    """
    rows, means = x.new_empty(len(x)), x.new_empty(len(x), values.shape[1])
    for here in _blocks(x, candidates):
        shares, largest = _shares(x[here], candidates)
        sums = shares.sum(1)
        rows[here] = _logarithms(sums, largest)
        torch.div(product(shares, values.T), sums[:, None], out=means[here])
    return rows, means


class _LogPartition(torch.autograd.Function):
    """With the shares p_bc = n_c exp(x_b . c) / exp(r_b), which sum to 1 over the candidates, the gradients are

        of x_b  =  w_b sum_c p_bc c
        of c    =  sum_b w_b p_bc x_b.

    Both are sums over shares that the forward pass has at hand. It therefore takes the gradients too, while a block is
    in the cache, and the backward pass only scales them: the logits are computed once and never kept.
    """

    @staticmethod
    def forward(ctx, x, candidates, weights, counts):
        rows, of_x = x.new_empty(len(x)), torch.empty_like(x)
        # transposed [d, c], so that a block adds to it by a product of the same form as the others
        of_candidates = torch.zeros_like(candidates.T)
        counted = candidates if counts is None else counts[:, None] * candidates
        for here in _blocks(x, candidates):
            shares, largest = _shares(x[here], candidates)
            sums = shares.sum(1) if counts is None else shares @ counts
            rows[here] = _logarithms(sums, largest)
            # the missing division is done on [rows, d], which is narrower than [rows, c]
            factors = (weights[here] / sums)[:, None]
            torch.mul(product(shares, counted.T), factors, out=of_x[here])
            of_candidates += product((x[here] * factors).T, shares.T)
        ctx.save_for_backward(of_x, (of_candidates if counts is None else counts * of_candidates).T)
        return rows @ weights

    @staticmethod
    def backward(ctx, gradient):
        of_x, of_candidates = ctx.saved_tensors
        return gradient * of_x, gradient * of_candidates, None, None


def _blocks(x: Tensor, candidates: Tensor) -> list[slice]:
    """Rows of x, so many at a time that their logits are BLOCK numbers."""
    block = BLOCK * (1 if x.device.type == "cpu" else 16)  # a GPU needs more at once to be busy
    rows = max(1, block // len(candidates))
    return [slice(start, start + rows) for start in range(0, len(x), rows)]


def _shares(x: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
    """exp(x_b . c) / 2^m_b [rows, c], and m_b [rows, 1], the largest logit of a row divided by log 2."""
    # exp(y) as 2 ** (y / log 2): exp2 took a quarter of the time of exp on a processor
    shares = product(x / math.log(2), candidates)  # at first the logits
    largest = shares.amax(1, keepdim=True)  # subtracted, so that nothing overflows (docs/methods/rlmrec.md Q13)
    return shares.sub_(largest).exp2_(), largest


def _logarithms(sums: Tensor, largest: Tensor) -> Tensor:
    """r_b [rows], from the sums of `_shares`."""
    return (sums.log2() + largest[:, 0]) * math.log(2)
