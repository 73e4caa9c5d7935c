"""13_texts: the alignments of the grid with the true, the shuffled and other text vectors, and KAR beside them."""

from lib.core.files import ROOT, read_yaml
from lib.core.names import shuffled
from lib.workflow.experiments import alignments_of
from lib.workflow.study_cells import StudyCells, under


def cells(dataset: str, backbone: str, encoder: str, others: list, seeds: list) -> StudyCells:
    """Conditions `encoder` ('' for base, which reads none) and `alignment`; KAR where the backbone's yaml has it."""
    conditions = [dict(encoder="", alignment="base")]
    kinds = alignments_of("rlmrec", dataset, backbone)
    for name in (encoder, shuffled(encoder), *others):
        conditions += [dict(encoder=name, alignment=kind) for kind in kinds if kind not in ("base", "kar")]
    if "kar" in read_yaml(ROOT / f"params/{dataset}/{backbone}.yaml")["hyperparameters"]:
        conditions += [dict(encoder=encoder, alignment="kar")]
    return under(conditions, dataset, backbone, encoder, seeds)
