"""14_pretraining: base on the late halves, from random vectors or from those of a model of the early halves."""

from lib.core.names import ALIGNMENTS, half, with_settings
from lib.workflow.study_cells import StudyCells, under


def cells(dataset: str, backbone: str, encoder: str, seeds: list) -> StudyCells:
    """Conditions `start`: nothing, or the alignment of the model that is started from."""
    late = dict(dataset=half(dataset, "late"))
    conditions = [dict(start="nothing", alignment="base", **late)]
    conditions += [dict(start=kind, alignment=with_settings("base", initial=kind), **late) for kind in ALIGNMENTS]
    return under(conditions, dataset, backbone, encoder, seeds)
