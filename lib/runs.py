"""One folder per training run: made when missing, loaded when finished, continued when interrupted.

runs/<dataset>/<encoder>/<backbone>/<alignment>/seed<k>/ holds params.yaml, metrics.json, per_user.parquet,
embeddings.safetensors, history.csv and manifest.json; while training also checkpoint.safetensors.
"""

import contextlib
import json
import resource
import shutil
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from filelock import FileLock
from safetensors.numpy import load_file
from safetensors.torch import save_file

from lib import alignment as alignments
from lib import datasets, profiles, provenance, ranking, semantics, text, training, variants
from lib.code import code_digest
from lib.experiments import chosen_modules, reads_text
from lib.files import ROOT, atomic_path, digest, write_json, write_text
from lib.params import RunSettings

MODULES = ("graph", "dense", "losses", "ranking", "step", "training", "backbones/__init__", "alignment/__init__")


@dataclass(frozen=True)
class Run:
    """A finished run, read from its folder."""

    path: Path
    settings: RunSettings

    @cached_property
    def metrics(self) -> dict:
        """test and validation metrics, best_epoch, epochs."""
        return json.loads((self.path / "metrics.json").read_text())

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

    @cached_property
    def manifest(self) -> dict:
        """Code, data, versions, time and memory that made the run."""
        return json.loads((self.path / "manifest.json").read_text())


def ensure(
    settings: RunSettings, runs: Path = ROOT / "runs", device: str = "auto", params=ROOT / "params", data=ROOT / "data"
) -> Run:
    """The run of these settings: loaded when nothing it depends on changed, otherwise trained or continued."""
    path = Path(runs) / settings.folder
    initial = settings.initial and ensure(settings.initial, runs, device, params, data)
    inputs = Inputs.load(settings, params, data, initial)
    key = inputs.key(settings)
    path.mkdir(parents=True, exist_ok=True)
    with FileLock(path / ".lock"):
        if _key_of(path) != key and not _copied(path, settings, inputs, Path(runs)):
            _train(path, settings, inputs, key, pick_device(device))
    return Run(path, settings)


def overlap(run: Run, vectors: text.TextVectors) -> pd.DataFrame:
    """Neighbour overlap of a run's ego and final item vectors with the text (`semantics.overlap_table`).

    Kept in the run's folder, since both the dashboard and the table of a dataset read it.
    """
    code = code_digest([ROOT / "lib/semantics.py", ROOT / "lib/statistics.py"])
    path = run.path / f"overlap_{digest(run.manifest['key'], vectors.digest, code)}.csv"
    if not path.exists():
        spaces = {kind: run.embeddings[f"item_{kind}"] for kind in ("ego", "final")}
        items = ("all", "first3000") if len(vectors.items) > semantics.REPORT_ITEMS else ("all",)
        rng = np.random.default_rng(run.settings.seed)
        write_text(path, semantics.overlap_table(spaces, vectors.items, rng, items=items).to_csv(index=False))
    return pd.read_csv(path)


def trained(settings: RunSettings, runs: Path = ROOT / "runs") -> bool:
    """Whether the run of these settings was finished with today's code; `ensure` also compares the data it read."""
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
        manifest = json.loads((Path(runs) / settings.folder / "manifest.json").read_text())
        return manifest["key"] == digest(settings.digest, manifest["inputs"], code_behind(settings))
    return False


def pick_device(device: str = "auto") -> str:
    """'auto' means the GPU where there is one."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def code_behind(settings: RunSettings) -> str:
    """Hash of the code that decides a run's numbers; comments and docstrings do not count."""
    chosen = chosen_modules(settings.backbone, settings.alignment)
    return code_digest([ROOT / "lib" / f"{name}.py" for name in (*MODULES, *chosen)])


@dataclass(frozen=True)
class Inputs:
    """What a run reads, and the hashes of it."""

    data: datasets.Interactions
    text: text.TextVectors | None
    initial: Run | None = None  # whose ego table training starts from

    @classmethod
    def load(cls, settings: RunSettings, params=ROOT / "params", data=ROOT / "data", initial=None) -> "Inputs":
        """Interactions, and text vectors unless the alignment is base."""
        plain = datasets.load(variants.name(settings.dataset), params, data)  # whose train split the profiles know
        interactions = variants.interactions(plain, settings.dataset, settings.seed)
        if not reads_text(settings.alignment):
            return cls(interactions, None, initial)
        encoder = variants.name(settings.encoder)
        ready = encoder == "published" or encoder.endswith(text.READY_MADE)
        about = datasets.settings(plain.name, params)
        texts = None if ready else variants.texts(plain, profiles.load(plain, about, data), settings.encoder)
        vectors = text.load(plain, texts, encoder, params, data)
        return cls(interactions, variants.vectors(vectors, settings.encoder, settings.seed), initial)

    @property
    def digests(self) -> dict[str, str]:
        """Content hashes by input."""
        known = {"interactions": self.data.fingerprint}
        known |= {"text": self.text.digest} if self.text else {}
        return known | ({"initial": self.initial.manifest["key"]} if self.initial else {})

    def text_tensor(self) -> torch.Tensor | None:
        """Text vectors of users then items [n_users + n_items, T]."""
        return torch.from_numpy(np.concatenate([self.text.users, self.text.items])) if self.text else None

    def key(self, settings: RunSettings) -> str:
        """What a run of these settings is known by: a hash of settings, inputs and code."""
        return digest(settings.digest, self.digests, code_behind(settings))

    def untrained(self, settings: RunSettings, device: str) -> training.Recommender:
        """The model before its first step."""
        model = training.build(settings, self.data, self.text_tensor(), device)
        if self.initial:
            tables = [self.initial.embeddings[name] for name in ("user_ego", "item_ego")]
            model.backbone.ego.data.copy_(torch.from_numpy(np.concatenate(tables)))
        return model


def _copied(path: Path, settings: RunSettings, inputs: Inputs, runs: Path) -> bool:
    """Whether base@contrastive could be copied from base or base@generative, which may have the same settings."""
    labels = dict.fromkeys([settings.kind, *(f"{settings.kind}@{name}" for name in alignments.NAMES)])
    twins = [settings.model_copy(update={"alignment": label}) for label in labels if label != settings.alignment]
    same = [twin for twin in twins if _key_of(runs / twin.folder) == inputs.key(twin)]
    if not same:
        return False
    source = runs / same[0].folder
    for name in ("metrics.json", "per_user.parquet", "embeddings.safetensors", "history.csv"):
        with atomic_path(path / name) as temporary:
            shutil.copyfile(source / name, temporary)
    _write_settings(path, settings)
    manifest = json.loads((source / "manifest.json").read_text())
    own = {"settings": settings.model_dump(mode="json"), "key": inputs.key(settings)}
    write_json(path / "manifest.json", {**manifest, **own, "copied_from": same[0].folder.as_posix()})
    return True


def _write_settings(path: Path, settings: RunSettings) -> None:
    write_text(path / "params.yaml", yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False))


def _key_of(path: Path) -> str | None:
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
        return json.loads((path / "manifest.json").read_text())["key"]
    return None


def _train(path: Path, settings: RunSettings, inputs: Inputs, key: str, device: str) -> None:
    start = time.perf_counter()
    (path / "manifest.json").unlink(missing_ok=True)  # unfinished from here on
    _write_settings(path, settings)
    for leftover in path.glob(".*.safetensors"):  # of a process that was killed while writing
        leftover.unlink()
    model = inputs.untrained(settings, device)
    label = f"{settings.dataset} {settings.backbone} {settings.alignment}"
    checkpoint = path / "checkpoint.safetensors"
    state = training.fit(model, inputs.data, settings.protocol, settings.seed, checkpoint, key, label)
    _write_results(path, settings, inputs.data, model, state)
    manifest = provenance.manifest(
        settings.model_dump(mode="json"),
        inputs.digests,
        # what epochs before an interruption took is in the history only
        seconds=max(time.perf_counter() - start, training.history_frame(state)["seconds"].sum()),
        peak_memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )
    write_json(
        path / "manifest.json", {**manifest, "key": key, "device": device, "engine": model.backbone.graph.engine}
    )
    checkpoint.unlink(missing_ok=True)


def _write_results(path: Path, settings: RunSettings, data, model, state) -> None:
    final, ego = model.final().cpu(), model.backbone.ego.detach().cpu()
    ks, n_users = settings.protocol.ks, data.n_users
    per_user = ranking.evaluate(final, n_users, data.train, data.test, ks)
    validation = ranking.evaluate(final, n_users, data.train, data.validation, ks)
    vectors = {
        "user_ego": ego[:n_users],
        "item_ego": ego[n_users:],
        "user_final": final[:n_users],
        "item_final": final[n_users:],
    }
    with atomic_path(path / "embeddings.safetensors") as temporary:
        # cloned, since final vectors may be the ego table itself
        save_file(
            {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in vectors.items()}, temporary
        )
    with atomic_path(path / "per_user.parquet") as temporary:
        per_user.to_parquet(temporary, index=False)
    with atomic_path(path / "history.csv") as temporary:
        training.history_frame(state).to_csv(temporary, index=False)
    metrics = {"test": ranking.mean(per_user), "validation": ranking.mean(validation)}
    write_json(path / "metrics.json", {**metrics, "best_epoch": state.best_epoch, "epochs": state.epoch})
