"""Matrix products of a training step, and the linear layer made of them.

On a processor they go to oneDNN instead of torch's default, MKL, which leaves the AVX-512 units of AMD processors idle:
the products of InfoNCE and of the text projection took less than half the time.
"""

import torch
from torch import Tensor, nn


def product(x: Tensor, y: Tensor) -> Tensor:
    """x @ y.T: [m, k] and [n, k] -> [m, n], without gradients; either may be a transposed view.

    The second matrix has its rows where a product has columns because this is how a linear layer keeps its weight, and
    how one table of vectors is compared with another.
    """
    if x.device.type == "cpu" and x.dtype == torch.float32 and torch.backends.mkldnn.is_available():
        return torch.ops.mkldnn._linear_pointwise(x, y, None, "none", [], "")
    return x @ y.T


class _Linear(torch.autograd.Function):
    """x @ weight.T + bias, with all three products taken by `product`, which autograd cannot see through."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        result = product(x, weight)
        return result if bias is None else result.add_(bias)

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        # the first layer reads text vectors, which are constants: no product is spent on their gradient
        of_x = product(gradient, weight.T) if ctx.needs_input_grad[0] else None  # gradient @ weight
        of_weight = product(gradient.T, x.T)  # gradient.T @ x
        return of_x, of_weight, gradient.sum(0) if ctx.needs_input_grad[2] else None


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x @ weight.T + bias, [n, inputs] and [outputs, inputs] -> [n, outputs], computed by `product`, with gradients."""
    return _Linear.apply(x, weight, bias)


class Linear(nn.Linear):
    """torch.nn.Linear, computed by `product`: [n, inputs] -> [n, outputs]."""

    def forward(self, input):
        return linear(input, self.weight, self.bias)
