"""12_noise: every alignment at every share of random interactions."""

from lib.core.names import ALIGNMENTS, with_noise
from lib.workflow.study_cells import StudyCells, under


def cells(dataset: str, backbone: str, encoder: str, seeds: list, shares: list) -> StudyCells:
    """Conditions `noise` (share) and `alignment`."""
    conditions = [
        dict(noise=share, alignment=kind, dataset=with_noise(dataset, share)) for share in shares for kind in ALIGNMENTS
    ]
    return under(conditions, dataset, backbone, encoder, seeds)
