"""15_sensitivity: one setting at a time away from its published value."""

from lib.core.files import ROOT, read_yaml
from lib.core.names import with_settings
from lib.workflow.experiments import alignments_of
from lib.workflow.study_cells import StudyCells, under


def cells(
    dataset: str,
    backbone: str,
    encoder: str,
    seeds: list,
    factors: list,
    temperatures: list,
    mask_ratios: list,
    sizes: list,
    scale: str,
) -> StudyCells:
    """Conditions `setting`, `value`, `published` (whether the value is) and `alignment`.

    Of a setting, each alignment that has it is taken at its own value and at the others; `factors` multiply the weight.
    """
    known = _published(dataset, backbone, scale)
    values = dict(weight=factors, temperature=temperatures, mask_ratio=mask_ratios, embedding_size=sizes)
    conditions = []
    for setting in (name for name, others in values.items() if others):
        for kind in (kind for kind in known if setting in known[kind]):
            own = known[kind][setting]
            others = [own * x for x in factors] if setting == "weight" else values[setting]
            for value in [own, *(x for x in others if x != own)]:
                label = kind if value == own else with_settings(kind, **{setting: value})
                about = dict(setting=setting, value=float(f"{value:g}"), published=value == own)
                conditions.append(dict(about, alignment=label))
    return under(conditions, dataset, backbone, encoder, seeds)


def _published(dataset: str, backbone: str, scale: str) -> dict[str, dict]:
    """The settings of each alignment of the grid: its block of params/<dataset>/<backbone>.yaml and the protocol's."""
    scales = read_yaml(ROOT / "params/protocol.yaml")
    blocks = read_yaml(ROOT / f"params/{dataset}/{backbone}.yaml")["hyperparameters"]
    kinds = alignments_of("rlmrec", dataset, backbone)
    return {kind: scales["paper"] | scales.get(scale, {}) | blocks[kind] for kind in kinds}
