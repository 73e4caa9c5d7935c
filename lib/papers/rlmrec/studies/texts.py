"""13_texts: both alignments with the true, the shuffled and other text vectors, and KAR beside them."""

from lib.core.files import ROOT, read_yaml
from lib.core.names import ALIGNMENTS, shuffled
from lib.workflow.study_cells import StudyCells, under


def cells(dataset: str, backbone: str, encoder: str, others: list, seeds: list) -> StudyCells:
    """Conditions `encoder` ('' for base, which reads none) and `alignment`; KAR where the backbone's yaml has it."""
    conditions = [dict(encoder="", alignment="base")]
    for name in (encoder, shuffled(encoder), *others):
        conditions += [dict(encoder=name, alignment=kind) for kind in ALIGNMENTS[1:]]
    if "kar" in read_yaml(ROOT / f"params/{dataset}/{backbone}.yaml")["hyperparameters"]:
        conditions += [dict(encoder=encoder, alignment="kar")]
    return under(conditions, dataset, backbone, encoder, seeds)
