"""Sequences of tokens grouped by length, so that a batch has little padding, and what happens when one is too large."""

import warnings
from collections.abc import Iterator

import torch

from lib.core.errors import UserError


def by_length(lengths: list[int], budget: int) -> list[list[int]]:
    """Indices in batches of at most `budget` tokens with padding, the longest sequences first.

    A longer sequence has a batch of its own.
    """
    batches = []
    # the longest first: memory ends at once or never, and the time left is not underestimated
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


class Memory:
    """Computes batches of at most `budget` tokens with padding, and of half as many whenever memory runs out."""

    def __init__(self, budget: int):
        self.budget = budget

    def batches(self, lengths: list[int], compute) -> Iterator[tuple[list[int], object]]:
        """Yield indices and `compute(indices)` batch by batch; raises UserError when not even one sequence fits."""
        waiting = by_length(lengths, self.budget)
        while waiting:
            try:
                result = compute(waiting[0])
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                result = None
            # outside of `except`, which would hold what the failed try has in memory
            if result is not None:
                yield waiting.pop(0), result
                continue
            self._halve(lengths, waiting[0])
            left = [index for batch in waiting for index in batch]
            waiting = [[left[i] for i in batch] for batch in by_length([lengths[i] for i in left], self.budget)]

    def _halve(self, lengths: list[int], batch: list[int]) -> None:
        longest = lengths[batch[0]]
        if len(batch) == 1:
            raise UserError(f"not enough memory for a prompt of {longest} tokens: shorten the prompts")
        self.budget = len(batch) * longest // 2
        said = f"out of memory with {len(batch)} prompts of up to {longest} tokens at a time"
        warnings.warn(f"{said}: going on with half as many, {self.budget} tokens", stacklevel=3)


def out_of_memory(error: RuntimeError) -> bool:
    """Whether torch could not get memory, on a GPU or on the processor, where it says so in words only."""
    return isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error)


def padded(sequences: list[list[int]], device: str) -> torch.Tensor:
    """Token numbers [B, longest], each row padded on the right.

    A causal model never looks to the right, so padding there changes nothing and needs neither a mask nor positions of
    its own. Padding on the left would need both, and masked attention takes twice as long.
    """
    longest = max(map(len, sequences))
    return torch.tensor([[*sequence, *[0] * (longest - len(sequence))] for sequence in sequences], device=device)
