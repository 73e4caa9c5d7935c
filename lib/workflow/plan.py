"""Which tasks would do something now, why, and how long that takes: the answer of `make plan`.

Snakemake decides by file times which commands to start and a notebook then decides by content whether to execute; this
is told by content throughout, so it names what would really be executed.
"""

from dataclasses import dataclass

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.workflow import experiments, pipeline, to_train
from lib.workflow.durations import estimate, measured
from lib.workflow.executions import executions
from lib.workflow.experiments import CellName
from lib.workflow.notebook_jobs import OWN_CODE
from lib.workflow.pipeline import Task

REREAD = 6.0  # seconds to execute 04_train for a finished run


@dataclass(frozen=True)
class Step:
    """A task that would do something: why, and how long it took before (None: never seen)."""

    name: str
    why: str
    seconds: float | None
    recorded: bool = False  # a training whose results but for vectors are in data/recorded


def plan(paper: str = "all", dataset: str = "default", recorded: bool = False) -> list[Step]:
    """What `make paper` would do for some papers and datasets, in that order; raises UserError for an unknown name.

    recorded: with runs of data/recorded in place of trainings.
    """
    earlier, unsettled, steps = measured(), set(), []
    for task in pipeline.tasks(experiments.chosen(paper, dataset), recorded):
        why = _reason(task, unsettled)
        if why:
            unsettled |= {task.done, *task.makes}
            seconds, there = estimate(task.name, earlier), False
            if task.job and task.job.notebook.stem == "04_train":
                if _only_code_changed(task) and _is_trained(task):
                    why, seconds = f"trained, only its notebook is executed again ({why})", REREAD
                else:
                    there = _is_recorded(task)
            steps.append(Step(task.name, why, seconds, there))
    return steps


def taken(paper: str = "all", dataset: str = "default", recorded: bool = False) -> int:
    """How many runs `make paper` takes from data/recorded; there is no step for them."""
    chosen = experiments.chosen(paper, dataset)
    found = [to_train.runs(own, executions(own, recorded), recorded) for own in chosen]
    trained = {cell.folder for runs in found for cell in runs.trained}  # perhaps by another paper
    return len({cell.folder for runs in found for cell in runs.taken} - trained)


def _reason(task: Task, unsettled: set[str]) -> str:
    """Why a task would do something; empty when it would not."""
    if task.job is None:
        return _reason_to_fetch(task)
    if not (ROOT / task.job.out).exists():
        return "to be made"
    if (ROOT / task.job.out).with_suffix(".failure.md").exists():
        return "failed last time"
    # before contents are compared, since what a step above will write still has its old one
    if unsettled.intersection(task.reads):
        return "follows from the above"
    try:
        changes = task.job.changes
    except UserError:  # an input that is yet to be made
        return "follows from the above"
    if changes:
        return f"changed: {', '.join(changes[:3])}" + (f" and {len(changes) - 3} more" if len(changes) > 3 else "")
    return "" if task.job.up_to_date else "to be made"


def _only_code_changed(task: Task) -> bool:
    """Whether nothing but the notebook's own code or lib has changed since its copy was made, or there is no copy."""
    try:
        return all(name == OWN_CODE or name.startswith("lib/") for name in task.job.changes)
    except UserError:
        return False


def _reason_to_fetch(task: Task) -> str:
    noted = ROOT / task.done
    if not noted.exists():
        return "to be fetched"
    newer = [name for name in task.reads if (ROOT / name).stat().st_mtime > noted.stat().st_mtime]
    return f"changed: {newer[0]}" if newer else ""


def _is_trained(task: Task) -> bool:
    """Whether a training's run is finished; its notebook also depends on code that does not change a run."""
    from lib.workflow.cells import finished_by_this_code, is_whole  # torch: only where there is something to train

    cell = _cell(task)
    return finished_by_this_code(cell) and (not task.job.parameters.get("vectors", True) or is_whole(cell))


def _is_recorded(task: Task) -> bool:
    """Whether data/recorded has the run of a training, with today's settings and code."""
    return to_train.is_recorded(CellName(**{name: task.job.parameters[name] for name in CellName._fields}))


def _cell(task: Task):
    from lib.training.run_settings import resolve
    from lib.workflow.graph_cells import GraphCell

    return GraphCell(resolve(**{name: value for name, value in task.job.parameters.items() if name != "vectors"}))


def summary(steps: list[Step], cores: int, taken: int = 0) -> str:
    """The plan as text: one line per step, the time it all takes, and how many trainings data/recorded has.

    taken: those that come from there.
    """
    if not steps:
        return "nothing to do: everything is up to date"
    more = sum(step.recorded for step in steps)
    said = [f"{taken} of the trainings come from data/recorded"] if taken else []
    if more:
        hint = "make paper RECORDED=yes takes them from there too and leaves out what needs vectors"
        said.append(f"{more} of those that are to be trained are in data/recorded: {hint}")
    return "\n".join([_times(steps, cores), *said])


def _times(steps: list[Step], cores: int) -> str:
    width = max(len(step.name) for step in steps)
    lines = [f"{step.name:{width}}  {_duration(step.seconds):>8}  {step.why}" for step in steps]
    known = [step.seconds for step in steps if step.seconds is not None]
    if not known:
        return "\n".join([*lines, f"{len(steps)} steps, and nothing like them ran before"])
    time = _duration(max([sum(known) / cores, *known]))  # no less than the longest one takes
    unseen = f", not counting {len(steps) - len(known)} of which no time is known" if len(known) < len(steps) else ""
    return "\n".join([*lines, f"{len(steps)} steps, about {time} on {cores} cores{unseen}"])


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
