"""What this machine and this checkout have, for people and for bug reports."""

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from lib.core.errors import UserError
from lib.core.files import ROOT


def report() -> str:
    """One aligned line per fact; a broken installation is reported like anything else."""
    lines = []
    for topic, describe in TOPICS.items():
        try:
            facts = describe() or ["none"]
        # whatever is broken: this is read when something is, and then the other lines are needed most
        except Exception as error:
            facts = [f"cannot tell ({type(error).__name__}: {' '.join(str(error).split())})"]
        lines += [f"{topic:14}{facts[0]}", *(f"{'':14}{fact}" for fact in facts[1:])]
    return "\n".join(lines)


def _python() -> list[str]:
    return [f"{sys.version.split()[0]} ({sys.executable})"]


def _packages() -> list[str]:
    names = ("torch", "dgl", "transformers", "sentence-transformers", "papermill", "snakemake", "numpy", "pandas")
    return [", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)]


def _lock() -> list[str]:
    """Whether the installed versions are those of requirements.lock; a local label such as +cpu is fine."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    installed = {name: _version(name) for name in pins}
    other = [
        f"{name} {installed[name] or 'missing'}, not {pin}" for name, pin in pins.items() if installed[name] != pin
    ]
    return [f"{len(pins)} packages as in requirements.lock"] if not other else [*other, "make install mends this"]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


def _engine() -> list[str]:
    from lib.models import graph_engine

    return [graph_engine.engine_report()]


def _device() -> list[str]:
    import torch

    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return [*gpus, f"{os.cpu_count()} processor cores"]


def _memory() -> list[str]:
    memory = psutil.virtual_memory()
    return [f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"]


def _disk() -> list[str]:
    return [f"{shutil.disk_usage(ROOT).free / 2**30:.0f} GiB free at {ROOT}"]


def _datasets() -> list[str]:
    from lib.data import datasets

    return [_dataset(name, datasets.settings) for name in datasets.names()]


def _dataset(name: str, settings: Callable) -> str:
    """Whether a dataset is here and, if not, how it gets here; a mistake in its yaml is told and stops no other."""
    try:
        about = settings(name)
    except UserError as error:
        return f"{name} cannot be used: {error}"
    by_hand = f"python -m lib fetch {name} --from FOLDER" if about.url else f"put interactions.csv into data/{name}"
    return _presence(name, ROOT / "data" / name, None if about.sources else by_hand)


def _models() -> list[str]:
    from lib.language.weights import with_weights

    return [_presence(name, ROOT / settings.model) for name, settings in with_weights().items()]


def _presence(name: str, folder: Path, remedy: str | None = None) -> str:
    present = folder.is_dir() and any(folder.iterdir())
    remedy = remedy or f"python -m lib fetch {name}"
    return f"{name} {'is here' if present else f'is not here: {remedy}'}"


def _recordings() -> list[str]:
    from lib.language.llm import recorded

    folders = sorted(folder for folder in ROOT.glob("data/recorded/*/*") if folder.is_dir())
    return [f"{folder.parent.name} by {folder.name}: {len(recorded.read(folder))} answers" for folder in folders]


def _runs() -> list[str]:
    runs = ROOT / "runs"
    finished = [path.relative_to(runs).parts[0] for path in runs.rglob("manifest.json")]
    failed = [f"failed: {path.relative_to(ROOT)}" for path in sorted(runs.rglob("*.failure.md"))]
    return [f"{finished.count(name)} of {name}" for name in sorted(set(finished))] + failed


TOPICS = {
    "python": _python,
    "packages": _packages,
    "lock": _lock,
    "graph engine": _engine,
    "device": _device,
    "memory": _memory,
    "disk": _disk,
    "datasets": _datasets,
    "recordings": _recordings,
    "weights": _models,
    "runs": _runs,
}
