"""What a finished run left in its folder: written once by lib/training/train.py, read by everything below.

runs/<dataset>/<encoder>/<backbone>/<alignment>/seed<k>/ holds metrics.json, per_user.parquet, embeddings.safetensors
and history.csv; lib/workflow/cells.py adds params.yaml and manifest.json.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file

from lib.core.files import atomic_path, write_json
from lib.core.settings import Strict
from lib.data.interactions import Interactions
from lib.evaluation import ranking
from lib.training.checkpoints import State, history_frame
from lib.training.recommender import Recommender
from lib.training.run_settings import RunSettings

RESULTS = ("metrics.json", "per_user.parquet", "embeddings.safetensors", "history.csv")


class Metrics(Strict):
    """Means over users by metric, 'recall@20' and the like, and how long training went on."""

    test: dict[str, float]
    validation: dict[str, float]
    best_epoch: int  # whose weights were kept
    epochs: int  # trained in all


class Ranked(Protocol):
    """What comparisons between models read: a run, or a run seen for a part of the users or items."""

    settings: RunSettings
    per_user: pd.DataFrame  # user and its test metrics


@dataclass(frozen=True)
class Run:
    """A finished run, read from its folder; every part is read when it is first asked for."""

    path: Path
    settings: RunSettings

    @cached_property
    def metrics(self) -> Metrics:
        """Test and validation metrics, best_epoch, epochs."""
        return Metrics(**json.loads((self.path / "metrics.json").read_text()))

    @cached_property
    def per_user(self) -> pd.DataFrame:
        """user and its test metrics, one row per test user."""
        return pd.read_parquet(self.path / "per_user.parquet")

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per epoch: epoch, the mean of each loss term, seconds, and validation metrics where evaluated."""
        frame = pd.read_csv(self.path / "history.csv")
        return frame.assign(backbone=self.settings.backbone, alignment=self.settings.alignment, seed=self.settings.seed)

    @cached_property
    def embeddings(self) -> dict[str, np.ndarray]:
        """user_ego, item_ego, user_final, item_final: [n, width] float32."""
        return load_file(self.path / "embeddings.safetensors")

    @property
    def final(self) -> torch.Tensor:
        """The vectors that the run recommends by, users then items: [n_users + n_items, D]."""
        return torch.from_numpy(np.concatenate([self.embeddings["user_final"], self.embeddings["item_final"]]))

    @cached_property
    def manifest(self) -> dict:
        """Key, settings, inputs, code, versions, machine, time and memory that made the run."""
        return json.loads((self.path / "manifest.json").read_text())


def write_results(path: Path, settings: RunSettings, data: Interactions, model: Recommender, state: State) -> None:
    """Rank with the model's best weights and write metrics, per-user values, vectors and history into a folder."""
    final, ego = model.final().cpu(), model.backbone.ego.detach().cpu()
    ks, n_users = settings.protocol.ks, data.n_users
    per_user = ranking.evaluate(final, n_users, data.train, data.test, ks)
    validation = ranking.evaluate(final, n_users, data.train, data.validation, ks)
    vectors = {"user_ego": ego[:n_users], "item_ego": ego[n_users:]}
    vectors |= {"user_final": final[:n_users], "item_final": final[n_users:]}
    with atomic_path(path / "embeddings.safetensors") as temporary:
        # cloned, since final vectors may be the ego table itself and safetensors refuses shared memory
        copies = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in vectors.items()}
        save_file(copies, temporary)
    with atomic_path(path / "per_user.parquet") as temporary:
        per_user.to_parquet(temporary, index=False)
    with atomic_path(path / "history.csv") as temporary:
        history_frame(state).to_csv(temporary, index=False)
    metrics = {"test": ranking.mean(per_user), "validation": ranking.mean(validation)}
    write_json(path / "metrics.json", {**metrics, "best_epoch": state.best_epoch, "epochs": state.epoch})
