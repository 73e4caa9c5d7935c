"""The cells of experiments and studies as settings of runs."""

from pathlib import Path

from lib.core.errors import UserError, unknown
from lib.core.files import ROOT
from lib.evaluation.verdicts.against_base import again
from lib.training.run_settings import RunSettings, resolve
from lib.workflow import experiment_files, experiments
from lib.workflow.study_cells import StudyCells


def grid(
    paper: str,
    dataset: str,
    scale: str | None = None,
    encoder: str | None = None,
    params: Path = ROOT / "params",
    **chosen,
) -> list[RunSettings]:
    """The settings of every run that a paper reads of a dataset, optionally at another scale or with another encoder.

    `chosen` are the backbones, alignments or seeds to take instead of the grid's. Raises UserError as `resolve` does.
    """
    known = experiments.load(params, [dataset])
    if (paper, dataset) not in known:
        raise unknown(
            f"dataset of {paper} in params/experiments.yaml",
            dataset,
            [of for name, of in experiment_files.written(params) if name == paper],
        )
    own = known[paper, dataset].grid
    return [
        resolve(dataset, *cell, scale or own.scale, encoder or own.encoder, params=params)
        for cell in own.cells(**chosen)
    ]


def plain(
    paper: str, dataset: str, scale: str, encoder: str, seed: int, backbones: list[str] | None = None
) -> list[RunSettings]:
    """Each backbone with every alignment that the paper's grid has of it (`Grid.alignments_of`), all with one seed."""
    known = grid(paper, dataset, scale, encoder)  # raises UserError where there is no such grid
    return [
        cell
        for backbone in backbones or dict.fromkeys(cell.backbone for cell in known)
        for cell in grid(
            paper, dataset, scale, encoder, backbones=[backbone], seeds=[seed],
            alignments=experiments.alignments_of(paper, dataset, backbone),
        )
    ]  # fmt: skip


def aligned(cells: list[RunSettings]) -> RunSettings:
    """The first cell that reads text, whose text vectors are those of all; raises UserError where all are base."""
    found = next((cell for cell in cells if cell.kind != "base"), None)
    if found is None:
        raise UserError("every cell here is base, which reads no text: add an alignment to the grid of this dataset")
    return found


def base_cells(dataset: str, scale: str, params: Path = ROOT / "params") -> list[RunSettings]:
    """The base models of a dataset's grids, with all their seeds; none where params/experiments.yaml has no such grid.

    Studies compare with them, and their spread between seeds stands in for that of cells with one.
    """
    papers = [paper for paper, _ in experiments.load(params, [dataset])]
    cells = [cell for paper in papers for cell in grid(paper, dataset, scale, params=params, alignments=["base"])]
    return list({cell.digest: cell for cell in cells}.values())


def bases(paper: str, dataset: str, scale: str, encoder: str, seed: int) -> dict[tuple[str, str], RunSettings]:
    """Base of every backbone with a seed, and the grid's runs of base with other seeds, which tell what seeds do.

    Under (backbone, 'base') and, as `against_base.again` calls them, (backbone, 'base again 2024').
    """
    first = grid(paper, dataset, scale, encoder, alignments=["base"], seeds=[seed])
    further = [cell for cell in grid(paper, dataset, scale, encoder, alignments=["base"]) if cell.seed != seed]
    found = {(cell.backbone, "base"): cell for cell in first}
    return found | {(cell.backbone, again(cell.seed)): cell for cell in further}


def study(cells: StudyCells, scale: str, params: Path = ROOT / "params") -> list[tuple[dict, RunSettings]]:
    """The runs of a study as (labels of the condition, settings); raises UserError as `resolve` does."""
    return [
        (labels, resolve(run.dataset, run.backbone, run.alignment, run.seed, scale, run.encoder, params=params))
        for labels, run in cells
    ]
