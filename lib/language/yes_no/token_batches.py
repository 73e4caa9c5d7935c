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


def fitting(lengths: list[int], budget: int, compute) -> Iterator[tuple[list[int], object]]:
    """Yield indices and `compute(indices)` for all batches; whenever memory runs out, with half as many tokens.

    Raises UserError when not even one sequence fits.
    """
    waiting = by_length(lengths, budget)
    while waiting:
        batch = waiting[0]
        try:
            result = compute(batch)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            result = None
        # outside of `except`, which would hold what the failed try has in memory
        if result is not None:
            yield waiting.pop(0), result
            continue
        if len(batch) == 1:
            raise UserError(f"not enough memory for a prompt of {lengths[batch[0]]} tokens: shorten the prompts")
        budget = len(batch) * lengths[batch[0]] // 2
        said = f"out of memory with {len(batch)} prompts of up to {lengths[batch[0]]} tokens at a time"
        warnings.warn(f"{said}: going on with half as many, {budget} tokens", stacklevel=2)
        left = [index for one in waiting for index in one]
        waiting = [[left[index] for index in one] for one in by_length([lengths[index] for index in left], budget)]


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
