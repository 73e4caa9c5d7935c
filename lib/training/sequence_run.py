"""Compute one training of a sequential recommender, or a search among settings, into its folder; and read it again.

runs/<dataset>/sequential/<encoder>/<preset>/<method>/<loss>/seed<k>/ holds ranks.parquet (row, user, target and the
ranks that `sequence_fit.ranks` names; test rows), metrics.json, history.csv and items.safetensors (table [n_items + 1,
d], by item number); .../<loss>/search/ holds combinations.csv and best.json. This module and all it imports are the
code that their keys follow (lib/workflow/sequence_cells.py).
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.numpy import load_file, save_file

from lib.core.errors import UserError
from lib.core.files import atomic_path
from lib.training import grid_search, module_runs
from lib.training.sequence_fit import SequenceData, fit, means, ranks
from lib.training.sequence_settings import SequenceSettings

RESULTS = ("ranks.parquet", "metrics.json", "history.csv", "items.safetensors")


@dataclass(frozen=True)
class SequenceRun(module_runs.ModuleRun):
    """A finished training; `metrics` are by kind of rank."""

    settings: SequenceSettings

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """row, user, target (item number), rank and rank_masked of every test row, also rank_negatives where given."""
        return pd.read_parquet(self.path / "ranks.parquet")

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
    of_validation = ranks(model, data.rows.validation, masked=True)
    table = pd.DataFrame({"row": np.arange(len(test)), "user": test.user, "target": test.target})
    metrics = {
        "test": {kind: means(rank) for kind, rank in of_test.items()},
        "validation": {kind: means(rank) for kind, rank in of_validation.items()},
        "counts": data.rows.counts,
    }
    with torch.inference_mode():
        items = model.items.table().cpu().numpy()
    with atomic_path(path / "ranks.parquet") as temporary:
        table.assign(**{name: rank.numpy() for name, rank in of_test.items()}).to_parquet(temporary, index=False)
    with atomic_path(path / "items.safetensors") as temporary:
        save_file({"table": items}, temporary)
    return module_runs.write(path, model, state, chosen, metrics)


def search(path: Path, settings: SequenceSettings, data: SequenceData, key: str, device: str) -> dict:
    """Train every combination of the grid; the protocol's validation metric decides. Test rows are not looked at."""
    return grid_search.search(path, settings, data, fit, settings.protocol.select, key, device)
