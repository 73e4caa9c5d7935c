"""Every task of an experiment, from fetching data to its last figure: what is run, what it reads, what it makes.

The Snakefile turns tasks into rules and lib/workflow/plan.py says which of them would run now; both read this list.
"""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lib.core.files import ROOT
from lib.core.fingerprints import imported_files
from lib.core.names import DEFAULT_DATASET, read_dataset, reads_text, results_folder, runs_of
from lib.workflow.executions import Execution, executions, offered
from lib.workflow.experiments import CellName, Experiment, Grid
from lib.workflow.input_files import (
    cell_files,
    dataset_files,
    encoder_files,
    fetched,
    is_data,
    language_model_files,
    paper_files,
)
from lib.workflow.notebook_jobs import Job
from lib.workflow.notebook_parameters import declared
from lib.workflow.to_train import record_of, runs

# notebooks whose first result does not have the notebook's own name
FIRST_RESULT = {
    "02_data": "data_card",
    "03_texts": "profiles",
    "06_tables": "ranking",
    "25_answers": "table_1",
    "26_ablations": "table_3",
    "27_scores": "softmax_twice",
}
GPU_MEMORY, MEMORY = 8000, 4000  # MB that a task is granted on a cluster


@dataclass(frozen=True)
class Task:
    """One command and its files, all relative to the repository.

    `reads` and `code` start it again when they are newer than what it makes; `after` only has to be there. What it
    `makes` is kept when it fails. `done` is a stamp that goes when a task starts: without it a failed task would count
    as finished, because its restored results are new files.
    """

    name: str
    command: str
    reads: list[str]
    done: str
    makes: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    job: Job | None = None  # the notebook that the command executes, if it does
    urgent: bool = False  # trainings wait for it
    resources: dict[str, int] = field(default_factory=dict)
    threads: int = 1


def tasks(experiments: list[Experiment], recorded: bool = False) -> list[Task]:
    """All tasks of some experiments, each once, what others wait for first.

    There is none for a run that data/recorded has and nothing needs the vectors of: notebooks that read it take it from
    there, which is done before a kernel of its own would have started. recorded: this goes for the grid too, and the
    notebooks that need vectors are left out.
    """
    found = {}
    for experiment in experiments:
        made = executions(experiment, recorded)
        trained = runs(experiment, made, recorded).trained
        cells = _trainings(experiment, trained)
        notebooks = [_paper_notebook(experiment, execution, {cell.folder for cell in trained}) for execution in made]
        shared = _shared(experiment.dataset, experiment.grid) if experiment.grid.cells() else []
        for task in [*shared, *cells, *notebooks]:
            # papers share data, vectors and trainings, and a stamp belongs to one task
            found.setdefault(task.done, task)
    if any(experiment.dataset == DEFAULT_DATASET for experiment in experiments):
        found |= {task.done: task for task in (_tour(), _method())}
    fetches = [fetch(name) for name in to_fetch(found.values())]
    code = {notebook: _code_of(notebook) for notebook in {task.job.notebook for task in found.values()}}
    return [*fetches, *(replace(task, code=[*code[task.job.notebook], *task.code]) for task in found.values())]


def _code_of(notebook: Path) -> list[str]:
    """A notebook and the modules of lib that it imports; looked up once for all the cells that 04_train trains."""
    return [notebook.as_posix(), *(path.relative_to(ROOT).as_posix() for path in imported_files(ROOT / notebook))]


# What is fetched


def fetch(name: str) -> Task:
    """Get a dataset or weights; files that a user put there start it again, so that their hashes are noted anew."""
    own = [*filter(is_data, ROOT.glob(f"data/{name}/*.*")), *ROOT.glob(f"data/weights/{name}/*.*")]
    reads = sorted(path.relative_to(ROOT).as_posix() for path in own)
    command = shlex.join([sys.executable, "-m", "lib", "fetch", name])
    return Task(f"fetch {name}", command, reads, done=fetched(name), urgent=True)


def to_fetch(tasks) -> list[str]:
    """The names of datasets and weights that tasks read."""
    files = dict.fromkeys(file for task in tasks for file in task.reads)
    return [Path(file).stem for file in files if file == fetched(Path(file).stem)]


# What all papers share


def _tour() -> Task:
    settings = f"params/{DEFAULT_DATASET}/lightgcn.yaml"
    reads = [*cell_files(DEFAULT_DATASET, "lightgcn", "contrastive", "minilm"), settings]
    return _task("00_tour", f"runs/{DEFAULT_DATASET}/notebooks/00_tour.done", {}, reads, [])


def _method() -> Task:
    settings = [f"params/{DEFAULT_DATASET}/lightgcn.yaml", "params/protocol.yaml"]
    return _task("01_method", f"runs/{DEFAULT_DATASET}/notebooks/01_method.done", {}, settings, [])


def _shared(dataset: str, grid: Grid) -> list[Task]:
    """Data card of a dataset, and its profiles with their vectors where texts are encoded."""
    card = _shared_task("02_data", dataset, grid, dataset_files(dataset))
    return [card, _texts(dataset, grid)] if grid.encodes else [card]


def _texts(dataset: str, grid: Grid) -> Task:
    """Encode the texts once, before the trainings that read the vectors from the cache."""
    reads = [*dataset_files(dataset), *encoder_files(grid.encoder)]
    resources = {"gpu": 1, "mem_mb": GPU_MEMORY, "runtime": 60}
    return _shared_task("03_texts", dataset, grid, reads, urgent=True, resources=resources, threads=8)


def _shared_task(notebook: str, dataset: str, grid: Grid, reads: list[str], **options) -> Task:
    values = {"dataset": dataset, "encoder": grid.encoder, "scale": grid.scale}
    makes = [f"{results_folder('shared', dataset, grid.scale)}/files/{_first_result(notebook)}.json"]
    done = f"{runs_of(grid.scale)}/{dataset}/notebooks/{notebook}.done"
    return _task(notebook, done, values, reads, makes, **options)


# Trainings


def _trainings(experiment: Experiment, trained: dict[CellName, bool]) -> list[Task]:
    """The cells of the grid, and those that the notebooks need beside them."""
    grid = experiment.grid
    encoded = [_texts(experiment.dataset, grid).done] if grid.encodes else []
    return [
        training(cell, grid.scale, {} if whole else {"vectors": False}, encoded if reads_text(cell.alignment) else [])
        for cell, whole in trained.items()
    ]


def training(cell: CellName, scale: str, values: dict | None = None, after: Sequence[str] = ()) -> Task:
    """Train one cell by executing 04_train into its run folder; `values` are further parameters of the notebook."""
    plain, cell = read_dataset(cell.dataset).name, cell._replace(scale=scale)
    settings, folder = f"params/{plain}/{cell.backbone}.yaml", cell.folder
    values_of_cell = {} if cell.dataset == plain else {"dataset": cell.dataset}  # else the settings say it
    values_of_cell |= {"alignment": cell.alignment, "seed": cell.seed, "scale": scale, "encoder": cell.text}
    earlier = [f"{cell.earlier.folder}/metrics.json"] if cell.earlier else []
    return _task(
        "04_train",
        f"{folder}/notebook.done",
        values_of_cell,
        [*cell_files(plain, cell.backbone, cell.alignment, cell.text), settings, *earlier],
        [f"{folder}/metrics.json"],
        files=[settings],
        chosen=values,
        after=list(after),
        resources={"gpu": 1, "mem_mb": GPU_MEMORY, "runtime": 240},
    )


# Notebooks of a paper


def _paper_notebook(experiment: Experiment, execution: Execution, trained: set[str]) -> Task:
    """A notebook that reads runs; the results of one that is about a backbone end with its name.

    trained: the folders of the runs that tasks train; others it takes from data/recorded.
    """
    paper, dataset, grid = experiment.paper, experiment.dataset, experiment.grid
    ending = f"_{execution.backbone}" if execution.backbone else ""
    # none: an empty grid's
    encoders = {grid.encoder, execution.values.get("encoder"), *execution.values.get("others", [])} - {None, "none"}
    texts = [file for encoder in sorted(encoders) for file in encoder_files(encoder)]
    texts += language_model_files(execution.values["model"]) if "model" in execution.values else []
    published = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("params/published/*.csv"))
    task = _task(
        f"{paper}/{execution.name}",
        f"{runs_of(grid.scale)}/{dataset}/notebooks/{paper}/{execution.name}{ending}.done",
        offered(experiment),
        [
            *_runs_read(experiment, execution, trained),
            *dataset_files(dataset),
            *paper_files(paper, dataset),
            *texts,
            *published,
        ],
        [f"{results_folder(paper, dataset, grid.scale)}/files/{_first_result(execution.name)}{ending}.json"],
        chosen=execution.values,
        resources={"gpu": 1, "mem_mb": MEMORY, "runtime": 120},
    )
    # an edit there starts the command; whether it concerns this notebook, its parameters and runs tell
    return replace(task, code=[experiment.file])


def _runs_read(experiment: Experiment, execution: Execution, trained: set[str]) -> list[str]:
    """What tells of the runs that a notebook reads: all of the grid, or of one backbone and of the study.

    The base models of the other backbones are among the latter: they tell how far seeds spread.
    """
    dataset, grid, backbone = experiment.dataset, experiment.grid, execution.backbone
    folders = grid.folders(dataset, backbones=[backbone] if backbone else None)
    if backbone:
        folders += grid.folders(dataset, alignments=["base"]) + [cell.folder for cell in execution.cells]
    return [f"{one}/metrics.json" if one in trained else record_of(one) for one in dict.fromkeys(folders)]


def _first_result(notebook: str) -> str:
    """The name under which a notebook saves its first figure or table: its own without the number."""
    return FIRST_RESULT.get(notebook, notebook.partition("_")[2])


def _task(notebook: str, done: str, known: dict, reads, makes, files=(), chosen=None, **options) -> Task:
    """The task that executes a notebook of notebooks/.

    Of the values `known` it takes the parameters that it declares; what is `chosen` for it, it must declare.
    """
    source, copy = f"notebooks/{notebook}.ipynb", done.replace(".done", ".ipynb")
    names = declared(ROOT / source)
    values = {name: value for name, value in known.items() if name in names} | (chosen or {})
    reads = list(dict.fromkeys(reads))
    job = Job(Path(source), Path(copy), tuple(files), values, tuple(reads), tuple(makes))
    # this Python, not whichever a shell would find
    command = shlex.join([sys.executable, *job.words])
    name = done.removeprefix("runs/").removesuffix(".done").removesuffix("/notebook")
    return Task(name, command, reads, done, list(makes), job=job, **options)
