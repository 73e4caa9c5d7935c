"""14_pretraining: base on the late halves, from random vectors or from those of a model of the early halves."""

from lib.core.names import half, with_settings
from lib.workflow.experiments import alignments_of
from lib.workflow.study_cells import StudyCells, under


def cells(dataset: str, backbone: str, encoder: str, seeds: list) -> StudyCells:
    """Conditions `start`: nothing, or the alignment of the model that is started from."""
    late = dict(dataset=half(dataset, "late"))
    conditions = [dict(start="nothing", alignment="base", **late)]
    kinds = alignments_of("rlmrec", dataset, backbone)
    conditions += [dict(start=kind, alignment=with_settings("base", initial=kind), **late) for kind in kinds]
    return under(conditions, dataset, backbone, encoder, seeds)
