"""Which runs an experiment trains, and which it takes from data/recorded."""

from pathlib import Path
from typing import NamedTuple

from lib.core.files import ROOT
from lib.workflow.executions import Execution
from lib.workflow.experiments import CellName, Experiment
from lib.workflow.input_files import recorded_run


class Runs(NamedTuple):
    """The runs behind an experiment's tables and figures, earlier ones first."""

    trained: dict[CellName, bool]  # and whether for their vectors
    taken: list[CellName]  # by the notebooks that read them, in less time than a training's kernel takes to start


def runs(experiment: Experiment, executions: list[Execution], recorded: bool) -> Runs:
    """The runs of the grid, and those that the notebooks need beside them.

    Studies compare metrics, so their runs may come from data/recorded; those of the grid are trained for their vectors,
    unless all are to come from there.
    """
    vectors = dict.fromkeys(experiment.grid.named(experiment.dataset), not recorded)
    for cell in (cell for execution in executions for cell in execution.cells):
        for needed in [cell.earlier, cell] if cell.earlier else [cell]:
            vectors.setdefault(needed, False)
    trained = {cell for cell, whole in vectors.items() if whole or not is_recorded(cell)}
    trained |= {cell.earlier for cell in trained if cell.earlier}  # whose vectors it starts from
    return Runs(
        {cell: whole for cell, whole in vectors.items() if cell in trained},
        [cell for cell in vectors if cell not in trained],
    )


def is_recorded(cell: CellName) -> bool:
    """Whether data/recorded has a run, with today's settings and code."""
    if not (ROOT / record_of(cell.folder)).exists():
        return False
    from lib.training.run_settings import resolve
    from lib.workflow.cells import of_this_code  # torch: only where there is a record
    from lib.workflow.graph_cells import GraphCell
    from lib.workflow.recorded_runs import manifest

    own = GraphCell(resolve(cell.dataset, cell.backbone, cell.alignment, cell.seed, cell.scale, cell.text))
    return of_this_code(manifest(own.record), own)


def record_of(folder: str) -> str:
    """The file that holds a run where it is recorded, by its folder runs/…"""
    folder = folder.removeprefix("runs/")
    return recorded_run(Path(folder.removeprefix("tiny/")).parts[0], folder)
