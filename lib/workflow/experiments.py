"""Which paper makes which tables and figures of which dataset: params/experiments.yaml, readable without loading torch.

An experiment is one paper's entry for one dataset: a grid of cells that are trained, and the notebooks that read them.
The entries of a single dataset may also stand in params/<dataset>/experiments.yaml, by paper.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from lib.core.errors import UserError, unknown
from lib.core.files import ROOT, read_yaml
from lib.core.names import DEFAULT_DATASET, half, read_alignment, read_dataset, reads_text, run_folder, vector_file
from lib.core.settings import Strict, validated
from lib.core.vector_files import identified

BESIDE = ("dataset", "experiments")  # the other yaml files in a dataset's folder of params/ are those of backbones


class CellName(NamedTuple):
    """One run by its names, which may be those of variants (lib/core/names.py)."""

    dataset: str
    backbone: str
    alignment: str
    encoder: str
    seed: int

    @property
    def folder(self) -> str:
        """The run folder."""
        encoder = identified(self.encoder)  # as run settings have it
        return f"runs/{run_folder(self.dataset, encoder, self.backbone, self.alignment, self.seed)}"

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
    seeds: list[int] | None = None


class Grid(Strict):
    """Graph recommenders to train: every combination of backbone, alignment and seed is a cell."""

    scale: Literal["quick", "paper"] = Field(description="of params/protocol.yaml")
    encoder: str = Field(description="of params/encoders; 'none' for data without texts, which has base models only")
    backbones: list[str] = Field(min_length=1)
    alignments: list[str] = Field(min_length=1, description="base@contrastive: base with contrastive's settings")
    seeds: list[int] = Field(min_length=1)
    more: list[More] = Field([], description="cells beside the grid's, such as a second seed of some")

    @model_validator(mode="after")
    def _texts(self):
        if self.encoder == "none" and any(reads_text(alignment) for _, alignment, _ in self.cells()):
            raise PydanticCustomError("texts", "without an encoder the alignments must be base")
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
        cells = self.cells(**chosen)
        return [CellName(dataset, backbone, alignment, self.encoder, seed) for backbone, alignment, seed in cells]


class Entry(Strict):
    """An experiment as the yaml file writes it."""

    grid: Grid | str = Field(description="the cells, or the paper whose entry for this dataset has them")
    notebooks: dict[str, dict] = Field(
        {}, description="of notebooks/<paper>/, with the parameters that differ from their defaults; backbone: each "
        "executes a notebook once for every backbone of the grid, and a list once for each that it names"
    )  # fmt: skip


@dataclass(frozen=True)
class Experiment:
    """What one paper makes of one dataset."""

    paper: str
    dataset: str
    grid: Grid
    notebooks: dict[str, dict]
    file: str = "params/experiments.yaml"  # where it stands


def load(params: Path = ROOT / "params") -> dict[tuple[str, str], Experiment]:
    """All experiments by (paper, dataset); raises UserError for a misspelt name, also of a backbone or alignment."""
    params = Path(params)
    written = _written(params)
    entries = {
        (paper, dataset): validated(Entry, entry or {}, f"{path} ({paper}, {dataset})")
        for (paper, dataset), (path, entry) in written.items()
    }
    # a second pass, since an entry may name the grid of a paper that stands below it in the file
    experiments = {}
    for (paper, dataset), entry in entries.items():
        grid, path = entry.grid, written[paper, dataset][0]
        if isinstance(grid, str):  # another paper's cells
            other = entries.get((grid, dataset))
            if other is None or isinstance(other.grid, str):
                known = [name for (name, of), own in entries.items() if of == dataset and isinstance(own.grid, Grid)]
                raise UserError(f"{path} ({paper}, {dataset}): {unknown('grid', grid, known)}")
            grid = other.grid
        file = f"params/{path.relative_to(params)}"
        experiments[paper, dataset] = Experiment(paper, dataset, grid, entry.notebooks, file)
        _check(path, dataset, grid, params)
    for dataset in {dataset for _, dataset in experiments}:
        scales = {(own.grid.scale, own.grid.encoder) for (_, of), own in experiments.items() if of == dataset}
        if len(scales) > 1:  # run folders and what papers share have one place per dataset
            raise UserError(
                f"{params}: the papers' grids of {dataset} differ in scale or encoder: give all of them the same"
            )
    return experiments


def _written(params: Path) -> dict[tuple[str, str], tuple[Path, dict]]:
    """File and entry of every experiment as the yaml files have it; raises UserError for one that two files have."""
    common = params / "experiments.yaml"
    found = {}
    for paper, datasets in read_yaml(common).items():
        if not isinstance(datasets, dict):
            raise UserError(f"{common} ({paper}): name the datasets of this paper, each with a grid")
        found |= {(paper, dataset): (common, entry) for dataset, entry in datasets.items()}
    for path in sorted(params.glob("*/experiments.yaml")):
        own = {(paper, path.parent.name): (path, entry) for paper, entry in read_yaml(path).items()}
        if twice := sorted(own.keys() & found.keys()):
            raise UserError(f"{path} ({twice[0][0]}): {common} has an entry for this dataset too: remove one of them")
        found |= own
    return found


def chosen(paper: str = "all", dataset: str = "default", params: Path = ROOT / "params") -> list[Experiment]:
    """The experiments of some papers and datasets, each named in a text with spaces between; raises UserError.

    `all` stands for every paper or dataset, `default` for the dataset that everybody has.
    """
    known = load(params)
    papers = _named("paper", paper, [name for name, _ in known])
    datasets = _named("dataset of params/experiments.yaml", dataset, [name for _, name in known])
    found = [entry for (paper, dataset), entry in known.items() if paper in papers and dataset in datasets]
    if not found:
        raise UserError(f"no experiment of {paper} on {dataset}: params/experiments.yaml has none")
    return found


def seeds_of_base(dataset: str, backbone: str, params: Path = ROOT / "params") -> list[int]:
    """The seeds with which the grids of a dataset train the base model of a backbone; none without such a grid."""
    grids = [own.grid for (_, of), own in load(params).items() if of == dataset]
    found = [seed for grid in grids for _, _, seed in grid.cells(backbones=[backbone], alignments=["base"])]
    return list(dict.fromkeys(found))


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
        blocks = read_yaml(cells[backbone]).get("hyperparameters", {})
        name = read_alignment(alignment)
        for needed in (name.kind, name.settings_of):
            if needed not in blocks:
                raise UserError(f"{path} ({dataset}, {backbone}): {unknown('alignment', needed, blocks)}")
