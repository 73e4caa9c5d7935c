"""How long tasks take, judged by earlier executions: here, or those behind the committed results."""

import contextlib
import csv
import statistics
from pathlib import Path

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.core.names import run_folder
from lib.core.vector_files import identified
from lib.workflow import experiment_files, experiments, notebook_jobs
from lib.workflow.manifests import read_manifest


def measured() -> dict[str, float]:
    """Seconds of all known executions by place: those of this machine, or else those behind the committed results."""
    return committed() | history()


def history(runs: Path = ROOT / "runs") -> dict[str, float]:
    """Seconds of earlier executions by the place of their copy in runs/; for a training what it really took."""
    seconds = {}
    for path in runs.glob("*/notebooks/**/*.ipynb"):
        seconds[str(path.relative_to(runs).with_suffix(""))] = notebook_jobs.recorded(path).get("seconds")
    for path in runs.rglob("manifest.json"):
        seconds[str(path.parent.relative_to(runs))] = read_manifest(path.parent).get("seconds")
    return {place: value for place, value in seconds.items() if value}


def committed(figures: Path = ROOT / "figures") -> dict[str, float]:
    """Seconds of the trainings behind the committed results, by place without a seed: for what never ran here."""
    places, known = {}, {}
    for dataset in experiment_files.datasets():
        with contextlib.suppress(UserError):  # of a dataset whose files have mistakes nothing is known
            known |= experiments.load(datasets=[dataset])
    for path in sorted(figures.glob("*/*/cost.csv")):
        paper, dataset = path.parts[-3:-1]
        if (paper, dataset) not in known:  # results of an experiment that is no longer planned
            continue
        for row in csv.DictReader(path.read_text().splitlines()):
            encoder = identified(known[paper, dataset].grid.encoder)
            cell = dataset, encoder, row["backbone"], row["alignment"]
            places[run_folder(*cell, seed="")] = float(row["seconds"])
    return places


def estimate(place: str, earlier: dict[str, float]) -> float | None:
    """Median seconds of the most similar earlier executions: same dataset and notebook, then most else in common."""
    own, alike = place.split("/"), {}
    for other, seconds in earlier.items():
        parts = other.split("/")
        # the last part is a notebook's number and name, or a seed
        if len(parts) == len(own) and parts[0] == own[0] and parts[-1][:2] == own[-1][:2]:
            common = sum(one == other for one, other in zip(parts, own, strict=True))
            alike.setdefault(common, []).append(seconds)
    return statistics.median(alike[max(alike)]) if alike else None
