"""Where a run computes: on the processor or on a GPU."""

import torch


def pick_device(device: str = "auto") -> str:
    """The given device; 'auto' means the GPU where there is one."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
