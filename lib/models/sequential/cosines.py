"""Cosines of states and some rows of a table, with a gradient that is never spread out over all pairs."""

import torch
from torch import Tensor
from torch.nn import functional as F

SHORTEST = 1e-12  # to which a length is raised before something is divided by it


class _Cosines(torch.autograd.Function):
    """With s = state / |state| and v = row / |row| of a row i that is candidate k of state m: c_mk = s_m . v_i.

    The gradient of a row is 1/|row_i| * [ sum_mk g_mk s_m - v_i sum_mk g_mk c_mk ] over all places mk of item i.
    Autograd would write the summands out, [M, K, d] numbers, before it adds them up; that took most of a step.
    """

    @staticmethod
    def forward(ctx, states, table, items):
        length = states.norm(dim=1, keepdim=True).clamp_min(SHORTEST)
        unit, inverse = states / length, 1 / table.norm(dim=1).clamp_min(SHORTEST)
        rows = table.index_select(0, items.flatten()).view(*items.shape, -1)
        factor = inverse[items]
        cosines = torch.bmm(rows, unit[:, :, None])[..., 0] * factor
        ctx.save_for_backward(unit, length, table, inverse, items, rows, factor, cosines)
        return cosines

    @staticmethod
    def backward(ctx, gradient):
        unit, length, table, inverse, items, rows, factor, cosines = ctx.saved_tensors
        weight = gradient * factor
        of_states = torch.bmm(weight[:, None], rows)[:, 0]
        of_states = (of_states - unit * (unit * of_states).sum(1, keepdim=True)) / length
        # all places of an item side by side, as one bag whose states are added up
        flat, n_items = items.flatten(), len(table)
        order = flat.argsort(stable=True)
        count = flat.bincount(minlength=n_items)
        bags = {"offsets": count.cumsum(0) - count, "per_sample_weights": weight.flatten()[order], "mode": "sum"}
        of_table = F.embedding_bag(order // items.shape[1], unit, **bags)
        along = torch.zeros_like(inverse).index_add_(0, flat, (gradient * cosines).flatten())
        return of_states, of_table.addcmul_(table, (along * inverse.square())[:, None], value=-1), None


def cosines(states: Tensor, table: Tensor, items: Tensor) -> Tensor:
    """Cosine [M, K] of each state [M, d] with rows of a table [n, d], those with the numbers items [M, K]."""
    return _Cosines.apply(states, table, items)
