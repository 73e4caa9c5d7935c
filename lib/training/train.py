"""Compute one run: from settings, interactions and text vectors to the results in its folder.

This module and all it imports are the code that a run's key follows (lib/workflow/graph_cells.py).
"""

from pathlib import Path

import numpy as np
import torch

from lib.data.interactions import Interactions
from lib.training.fit import fit
from lib.training.recommender import Recommender, build
from lib.training.run_folder import Run, write_results
from lib.training.run_settings import RunSettings


def untrained(
    settings: RunSettings, data: Interactions, text: torch.Tensor | None, initial: Run | None, device: str
) -> Recommender:
    """The model before its first step; its ego table is that of the run `initial`, if there is one.

    text: vectors of users, then items [n_users + n_items, T]; None for base.
    """
    model = build(settings, data, text, device)
    if initial:
        tables = [initial.embeddings[name] for name in ("user_ego", "item_ego")]
        model.backbone.ego.data.copy_(torch.from_numpy(np.concatenate(tables)))
    return model


def train(path: Path, settings: RunSettings, data: Interactions, model: Recommender, key: str) -> dict:
    """Train a model and write its results into the folder `path`; returns what the manifest says of the training.

    A checkpoint in the folder that carries the same key is gone on from.
    """
    label = f"{settings.dataset} {settings.backbone} {settings.alignment}"
    checkpoint = path / "checkpoint.safetensors"
    state = fit(model, data, settings.protocol, settings.seed, checkpoint, key, label)
    write_results(path, settings, data, model, state)
    seconds = sum(row["seconds"] for row in state.history)  # of all epochs, also those before an interruption
    return {"engine": model.backbone.graph.engine, "seconds": seconds}
