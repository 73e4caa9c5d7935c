"""The logarithm of a softmax's denominator over many candidates, without keeping the matrix of logits.

InfoNCE compares every anchor of a batch with all users or all items. As a matrix these logits take hundreds of MiB on
the larger datasets, and autograd keeps several copies; here only one block of rows exists at a time.
"""

import math

import torch
from torch import Tensor

from lib.models.linear import product

BLOCK = 2**20  # logits held at once: 4 MiB stay in a processor's cache, 16 MiB took twice the time


class _LogPartition(torch.autograd.Function):
    """r_b = log sum_c n_c exp(x_b . c) for every row b of x, by blocks of rows, with n_c the candidates' counts.

    With the shares p_bc = n_c exp(x_b . c) / exp(r_b), which sum to 1 over the candidates, the gradients are
        d r_b / d x_b                =  sum_c p_bc c
        d (sum_b w_b r_b) / d c      =  sum_b w_b p_bc x_b.
    Both are sums over shares that the forward pass has at hand. It therefore takes the gradients too, while a block is
    in the cache, and the backward pass only scales them: the logits are computed once and never kept.
    """

    @staticmethod
    def forward(ctx, x, candidates, counts, weights):
        block = BLOCK * (1 if x.device.type == "cpu" else 16)  # a GPU needs more at once to be busy
        rows = max(1, block // len(candidates))
        result, of_x = x.new_empty(len(x)), torch.empty_like(x)
        # transposed [d, c], so that a block adds to it by a product of the same form as the others
        of_candidates = torch.zeros_like(candidates.T) if ctx.needs_input_grad[1] else None
        counted = candidates if counts is None else counts[:, None] * candidates
        for start in range(0, len(x), rows):
            here = slice(start, start + rows)
            # exp(y) as 2 ** (y / log 2): exp2 took a quarter of the time of exp on a processor
            shares = product(x[here] / math.log(2), candidates)  # [rows, c], at first the logits
            largest = shares.amax(1, keepdim=True)  # subtracted, so that nothing overflows (docs/methods/rlmrec.md Q13)
            shares.sub_(largest).exp2_()  # in place: now the shares up to the factor n_c / sums
            sums = shares.sum(1) if counts is None else shares @ counts
            result[here] = (sums.log2() + largest[:, 0]) * math.log(2)
            # the missing division is done on [rows, d], which is narrower than [rows, c]
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
        # `gradient` is one number where weights are given, else one per row
        of_candidates = None if of_candidates is None else gradient * of_candidates
        return gradient[..., None] * of_x, of_candidates, None, None


def log_partition(x: Tensor, candidates: Tensor, weights: Tensor | None = None, counts: Tensor | None = None) -> Tensor:
    """log sum_c counts_c exp(x . c) for each row of x [b, d] over candidates [c, d], without keeping the [b, c] matrix.

    In plain form, with which tests/test_losses.py compares values and gradients:

        rows = torch.logsumexp(x @ candidates.T + counts.log(), dim=1)
        return rows if weights is None else rows @ weights

    With `weights` [b] it is the weighted sum of the rows, []; without them the rows, [b]. A count [c] stands for a
    candidate that occurs several times; without counts each occurs once. Without weights the candidates must be
    constants, else ValueError: their gradient is a sum over rows, each times a factor that is known only in the
    backward pass, when the shares are gone.
    """
    if weights is None and candidates.requires_grad:
        raise ValueError("log_partition: a gradient for the candidates needs the rows' weights")
    counts, weights = (y if y is None else y.to(x.dtype) for y in (counts, weights))
    return _LogPartition.apply(x, candidates, counts, weights)
