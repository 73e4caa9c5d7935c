"""Keep trained runs after an edit of code that changes no number.

A run's key holds a hash of the code behind it, so that an edit there, be it a new name, asks for hours of training.
Where its first epochs, trained again, equal the recorded ones to the last bit, it is kept under today's key, and its
manifest says so: a step that rounds otherwise shows by then, since every loss follows from all steps before it. What
only later epochs do, such as stopping, is not seen: after an edit of that, train again.
"""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import torch
from filelock import FileLock
from pydantic import ValidationError

from lib.core.errors import UserError
from lib.core.files import ROOT, write_json
from lib.evaluation import ranking
from lib.models import alignment as alignments
from lib.models import backbones
from lib.training.checkpoints import history_frame
from lib.training.devices import pick_device, threads
from lib.training.fit import fit
from lib.training.run_folder import Run
from lib.training.run_settings import RunSettings
from lib.workflow import cells
from lib.workflow.graph_cells import GraphCell
from lib.workflow.manifests import read_manifest


def finished(folders: Iterable[Path]) -> list[Path]:
    """Folders of finished runs at or below the given ones; raises UserError when there is none."""
    found = sorted({path.parent for folder in folders for path in Path(folder).rglob("manifest.json")})
    if not found:
        raise UserError(f"no finished run below {', '.join(map(str, folders))}")
    return found


def recheck(path: Path, epochs: int, device: str = "auto", params=ROOT / "params", data=ROOT / "data") -> str:
    """What is now true of a run's folder, in words; a run that today's code repeats is kept under today's key.

    It is trained with as many threads as its manifest says. Raises UserError when there is no epoch to compare; what
    keeps one run from being checked, such as data or a backbone that are gone, is said of it and stops no other.
    """
    if epochs < 1:
        raise UserError(f"{epochs} epochs are to be trained again: at least 1 is needed to compare")
    try:
        return _recheck(path, epochs, device, params, data)
    except UserError as error:
        return f"cannot be checked: {error}"


def _recheck(path: Path, epochs: int, device: str, params: Path, data: Path) -> str:
    with FileLock(path / ".lock"):  # a training in progress ends first
        manifest = read_manifest(path)
        try:
            run = Run(path, RunSettings(**manifest.get("settings", {})))
        except ValidationError:
            return "to be trained again: its settings are not of today's form"
        if "copied_from" in manifest or run.settings.initial:
            return "depends on another run: made again with it"
        backbones.get(run.settings.backbone)  # raises an error when its module, or the alignment's, is gone
        alignments.get(run.settings.kind)
        cell = GraphCell(run.settings, params=params, data=data)
        inputs = cells.inputs_to_compare(manifest, cell)
        key = cells.key_of(cell, inputs)
        if manifest["key"] == key:
            return "up to date"
        if manifest["inputs"] != inputs:
            return "to be trained again: its data or texts are not the same"
        machine = {"threads": torch.get_num_threads()} | manifest["machine"]
        with threads(machine["threads"]):
            different = _different(run, cell, epochs, pick_device(device))
        if different:
            return f"to be trained again: {different}"
        # the key that it was trained under, also when it was kept more than once
        first = manifest.get("rechecked", {"trained_as": manifest["key"]})["trained_as"]
        about = {"epochs": epochs, "trained_as": first}
        write_json(path / "manifest.json", manifest | {"machine": machine, "key": key, "rechecked": about})
    if "recorded" in manifest:
        return f"kept: {epochs} epochs are the same; it has no vectors to rank by"
    return f"kept: {epochs} epochs and its ranking are the same"


def _different(run: Run, cell: GraphCell, epochs: int, device: str) -> str | None:
    """What comes out otherwise today: the ranking by the stored vectors, or a column of the first epochs."""
    data = cell.interactions
    if "recorded" not in run.manifest:  # a recorded run's vectors stayed where it was trained
        ranked = ranking.evaluate(run.final, data.n_users, data.train, data.test, run.settings.protocol.ks)
        if not ranked.equals(run.per_user):
            return "its vectors rank otherwise"
    protocol = run.settings.protocol.model_copy(update={"epochs": epochs})
    label = f"{run.settings.dataset} {run.settings.backbone} {run.settings.alignment}"
    state = fit(cell.untrained(device), data, protocol, run.settings.seed, label=label)
    again = history_frame(state).drop(columns="seconds")
    before = pd.read_csv(run.path / "history.csv").drop(columns="seconds").head(epochs)
    if list(again) != list(before):
        return "it has other loss terms"
    return next((f"{name} differs" for name in again if not again[name].equals(before[name])), None)
