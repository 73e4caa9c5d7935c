"""Compute one training of a click model, or a search among settings, into its folder; and read what it left there.

runs/<dataset>/click/<model>/<scope>/seed<k>/ holds predictions.parquet (row of the samples, y, p; test samples only),
metrics.json and history.csv; .../<scope>/search/ holds combinations.csv and best.json. This module and all it imports
are the code that their keys follow (lib/workflow/click_cells.py).
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from lib.core.files import atomic_path, write_json
from lib.evaluation import click_metrics
from lib.training.checkpoints import history_frame
from lib.training.click_fit import ClickData, fit, predict
from lib.training.click_settings import ClickSettings

RESULTS = ("predictions.parquet", "metrics.json", "history.csv")
RESULTS_OF_SEARCH = ("combinations.csv", "best.json")


@dataclass(frozen=True)
class ClickRun:
    """A finished training, read from its folder; every part is read when it is first asked for."""

    path: Path
    settings: ClickSettings

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """row (position in the samples' rows), y (1 = liked) and p of every test sample."""
        return pd.read_parquet(self.path / "predictions.parquet")

    @cached_property
    def metrics(self) -> dict:
        """test (metrics, and what constants reach), validation (metrics), best_epoch, epochs, chosen, parameters."""
        return json.loads((self.path / "metrics.json").read_text())

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per epoch: epoch, loss, seconds and validation metrics."""
        return pd.read_csv(self.path / "history.csv")


def train(path: Path, settings: ClickSettings, data: ClickData, chosen: dict, key: str, device: str) -> dict:
    """Train with the values that a search has chosen, write the results into a folder; returns facts for the manifest.

    A checkpoint in the folder that carries the same key is gone on from.
    """
    model, state = fit(data, settings.with_values(chosen), device, path / "checkpoint.safetensors", key)
    labels = data.features.labels
    table = pd.DataFrame({"row": data.test, "y": labels[data.test], "p": predict(model, data, data.test)})
    metrics = {
        "test": click_metrics.scores(table.y, table.p) | click_metrics.references(table.y),
        "validation": click_metrics.scores(labels[data.validation], predict(model, data, data.validation)),
        "best_epoch": state.best_epoch,
        "epochs": state.epoch,
        "chosen": chosen,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "samples": {name: len(getattr(data, name)) for name in ("train", "validation", "test")},
    }
    with atomic_path(path / "predictions.parquet") as temporary:
        table.to_parquet(temporary, index=False)
    with atomic_path(path / "history.csv") as temporary:
        history_frame(state).to_csv(temporary, index=False)
    write_json(path / "metrics.json", metrics)
    return {"seconds": sum(row["seconds"] for row in state.history)}


def search(path: Path, settings: ClickSettings, data: ClickData, key: str, device: str) -> dict:
    """Train every combination of the grid and write their best validation metrics; the highest AUC is chosen.

    Test samples are not looked at. A search that was killed goes on with the combination at which it was.
    """
    checkpoint, of_training = path / "checkpoint.json", path / "checkpoint.safetensors"
    tried = _tried(checkpoint, key)
    for number, values in enumerate(settings.combinations()):
        if number < len(tried):
            continue
        # the key of each combination is its own, so that none goes on from the checkpoint of another
        _, state = fit(data, settings.with_values(values), device, of_training, f"{key}-{number}")
        best = state.history[state.best_epoch]
        kept = {name: best[name] for name in best if name.startswith("validation_")}
        seconds = sum(row["seconds"] for row in state.history)
        tried.append(values | kept | {"best_epoch": state.best_epoch, "epochs": state.epoch, "seconds": seconds})
        write_json(checkpoint, {"key": key, "tried": tried})
    with atomic_path(path / "combinations.csv") as temporary:
        pd.DataFrame(tried).to_csv(temporary, index=False)
    best = int(np.argmax([row["validation_auc"] for row in tried]))  # the first one of equals
    write_json(path / "best.json", settings.combinations()[best])
    return {"seconds": sum(row["seconds"] for row in tried)}


def _tried(checkpoint: Path, key: str) -> list[dict]:
    """What a killed search of the same key had finished."""
    if not checkpoint.exists():
        return []
    content = json.loads(checkpoint.read_text())
    return content["tried"] if content["key"] == key else []
