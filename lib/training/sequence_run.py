"""Compute one training of a sequential recommender, or a search among settings, into its folder; and read it again.

runs/<dataset>/sequential/<encoder>/<backbone>/<method>/<loss>/seed<k>/ holds ranks.parquet (row, user, target and the
ranks that `sequence_fit.ranks` names; test rows), metrics.json, history.csv and items.safetensors (table [n_items + 1,
d], by item number); .../<loss>/search/ holds combinations.csv and best.json. This module and all it imports are the
code that their keys follow (lib/workflow/sequence_cells.py).
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor

from lib.core.errors import UserError
from lib.core.files import atomic_path, write_json
from lib.evaluation.target_rank import metrics_of_ranks
from lib.training.checkpoints import history_frame
from lib.training.sequence_fit import SequenceData, fit, ranks
from lib.training.sequence_settings import SequenceSettings

RESULTS = ("ranks.parquet", "metrics.json", "history.csv", "items.safetensors")
RESULTS_OF_SEARCH = ("combinations.csv", "best.json")


@dataclass(frozen=True)
class SequenceRun:
    """A finished training, read from its folder; every part is read when it is first asked for."""

    path: Path
    settings: SequenceSettings

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """row, user, target (item number), rank and rank_masked of every test row, also rank_negatives where given."""
        return pd.read_parquet(self.path / "ranks.parquet")

    @cached_property
    def metrics(self) -> dict:
        """test and validation (metrics by kind of rank), best_epoch, epochs, chosen, parameters, counts of the rows."""
        return json.loads((self.path / "metrics.json").read_text())

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per epoch: epoch, loss terms, seconds and validation metrics."""
        return pd.read_csv(self.path / "history.csv")

    @cached_property
    def items(self) -> np.ndarray:
        """The vectors by which items were scored [n_items + 1, d]; row 0 is zero.

        Raises UserError for a run from data/recorded, whose vectors stayed where it was trained.
        """
        if not (self.path / "items.safetensors").exists():
            raise UserError(f"{self.settings.folder} has no vectors: ask for them with ensure(..., vectors=True)")
        return load_file(self.path / "items.safetensors")["table"]


def train(path: Path, settings: SequenceSettings, data: SequenceData, chosen: dict, key: str, device: str) -> dict:
    """Train with the values that a search has chosen, write the results into a folder; returns facts for the manifest.

    A checkpoint in the folder that carries the same key is gone on from.
    """
    model, state = fit(data, settings.with_values(chosen), device, path / "checkpoint.safetensors", key)
    test = data.rows.test
    of_test = ranks(model, test, data.negatives, masked=True)
    table = pd.DataFrame({"row": np.arange(len(test)), "user": test.user, "target": test.target})
    metrics = {
        "test": _means(of_test),
        "validation": _means(ranks(model, data.rows.validation, masked=True)),
        "best_epoch": state.best_epoch,
        "epochs": state.epoch,
        "chosen": chosen,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "counts": data.rows.counts,
    }
    with torch.inference_mode():
        items = model.items.table().cpu().numpy()
    with atomic_path(path / "ranks.parquet") as temporary:
        table.assign(**{name: rank.numpy() for name, rank in of_test.items()}).to_parquet(temporary, index=False)
    with atomic_path(path / "history.csv") as temporary:
        history_frame(state).to_csv(temporary, index=False)
    with atomic_path(path / "items.safetensors") as temporary:
        save_file({"table": items}, temporary)
    write_json(path / "metrics.json", metrics)
    return {"seconds": _seconds(state)}


def search(path: Path, settings: SequenceSettings, data: SequenceData, key: str, device: str) -> dict:
    """Train every combination of the grid and write their best validation metrics; the highest selected one is taken.

    Test rows are not looked at. A search that was killed goes on with the combination at which it was.
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
        facts = {"best_epoch": state.best_epoch, "epochs": state.epoch, "seconds": _seconds(state)}
        tried.append(values | kept | facts)
        write_json(checkpoint, {"key": key, "tried": tried})
    with atomic_path(path / "combinations.csv") as temporary:
        pd.DataFrame(tried).to_csv(temporary, index=False)
    best = int(np.argmax([row[f"validation_{settings.protocol.select}"] for row in tried]))  # the first one of equals
    write_json(path / "best.json", settings.combinations()[best])
    return {"seconds": sum(row["seconds"] for row in tried)}


def _tried(checkpoint: Path, key: str) -> list[dict]:
    """What a killed search of the same key had finished."""
    if not checkpoint.exists():
        return []
    content = json.loads(checkpoint.read_text())
    return content["tried"] if content["key"] == key else []


def _means(found: dict[str, Tensor]) -> dict[str, dict[str, float]]:
    """Mean metrics by name, by kind of rank."""
    return {
        kind: {name: float(values.mean()) for name, values in metrics_of_ranks(rank.numpy()).items()}
        for kind, rank in found.items()
    }


def _seconds(state) -> float:
    return sum(row["seconds"] for row in state.history)
