"""Every execution of an experiment's notebooks, and those that its dataset or grid cannot have, with the reason.

What a notebook asks for is read off itself and the runs that it needs, so that a new notebook needs no line here.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lib.core.files import ROOT
from lib.core.fingerprints import source_of
from lib.core.names import read_dataset, reads_text
from lib.workflow import study_cells
from lib.workflow.experiments import CellName, Experiment, Grid
from lib.workflow.notebook_parameters import defaults


class Execution(NamedTuple):
    """One execution of a paper's notebook."""

    name: str  # of the notebook
    values: dict  # the parameters that params/experiments.yaml chooses for it
    backbone: str | None  # the one that it is about
    cells: list[CellName]  # what it needs beside the grid


def executions(experiment: Experiment, recorded: bool = False) -> list[Execution]:
    """Every execution that can be made; recorded: of notebooks that need no vectors."""
    found = _all(experiment, recorded)
    return [one for one in found if not obstacle(_notebook(experiment, one.name), experiment.grid, one.cells)]


def left_out(experiments: Sequence[Experiment]) -> list[str]:
    """One sentence for each notebook of some experiments that cannot be made: which, and why."""
    said = {
        f"left out: {own.paper}/{one.name} of {own.dataset}, since {why}": None
        for own in experiments
        for one in _all(own)
        if (why := obstacle(_notebook(own, one.name), own.grid, one.cells))
    }
    return list(said)


def offered(experiment: Experiment) -> dict:
    """What every notebook of an experiment is offered."""
    grid = experiment.grid
    known = {"dataset": experiment.dataset, "scale": grid.scale}
    if grid.cells():
        known |= {"encoder": grid.encoder, "seed": grid.seeds[0], "seeds": grid.seeds[:1]}
    return known


def _notebook(experiment: Experiment, name: str) -> Path:
    return ROOT / f"notebooks/{experiment.paper}/{name}.ipynb"


def _all(experiment: Experiment, recorded: bool = False) -> Iterator[Execution]:
    for name, chosen in experiment.notebooks.items():
        notebook = _notebook(experiment, name)
        if recorded and needs_vectors(notebook):
            continue
        for backbone in _backbones(experiment, chosen, defaults(notebook).get("backbone")):
            values = chosen | ({"backbone": backbone} if backbone else {})
            cells = study_cells.of_notebook(experiment.paper, name, offered(experiment) | values)
            cells = [cell._replace(scale=experiment.grid.scale) for _, cell in cells]
            yield Execution(name, values, backbone, cells)


def _backbones(experiment: Experiment, chosen: dict, default: str | None) -> list[str | None]:
    """The backbones that a notebook is executed for; None for one that is about all."""
    known = experiment.grid.backbones
    # a notebook's own default is a backbone of RLMRec, which a grid need not have
    which = chosen.get("backbone", default if default in (None, *known) else known[0])
    return known if which == "each" else which if isinstance(which, list) else [which]


# What a notebook asks for


def needs_vectors(notebook: Path) -> bool:
    """Whether a notebook asks for runs with their vectors, which data/recorded does not have."""
    return any("ensure(" in source and "vectors=True" in source for source in source_of(notebook))


def obstacle(notebook: Path, grid: Grid, cells: Sequence[CellName]) -> str:
    """Why a notebook cannot be made of a grid and the further runs that it needs; empty where it can."""
    compares = any("grids.aligned(" in source for source in source_of(notebook))
    if compares and not any(reads_text(alignment) for _, alignment, _ in grid.cells()):
        return "the grid has base models only, and it compares alignments with them: add an alignment and an encoder"
    from lib.data import datasets  # pandas: not for the command line's help

    halves = {read_dataset(cell.dataset).name for cell in cells if read_dataset(cell.dataset).kind in ("early", "late")}
    if undated := sorted(name for name in halves if not datasets.has_dates(name)):
        return f"{undated[0]} has no dates, and it divides the data by time: add a column timestamp"
    return ""
