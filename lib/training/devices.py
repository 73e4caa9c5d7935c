"""Where a run computes: on the processor or on a GPU."""

import contextlib

import torch


def pick_device(device: str = "auto") -> str:
    """The given device; 'auto' means the GPU where there is one."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


@contextlib.contextmanager
def threads(count: int):
    """Compute with so many threads of the processor, and with as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
