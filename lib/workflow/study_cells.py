"""The runs of studies: one backbone under conditions that no grid has, such as noise or another text.

Which runs a study needs is told by lib/papers/<paper>/studies/<name>.py, whose name is that of its notebook without the
number. `make paper` trains them from there as it trains a grid; the notebook reads the same list, and opened by hand it
trains what is missing. All of it is names: what they stand for is resolved by lib/workflow/grids.py.
"""

import importlib
import inspect
from collections.abc import Sequence
from pathlib import Path

from lib.core.files import ROOT
from lib.core.names import read_alignment, shortest
from lib.workflow.experiments import CellName, seeds_of_base
from lib.workflow.notebook_parameters import defaults

StudyCells = list[tuple[dict[str, object], CellName]]  # (labels of the condition, run)


def under(
    conditions: list[dict],
    dataset: str,
    backbone: str,
    encoder: str,
    seeds: Sequence[int],
    params: Path = ROOT / "params",
) -> StudyCells:
    """The runs of a study: every condition for every seed.

    A condition's `alignment`, `dataset` and `encoder` decide the run and may name variants; what else it holds are
    labels. The label `alignment` is the plain name, so that conditions of one alignment form a line. Base on the plain
    dataset is taken with all seeds that the grids have of it: it is known better than what it is compared with.
    """
    of_grids, found = seeds_of_base(dataset, backbone, params), []
    for condition in conditions:
        # the condition stands last, since it may replace what all have in common
        chosen = {"dataset": dataset, "encoder": encoder, **condition}
        name = shortest(chosen["alignment"])
        labels = {"alignment": read_alignment(name).kind}
        labels |= {key: value for key, value in condition.items() if key not in ("dataset", "alignment")}
        is_of_grid = (chosen["dataset"], name) == (dataset, "base")
        for seed in dict.fromkeys([*seeds, *(of_grids if is_of_grid else [])]):
            found.append((labels, CellName(chosen["dataset"], backbone, name, chosen["encoder"], seed)))
    return found


def of_notebook(paper: str, name: str, values: dict) -> StudyCells:
    """The runs that a notebook of a paper needs with these parameters; none if it is no study."""
    study = name.partition("_")[2]
    if not (ROOT / f"lib/papers/{paper}/studies/{study}.py").exists():
        return []
    # by name at run time, since papers stand above the workflow; a new study needs no line here
    cells = importlib.import_module(f"lib.papers.{paper}.studies.{study}").cells
    given = defaults(ROOT / f"notebooks/{paper}/{name}.ipynb") | values
    return cells(**{key: given[key] for key in inspect.signature(cells).parameters})
