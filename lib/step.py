"""One training step: kernel by kernel on a processor, as one recorded CUDA graph per batch size on a GPU.

A step is some hundred small kernels, which a graph launches at once. `stepper` is the one place that decides how a step
is run; what it computes is `take` in both cases.
"""

import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from lib.losses import Batch

WARM_UP = 2  # steps of each batch size before it is recorded, so that all lasting tensors and library handles exist

Terms = dict[str, Tensor]


def stepper(model, optimizer) -> Callable[[Batch], Terms]:
    """What trains `model` on a batch and returns its loss terms by name, each [], without waiting for the device."""
    backbone = model.backbone
    if backbone.ego.is_cuda and backbone.capturable and backbone.graph.engine == "torch":
        return Captured(model, optimizer, CudaGraphs())
    return partial(take, model, optimizer)


def take(model, optimizer, batch: Batch) -> Terms:
    """Losses, gradients and the optimiser's update for one batch."""
    terms = model.losses(batch)
    optimizer.zero_grad(set_to_none=True)
    sum(terms.values()).backward()
    optimizer.step()
    return {name: value.detach() for name, value in terms.items()}


class CudaGraphs:
    """What a captured step needs of CUDA."""

    def warm_up(self, step: Callable[[], Terms]) -> Terms:
        """Run the step beside the current stream, as PyTorch asks for before a capture."""
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            terms = step()
        torch.cuda.current_stream().wait_stream(aside)
        return terms

    def record(self, step: Callable[[], Terms], generator: torch.Generator) -> tuple[Callable[[], None], Terms]:
        """Record the step without running it: what runs it, and the tensors that then hold its terms."""
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(generator)  # so that every replay draws anew
        with torch.cuda.graph(graph):
            terms = step()
        return graph.replay, terms


class Captured:
    """`take` with fixed shapes, recorded at the third batch of a size and replayed from then on.

    The batches before are trained on as well, so nothing has to be put back. A step that cannot be recorded is a
    warning, and training goes on kernel by kernel.
    """

    def __init__(self, model, optimizer, graphs):
        self.take, self.graphs = partial(take, model, optimizer), graphs
        self.seen, self.recorded = Counter(), {}

    def __call__(self, batch: Batch) -> Terms:
        batch, size = batch._replace(fixed=True), len(batch.users)
        if self.graphs is None:
            return self.take(batch)
        self.seen[size] += 1
        if self.seen[size] <= WARM_UP:
            return self.graphs.warm_up(partial(self.take, batch))
        if size not in self.recorded and not self._record(batch, size):
            return self.take(batch)
        indices, replay, terms = self.recorded[size]
        for buffer, tensor in zip(indices, _indices(batch), strict=True):
            buffer.copy_(tensor)
        replay()
        return {name: value.clone() for name, value in terms.items()}  # the next replay overwrites them

    def _record(self, batch: Batch, size: int) -> bool:
        indices = [tensor.clone() for tensor in _indices(batch)]
        own = batch._replace(**dict(zip(("users", "positives", "negatives"), indices, strict=True)))
        try:
            self.recorded[size] = (indices, *self.graphs.record(partial(self.take, own), batch.generator))
        except RuntimeError as error:
            warnings.warn(f"the step runs kernel by kernel: {str(error).partition(chr(10))[0]}", stacklevel=2)
            self.graphs = None
        return self.graphs is not None


def _indices(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    return batch.users, batch.positives, batch.negatives
