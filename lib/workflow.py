"""What the Snakefile's steps read, which of them would run now, and how long that takes."""

import csv
import json
import re
import shlex
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lib import notebook
from lib.experiments import Experiment, chosen_modules, experiments, reads_text
from lib.files import ROOT, UserError, read_yaml, unknown

# ---------------------------------------------------------------- what a step reads besides the lib it imports


def fetched(name: str) -> str:
    """What `python -m lib fetch` notes of a dataset or of weights: their files and hashes."""
    return f"data/cache/fetched/{name}.json"


def dataset_files(dataset: str) -> list[str]:
    """What decides the interactions and profiles of a dataset."""
    settings = f"params/{dataset}/dataset.yaml"
    files = sorted(ROOT.glob(f"data/recorded/{dataset}/*/*.json*"))  # one level deeper lie unfinished ones
    if not read_yaml(ROOT / settings).get("sources"):  # a user's own files, which nothing fetches
        files += sorted(path for path in ROOT.glob(f"data/{dataset}/*") if path.is_file())
    return [fetched(dataset), settings] + [path.relative_to(ROOT).as_posix() for path in files]


def encoder_files(encoder: str) -> list[str]:
    """Settings and weights of a named encoder, or a file of ready-made vectors; a model's name has none."""
    settings = f"params/encoders/{encoder}.yaml"
    if (ROOT / settings).is_file():
        return [settings] + ([fetched(encoder)] if read_yaml(ROOT / settings).get("sources") else [])
    return [encoder] if (ROOT / encoder).is_file() else []


def cell_files(dataset: str, backbone: str, alignment: str, encoder: str) -> list[str]:
    """What decides one training run besides its parameters; text plays no part in base."""
    text = [f"figures/{dataset}/text_vectors.csv", *encoder_files(encoder)] if reads_text(alignment) else []
    modules = [f"lib/{name}.py" for name in chosen_modules(backbone, alignment)]
    return [*dataset_files(dataset), "params/protocol.yaml", *modules, *text]


def study_files(dataset: str, grid: Experiment, study: str) -> list[str]:
    """What a study reads besides the grid's runs: the text vectors, and the encoders that its parameters name."""
    if grid.encoder == "none":
        return dataset_files(dataset)
    named = {word for value in grid.studies[study].values() if isinstance(value, list) for word in value}
    files = [
        file
        for encoder in sorted(map(str, {grid.encoder, *named}))
        for file in encoder_files(encoder.partition("+")[0])
    ]
    return [*dataset_files(dataset), f"figures/{dataset}/text_vectors.csv", *dict.fromkeys(files)]


# ---------------------------------------------------------------- what would run


REREAD = 6.0  # seconds to execute 04_train for a finished run


@dataclass(frozen=True)
class Step:
    """A command that Snakemake would start: why, and how long it took before (None: never seen)."""

    name: str
    why: str
    seconds: float | None


def plan(*targets: str) -> list[Step]:
    """What `snakemake <targets>` would start, inputs first; raises UserError when Snakemake refuses."""
    for name in set(targets) - set(known := ["paper", *experiments()]):
        raise unknown("target", name, known)
    earlier, unsettled, steps = measured(), set(), []
    for fields in map(_fields, re.split(r"(?m)^(?:local)?rule ", _dry_run(*targets))[1:]):
        job = _job(fields["command"])
        if unsettled.isdisjoint(fields["input"].split(", ")) and _up_to_date(job):
            steps.append(Step(fields["name"], "only file times changed, nothing to execute", 0))
        elif fields["command"] != "None":  # of a target
            unsettled |= {name.removesuffix(" (update)") for name in fields["output"].split(", ")}
            why, seconds = _why(fields["reason"], job), job and estimate(job.place, earlier)
            if job and job.notebook.stem == "04_train" and _trained(job):
                why, seconds = f"trained, only its notebook is executed again ({why})", REREAD
            steps.append(Step(fields["name"], why, seconds))
    return steps


def _trained(job: notebook.Job) -> bool:
    """Whether a training's run is finished; its notebook also depends on code that does not change a run."""
    from lib import params, runs  # torch: only where there is something to train

    given = job.parameters
    blocks = {name: value for name, value in given.items() if isinstance(value, dict)}
    return runs.trained(params.resolve(**{name: given[name] for name in given if name not in blocks}, blocks=blocks))


def _dry_run(*targets: str) -> str:
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", "params/workflow/default", "--cores", "1"]
    command += ["--dry-run", "--printshellcmds", "--quiet", "host", "progress", "--", *targets]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
    if done.returncode:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        raise UserError(f"snakemake cannot plan {' '.join(targets)}: {' '.join(lines[-4:])}")
    return done.stdout


def _fields(block: str) -> dict[str, str]:
    """The fields of one job in the text of a dry run."""
    fields = dict(re.findall(r"(?m)^    (\w+): (.*)$", block))
    wildcards = re.findall(r"=([^,]+)", fields.get("wildcards", ""))
    command = re.search(r"(?m)^Shell command: (.*)$", block)[1]
    return {"input": "", **fields, "name": " ".join([block.split(":")[0], *wildcards]), "command": command}


def _job(command: str) -> notebook.Job | None:
    """The notebook that a rule's command runs, if it runs one."""
    words = shlex.split(command.partition(" && ")[0])
    return notebook.parse(words[words.index("lib.notebook") + 1 :]) if "lib.notebook" in words else None


def _up_to_date(job: notebook.Job | None) -> bool:
    try:
        return job is not None and job.up_to_date
    except UserError:  # an input that is yet to be made
        return False


def _why(reason: str, job: notebook.Job | None) -> str:
    """Snakemake's reason in short."""
    reasons = dict(part.partition(": ")[::2] for part in reason.split("; "))
    if job and job.out.with_suffix(".failure.md").exists():
        return "failed last time"
    if changed := reasons.get("Updated input files"):
        files = changed.split(", ")
        return f"changed: {', '.join(files[:3])}" + (f" and {len(files) - 3} more" if len(files) > 3 else "")
    if "Missing output files" in reasons:
        return "to be made"
    return "follows from the above" if "Input files updated by another job" in reasons else reason


# ---------------------------------------------------------------- how long it takes


def measured() -> dict[str, float]:
    """Seconds of all known executions by place: those of this machine, or else those behind the committed results."""
    return published() | history()


def history(runs: Path = ROOT / "runs") -> dict[str, float]:
    """Seconds of earlier executions by the place of their copy in runs/; for a training what it really took."""
    places = {path: str(path.relative_to(runs).with_suffix("")) for path in runs.glob("*/notebooks/*.ipynb")}
    copies = {place: notebook.recorded(path).get("seconds") for path, place in places.items()}
    trained = {
        str(path.parent.relative_to(runs)): json.loads(path.read_text())["seconds"]
        for path in runs.rglob("manifest.json")
    }
    return {place: seconds for place, seconds in {**copies, **trained}.items() if seconds}


def published(figures: Path = ROOT / "figures") -> dict[str, float]:
    """Seconds of the trainings behind the committed results, by place without a seed: for what never ran here."""
    places = {}
    for path in sorted(figures.glob("*/cost.csv")):
        dataset = path.parent.name
        for row in csv.DictReader(path.read_text().splitlines()):
            encoder = experiments()[dataset].encoder if reads_text(row["alignment"]) else "none"
            places[f"{dataset}/{encoder}/{row['backbone']}/{row['alignment']}/seed"] = float(row["seconds"])
    return places


def estimate(place: str, earlier: dict[str, float]) -> float | None:
    """Median seconds of the most similar earlier executions: same dataset and notebook, then most else in common."""
    own, alike = place.split("/"), {}
    for parts, seconds in ((other.split("/"), seconds) for other, seconds in earlier.items()):
        # the last part is a notebook's number and name, or a seed
        if len(parts) == len(own) and parts[0] == own[0] and parts[-1][:2] == own[-1][:2]:
            alike.setdefault(sum(map(str.__eq__, parts, own)), []).append(seconds)
    return statistics.median(alike[max(alike)]) if alike else None


def summary(steps: list[Step], cores: int) -> str:
    """The plan as text: one line per step, and the time it all takes."""
    if not steps:
        return "nothing to do: everything is up to date"
    width = max(len(step.name) for step in steps)
    lines = [f"{step.name:{width}}  {_duration(step.seconds):>8}  {step.why}" for step in steps]
    known = [step.seconds for step in steps if step.seconds is not None]
    if not known:
        return "\n".join([*lines, f"{len(steps)} steps, and nothing like them ran before"])
    time = _duration(max([sum(known) / cores, *known]))
    unseen = f", not counting {len(steps) - len(known)} of which no time is known" if len(known) < len(steps) else ""
    return "\n".join([*lines, f"{len(steps)} steps, about {time} on {cores} cores{unseen}"])


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
