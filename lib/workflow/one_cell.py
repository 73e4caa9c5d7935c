"""Training one cell by name, with what the dataset's experiments say of scale and encoder."""

from dataclasses import replace

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.core.names import read_dataset, read_encoder
from lib.core.vector_files import seen_from_root
from lib.language import text_vectors
from lib.language.weights import with_weights
from lib.training.run_settings import resolve
from lib.workflow import experiments, pipeline
from lib.workflow.input_files import fetched
from lib.workflow.notebook_jobs import Job
from lib.workflow.pipeline import Task


def task(
    dataset: str, backbone: str, alignment: str, seed: int, encoder: str | None, scale: str | None, values: list
) -> Task:
    """The task that trains this cell; `values` are (name, value) of further parameters of 04_train.

    Raises UserError for a misspelt name and for a parameter that is an argument.
    """
    own = {"dataset", "backbone", "alignment", "seed", "encoder", "scale"}
    if taken := sorted(own & set(dict(values))):
        raise UserError(f"-p {taken[0]} would say it twice: it is an argument or option of this command")
    plain = read_dataset(dataset).name
    known = experiments.load(datasets=[plain]).values()
    grid = next((entry.grid for entry in known if entry.grid.cells()), None)
    scale = scale or (grid.scale if grid else "quick")
    encoder = seen_from_root(encoder or (grid.encoder if grid else "minilm"))  # the notebook is executed there
    settings = resolve(dataset, backbone, alignment, seed, scale, encoder)  # a mistake is told before a kernel starts
    cell = experiments.CellName(dataset, backbone, settings.alignment, encoder, seed)
    if cell.text != "none":
        text_vectors.check_name(read_encoder(encoder).name)
    return pipeline.training(cell, scale, dict(values))


def weights_to_fetch(task: Task) -> list[str]:
    """The encoders that a task needs and nobody has fetched."""
    lacking = [name for name in pipeline.to_fetch([task]) if not (ROOT / fetched(name)).exists()]
    return [name for name in lacking if name in with_weights()]


def job(task: Task) -> Job:
    """What the task executes; data that a user put into place by hand have no note of what was fetched."""
    return replace(task.job, inputs=tuple(name for name in task.job.inputs if (ROOT / name).exists()))
