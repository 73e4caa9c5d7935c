"""What trainings of click models and sequential recommenders share: torch modules without a graph.

Their folders hold metrics.json and history.csv beside results of their own.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import torch
from torch import nn

from lib.core.files import atomic_path, write_json
from lib.core.settings import Strict
from lib.training.checkpoints import RunInProgress, State, history_frame


@dataclass(frozen=True)
class ModuleRun:
    """A finished training, read from its folder; every part is read when it is first asked for."""

    path: Path
    settings: Strict

    @cached_property
    def metrics(self) -> dict:
        """test and validation, best_epoch, epochs, chosen (by a search), parameters, and counts of what was read."""
        return json.loads((self.path / "metrics.json").read_text())

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per epoch: epoch, loss terms, seconds and validation metrics."""
        return pd.read_csv(self.path / "history.csv")


def generator_of(device: str) -> torch.Generator:
    """The generator of the process that a device draws from, since dropout draws from no other."""
    on_gpu = torch.device(device).type == "cuda"
    return torch.cuda.default_generators[torch.cuda.current_device()] if on_gpu else torch.default_generator


def in_progress(model: nn.Module, optimizer, generator: torch.Generator, key: str) -> RunInProgress:
    """The training of a module, for checkpoints: these ask a model's table of vectors for the device."""
    backbone = SimpleNamespace(ego=next(model.parameters()))
    seen = SimpleNamespace(backbone=backbone, state_dict=model.state_dict, load_state_dict=model.load_state_dict)
    return RunInProgress(seen, optimizer, generator, key)


def write(path: Path, model: nn.Module, state: State, chosen: dict, metrics: dict) -> dict:
    """Write metrics.json, with `metrics` in it, and history.csv; returns facts for the manifest."""
    with atomic_path(path / "history.csv") as temporary:
        history_frame(state).to_csv(temporary, index=False)
    facts = {"best_epoch": state.best_epoch, "epochs": state.epoch, "chosen": chosen}
    write_json(path / "metrics.json", metrics | facts | {"parameters": sum(one.numel() for one in model.parameters())})
    return {"seconds": seconds(state)}


def seconds(state: State) -> float:
    """What all epochs took."""
    return sum(row["seconds"] for row in state.history)
