"""Which paper makes which tables and figures of which dataset: params/experiments.yaml, readable without loading torch.

An experiment is one paper's entry for one dataset: a grid of cells that are trained, if there is one, and notebooks.
The entries of a single dataset may also stand in params/<dataset>/experiments.yaml, by paper.
"""

from collections.abc import Container
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from lib.core.errors import UserError, unknown
from lib.core.files import ROOT, read_yaml
from lib.core.names import (
    ALIGNMENTS,
    DEFAULT_DATASET,
    half,
    is_plain,
    read_alignment,
    read_dataset,
    reads_text,
    run_folder,
    runs_of,
    vector_file,
)
from lib.core.settings import Seed, Strict, blocks, validated
from lib.core.vector_files import identified
from lib.workflow import experiment_files

BESIDE = ("dataset", "experiments")  # the other yaml files in a dataset's folder of params/ are those of backbones
Scale = Literal["tiny", "quick", "paper"]


class CellName(NamedTuple):
    """One run by its names, which may be those of variants (lib/core/names.py)."""

    dataset: str
    backbone: str
    alignment: str
    encoder: str
    seed: int
    scale: str = "paper"  # tiny trials lie elsewhere

    @property
    def folder(self) -> str:
        """The run folder."""
        encoder = identified(self.encoder)  # as run settings have it
        return f"{runs_of(self.scale)}/{run_folder(self.dataset, encoder, self.backbone, self.alignment, self.seed)}"

    @property
    def earlier(self) -> "CellName | None":
        """The run of the early halves whose ego table this one starts from, if there is one."""
        initial = read_alignment(self.alignment).changes.get("initial")
        early = half(read_dataset(self.dataset).name, "early")
        return self._replace(dataset=early, alignment=initial) if initial else None

    @property
    def text(self) -> str:
        """The encoder whose vectors decide the run, also by way of an earlier one; `none` if it reads no text."""
        reads = reads_text(self.alignment) or (self.earlier and reads_text(self.earlier.alignment))
        return self.encoder if reads else "none"


class More(Strict):
    """Further cells beside a grid's; backbones, alignments or seeds that are not named are the grid's."""

    backbones: list[str] | None = None
    alignments: list[str] | None = None
    seeds: list[Seed] | None = None


class Grid(Strict):
    """Graph recommenders to train: every combination of backbone, alignment and seed is a cell."""

    scale: Scale = Field(description="of params/protocol.yaml; tiny: a first try, in runs/tiny and no result")
    encoder: str = Field(description="of params/encoders; 'none' for data without texts, which has base models only")
    backbones: list[str] = Field(min_length=1)
    alignments: list[str] = Field(min_length=1, description="base@contrastive: base with contrastive's settings")
    seeds: list[Seed] = Field(min_length=1)
    more: list[More] = Field([], description="cells beside the grid's, such as a second seed of some")

    @model_validator(mode="after")
    def _texts(self):
        if self.encoder == "none" and any(reads_text(alignment) for _, alignment, _ in self.cells()):
            raise PydanticCustomError("texts", "without an encoder the alignments must be base")
        based = {backbone for backbone, alignment, _ in self.cells() if alignment == "base"}
        if lonely := [backbone for backbone, _, _ in self.cells() if backbone not in based]:
            text = f"add base to the alignments of {lonely[0]}: everything is compared with it"
            raise PydanticCustomError("base", "{text}", {"text": text})
        return self

    @property
    def encodes(self) -> bool:
        """Whether texts are encoded: there are some, and not ready-made vectors in their place."""
        return self.encoder != "none" and not vector_file(self.encoder)[0]

    def cells(self, backbones=None, alignments=None, seeds=None) -> list[tuple[str, str, int]]:
        """(backbone, alignment, seed) of every run.

        With names given, those cells of the full product, and what `more` has of them.
        """
        cells = list(product(backbones or self.backbones, alignments or self.alignments, seeds or self.seeds))
        for more in self.more:
            named = more.backbones or self.backbones, more.alignments or self.alignments, more.seeds or self.seeds
            cells += product(*named)

        def wanted(cell: tuple[str, str, int]) -> bool:
            chosen = zip(cell, (backbones, alignments, seeds), strict=True)
            return all(names is None or name in names for name, names in chosen)

        # each once: `more` may name cells that the grid has already
        return list(dict.fromkeys(filter(wanted, cells)))

    def folders(self, dataset: str, **chosen) -> list[str]:
        """Run folders of `cells`."""
        return [cell.folder for cell in self.named(dataset, **chosen)]

    def named(self, dataset: str, **chosen) -> list[CellName]:
        """`cells` with the names of the dataset and the encoder."""
        return [CellName(dataset, *cell[:2], self.encoder, cell[2], self.scale) for cell in self.cells(**chosen)]

    def alignments_of(self, backbone: str) -> list[str]:
        """Base and the alignments that a backbone is trained with, neither matched nor with a changed setting.

        Those of all backbones for one that is not in the grid.
        """
        cells = self.cells()
        own = [cell for cell in cells if cell[0] == backbone] or cells
        return list(dict.fromkeys(["base", *(name for _, name, _ in own if is_plain(name))]))


# of a paper that trains no graph recommenders
EMPTY = Grid.model_construct(encoder="none", backbones=[], alignments=[], seeds=[], more=[])


class Entry(Strict):
    """An experiment as the yaml file writes it."""

    grid: Grid | str | None = Field(None, description="the cells, or the paper whose entry for this dataset has them")
    scale: Scale | None = Field(None, description="of the notebooks of an entry without a grid, in place of a grid's")
    notebooks: dict[str, dict] = Field(
        {}, description="of notebooks/<paper>/, with the parameters that differ from their defaults; backbone: each "
        "executes a notebook once for every backbone of the grid, and a list once for each that it names"
    )  # fmt: skip

    @model_validator(mode="after")
    def _scaled(self):
        if (self.grid is None) == (self.scale is None):
            raise PydanticCustomError("scale", "write either a grid or, where nothing is trained from one, a scale")
        return self


@dataclass(frozen=True)
class Experiment:
    """What one paper makes of one dataset."""

    paper: str
    dataset: str
    grid: Grid
    notebooks: dict[str, dict]
    file: str = "params/experiments.yaml"  # where it stands


def load(params: Path = ROOT / "params", datasets: Container[str] | None = None) -> dict[tuple[str, str], Experiment]:
    """Experiments by (paper, dataset), of some `datasets` or all.

    Raises UserError for a misspelt name in them, also of a backbone or alignment. Mistakes in the files of other
    datasets are not looked for: they must not stop these.
    """
    params = Path(params)
    written = experiment_files.written(params, datasets)
    entries = {
        (paper, dataset): validated(Entry, entry, f"{path} ({paper}, {dataset})")
        for (paper, dataset), (path, entry) in written.items()
        if datasets is None or dataset in datasets
    }
    # a second pass, since an entry may name the grid of a paper that stands below it in the file
    experiments = {}
    for (paper, dataset), entry in entries.items():
        grid, path = entry.grid, written[paper, dataset][0]
        if isinstance(grid, str):  # another paper's cells
            other = entries.get((grid, dataset))
            if other is None or not isinstance(other.grid, Grid):
                known = [name for (name, of), own in entries.items() if of == dataset and isinstance(own.grid, Grid)]
                raise UserError(f"{path} ({paper}, {dataset}): {unknown('grid', grid, known)}")
            grid = other.grid
        file = f"params/{path.relative_to(params)}"
        grid = grid or EMPTY.model_copy(update={"scale": entry.scale})
        experiments[paper, dataset] = Experiment(paper, dataset, grid, entry.notebooks, file)
        _check(path, dataset, grid, params)
    for dataset in {dataset for _, dataset in experiments}:
        every = [own.grid for (_, of), own in experiments.items() if of == dataset]
        scales = {(grid.scale, grid.encoder) for grid in every if grid.cells()}
        if len(scales) > 1:  # run folders and what papers share have one place per dataset
            raise UserError(
                f"{params}: the papers' grids of {dataset} differ in scale or encoder: give all of them the same"
            )
    return experiments


def chosen(paper: str = "all", dataset: str = "default", params: Path = ROOT / "params") -> list[Experiment]:
    """The experiments of some papers and datasets, each named in a text with spaces between; raises UserError.

    `all` stands for every paper or dataset, `default` for the dataset that everybody has.
    """
    datasets = _named("dataset of params/experiments.yaml", dataset, experiment_files.datasets(params))
    papers = _named("paper", paper, [name for name, _ in experiment_files.written(params, datasets)])
    experiments = load(params, datasets)
    found = [entry for (paper, _), entry in experiments.items() if paper in papers]
    if not found:
        raise UserError(f"no experiment of {paper} on {dataset}: params/experiments.yaml has none")
    return found


def seeds_of_base(dataset: str, backbone: str, params: Path = ROOT / "params") -> list[int]:
    """The seeds with which the grids of a dataset train the base model of a backbone; none without such a grid."""
    grids = [own.grid for own in load(params, [dataset]).values()]
    found = [seed for grid in grids for _, _, seed in grid.cells(backbones=[backbone], alignments=["base"])]
    return list(dict.fromkeys(found))


def alignments_of(paper: str, dataset: str, backbone: str, params: Path = ROOT / "params") -> list[str]:
    """`Grid.alignments_of` of a paper's grid of a dataset; RLMRec's alignments where there is no such grid."""
    own = load(params).get((paper, dataset))
    return own.grid.alignments_of(backbone) if own else list(ALIGNMENTS)


def _named(kind: str, text: str, known: list[str]) -> list[str]:
    names = [DEFAULT_DATASET if name == "default" else name for name in text.split()]
    for name in names:
        if name != "all" and name not in known:
            raise unknown(kind, name, [*dict.fromkeys(known), "all"])
    return known if "all" in names else names


def _check(path: Path, dataset: str, grid: Grid, params: Path) -> None:
    """Backbones and alignments of a grid need a block in params/<dataset>/<backbone>.yaml."""
    cells = {file.stem: file for file in (params / dataset).glob("*.yaml") if file.stem not in BESIDE}
    for backbone, alignment in dict.fromkeys(cell[:2] for cell in grid.cells()):
        if backbone not in cells:
            raise UserError(f"{path} ({dataset}): {unknown('backbone', backbone, cells)}")
        known = blocks(read_yaml(cells[backbone]), str(cells[backbone]))
        name = read_alignment(alignment)
        for needed in (name.kind, name.settings_of):
            if needed not in known:
                raise UserError(f"{path} ({dataset}, {backbone}): {unknown('alignment', needed, known)}")
