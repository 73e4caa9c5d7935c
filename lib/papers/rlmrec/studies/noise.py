"""12_noise: every alignment of the grid at every share of random interactions."""

from lib.core.names import with_noise
from lib.workflow.experiments import alignments_of
from lib.workflow.study_cells import StudyCells, under


def cells(dataset: str, backbone: str, encoder: str, seeds: list, shares: list) -> StudyCells:
    """Conditions `noise` (share) and `alignment`."""
    kinds = alignments_of("rlmrec", dataset, backbone)
    conditions = [
        dict(noise=share, alignment=kind, dataset=with_noise(dataset, share)) for share in shares for kind in kinds
    ]
    return under(conditions, dataset, backbone, encoder, seeds)
