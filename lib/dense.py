"""Dense matrix products of a training step.

On a processor they go to oneDNN instead of torch's default, MKL, which leaves the AVX-512 units of AMD processors idle:
the products of InfoNCE and of the text projection took less than half the time.
"""

import torch
from torch import Tensor, nn


def product(x: Tensor, y: Tensor) -> Tensor:
    """x @ y.T for [m, k] and [n, k], outside autograd; either may be a transposed view."""
    if x.device.type == "cpu" and x.dtype == torch.float32 and torch.backends.mkldnn.is_available():
        return torch.ops.mkldnn._linear_pointwise(x, y, None, "none", [], "")
    return x @ y.T


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return product(x, weight).add_(bias)

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        of_x = product(gradient, weight.T) if ctx.needs_input_grad[0] else None
        return of_x, product(gradient.T, x.T), gradient.sum(0)


class Linear(nn.Linear):
    """torch's linear layer by `product`: [n, inputs] -> [n, outputs]."""

    def forward(self, input):
        return _Linear.apply(input, self.weight, self.bias)
