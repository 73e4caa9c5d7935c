"""A search among settings: every combination of a grid is trained, and the best one on validation rows is taken.

Its folder holds combinations.csv, a row for each with its best validation metrics, and best.json.
"""

import json
from itertools import product
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from pydantic import Field

from lib.core.errors import UserError
from lib.core.files import atomic_path, digest, write_json
from lib.core.settings import Seed, Strict
from lib.training.module_runs import seconds

RESULTS = ("combinations.csv", "best.json")


class SearchedSettings(Strict):
    """Settings of a training that a search may decide; subclasses have a `protocol` with a `search_seed`."""

    dataset: str
    seed: Seed
    grid: dict[str, tuple] = Field({}, description="where it is not empty, a search decides these settings")

    @property
    def group(self) -> Path:
        """The folder of all seeds and of their search, below runs/."""
        raise NotImplementedError

    @property
    def folder(self) -> Path:
        """The run's folder below runs/."""
        return self.group / f"seed{self.seed}"

    @property
    def digest(self) -> str:
        """Content hash of all settings."""
        return digest(self.model_dump(mode="json"))

    def with_values(self, changed: dict[str, Any]) -> Self:
        """These settings with some changed and no search; raises UserError for unknown ones."""
        raise NotImplementedError

    def with_grid(self, grid: dict[str, list]) -> Self:
        """These settings, to be searched first; raises UserError where a combination is none of them."""
        if empty := [name for name, values in grid.items() if not values]:
            raise UserError(f"{self.dataset}: the grid has no value of {empty[0]}: give some to be tried")
        searching = self.model_copy(update={"grid": {name: tuple(values) for name, values in grid.items()}})
        for values in searching.combinations():  # all of them, before the first is trained
            searching.with_values(values)
        return searching

    def combinations(self) -> list[dict[str, Any]]:
        """All combinations of the grid's values, by setting."""
        return [dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())]


def search(path: Path, settings: SearchedSettings, data, fit, select: str, key: str, device: str) -> dict:
    """Train every combination of the grid and write what came of it; returns facts for the manifest.

    `fit(data, settings, device, checkpoint, key)` gives a model and its State, in whose history validation_<select> is
    what the best has most of. A search that was killed goes on with the combination at which it was.
    """
    checkpoint, of_training = path / "checkpoint.json", path / "checkpoint.safetensors"
    combinations, tried = settings.combinations(), _tried(checkpoint, key)
    for number in range(len(tried), len(combinations)):
        values = combinations[number]
        # the key of each combination is its own, so that none goes on from the checkpoint of another
        _, state = fit(data, settings.with_values(values), device, of_training, f"{key}-{number}")
        best = state.history[state.best_epoch]
        kept = {name: best[name] for name in best if name.startswith("validation_")}
        facts = {"best_epoch": state.best_epoch, "epochs": state.epoch, "seconds": seconds(state)}
        tried.append(values | kept | facts)
        write_json(checkpoint, {"key": key, "tried": tried})
    with atomic_path(path / "combinations.csv") as temporary:
        pd.DataFrame(tried).to_csv(temporary, index=False)
    best = int(np.argmax([row[f"validation_{select}"] for row in tried]))  # the first one of equals
    write_json(path / "best.json", combinations[best])
    return {"seconds": sum(row["seconds"] for row in tried)}


def _tried(checkpoint: Path, key: str) -> list[dict]:
    """What a killed search of the same key had finished."""
    if not checkpoint.exists():
        return []
    content = json.loads(checkpoint.read_text())
    return content["tried"] if content["key"] == key else []
