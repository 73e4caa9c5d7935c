"""Compute one training of a click model, or a search among settings, into its folder; and read what it left there.

runs/<dataset>/click/<model>/<scope>/seed<k>/ holds predictions.parquet (row of the samples, y, p; test samples only),
metrics.json and history.csv; .../<scope>/search/ holds combinations.csv and best.json. This module and all it imports
are the code that their keys follow (lib/workflow/click_cells.py).
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from lib.core.files import atomic_path
from lib.evaluation import click_metrics
from lib.training import grid_search, module_runs
from lib.training.click_fit import ClickData, fit, predict
from lib.training.click_settings import ClickSettings

RESULTS = ("predictions.parquet", "metrics.json", "history.csv")


@dataclass(frozen=True)
class ClickRun(module_runs.ModuleRun):
    """A finished training; its `metrics` say also what constants reach, and how many samples there were."""

    settings: ClickSettings

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """row (position in the samples' rows), y (1 = liked) and p of every test sample."""
        return pd.read_parquet(self.path / "predictions.parquet")


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
        "samples": {name: len(getattr(data, name)) for name in ("train", "validation", "test")},
    }
    with atomic_path(path / "predictions.parquet") as temporary:
        table.to_parquet(temporary, index=False)
    return module_runs.write(path, model, state, chosen, metrics)


def search(path: Path, settings: ClickSettings, data: ClickData, key: str, device: str) -> dict:
    """Train every combination of the grid; the highest validation AUC is chosen. Test samples are not looked at."""
    return grid_search.search(path, settings, data, fit, "auc", key, device)
