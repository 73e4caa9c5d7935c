"""One training step: kernel by kernel on a processor, as one recorded CUDA graph per batch size on a GPU.

A step is some hundred small kernels. Launching them one by one takes a GPU's processor longer than computing them, so
they are recorded once as a CUDA graph and from then on launched together. `stepper` is the one place that decides how a
step is run; what it computes is `take` in both cases.

A CUDA graph repeats the same kernels on the same memory. So no shape in the step may depend on values (`Batch.fixed`),
each batch is copied to where the recorded one lay, and its loss terms are copied out before the next replay.
"""

import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from lib.models.batch import Batch

WARM_UP = 2  # steps of each batch size before it is recorded, so that all lasting tensors and library handles exist
Terms = dict[str, Tensor]


def stepper(model, optimizer) -> Callable[[Batch], Terms]:
    """What trains `model` on a batch and returns its loss terms by name, each [], without waiting for the device."""
    backbone = model.backbone
    if backbone.ego.is_cuda and backbone.capturable and backbone.graph.engine == "torch":
        return Captured(model, optimizer, CudaGraphs())
    return partial(take, model, optimizer)


def take(model, optimizer, batch: Batch) -> Terms:
    """Losses, gradients and the optimiser's update for one batch; the loss terms by name, each []."""
    terms = model.losses(batch)
    # dropped and not zeroed, which saves a pass over all gradients
    optimizer.zero_grad(set_to_none=True)
    sum(terms.values()).backward()
    optimizer.step()
    return {name: value.detach() for name, value in terms.items()}


class CudaGraphs:
    """What a captured step needs of CUDA; tests put something else in its place."""

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
        with torch.cuda.graph(graph):  # kernels are noted down instead of run, so the terms have no values yet
            terms = step()
        return graph.replay, terms


class Captured:
    """`take` with fixed shapes, recorded at the third batch of a size and replayed from then on.

    The batches before are trained on as well, so nothing has to be put back. A step that cannot be recorded is a
    warning, and training goes on kernel by kernel.
    """

    def __init__(self, model, optimizer, graphs):
        self.take, self.graphs = partial(take, model, optimizer), graphs
        # by batch size: how many were seen, and (buffers of the batch's indices, replay, terms) once recorded
        self.seen, self.recorded = Counter(), {}

    def __call__(self, batch: Batch) -> Terms:
        batch, size = batch._replace(fixed=True), len(batch.users)
        if self.graphs is None:  # recording failed before
            return self.take(batch)
        self.seen[size] += 1
        if self.seen[size] <= WARM_UP:
            return self.graphs.warm_up(partial(self.take, batch))
        if size not in self.recorded and not self._record(batch, size):
            return self.take(batch)
        buffers, replay, terms = self.recorded[size]
        for buffer, tensor in zip(buffers, _indices(batch), strict=True):
            buffer.copy_(tensor)
        replay()
        return {name: value.clone() for name, value in terms.items()}  # the next replay overwrites them

    def _record(self, batch: Batch, size: int) -> bool:
        """Record the step of a batch size on buffers of its own; whether it could be recorded."""
        users, positives, negatives = (tensor.clone() for tensor in _indices(batch))
        own = batch._replace(users=users, positives=positives, negatives=negatives)
        # the recorded kernels read the buffers for ever: `__call__` copies every later batch into them
        try:
            replay, terms = self.graphs.record(partial(self.take, own), batch.generator)
        except RuntimeError as error:
            first_line = str(error).partition("\n")[0]
            warnings.warn(f"the step runs kernel by kernel: {first_line}", stacklevel=2)
            self.graphs = None
            return False
        self.recorded[size] = (_indices(own), replay, terms)
        return True


def _indices(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    return batch.users, batch.positives, batch.negatives
