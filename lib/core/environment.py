"""Where a result was made: git state, versions, machine."""

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from lib.core.files import ROOT

PACKAGES = ("torch", "dgl", "numpy", "scipy", "pandas", "scikit-learn", "umap-learn", "matplotlib")
PACKAGES += ("sentence-transformers", "transformers")
CODE = ("lib", "notebooks", "params", "requirements.lock")  # what makes a checkout dirty; results do not


def environment() -> dict:
    """Where this process runs: git state, versions, and the machine with its number of threads."""
    import torch  # here because this module is otherwise light

    return {
        "git": git_state(),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "cpu": _cpu_model(),
            "cpus": os.cpu_count(),
            "threads": torch.get_num_threads(),  # sums are split among them, so numbers may differ in the last bits
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
    }


def git_state(root: Path = ROOT) -> dict:
    """Commit and whether code or parameters differ from it; commit None outside a git checkout."""
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(root, "status", "--porcelain", "--", *CODE))}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    # on Linux platform.processor() is empty or names the architecture only
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def free_resources() -> dict[str, str]:
    """Versions, free memory and disk, and GPU memory if there is a GPU, for a report."""
    memory, disk = psutil.virtual_memory(), shutil.disk_usage(".")
    facts = {
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "torch": version("torch"),
        "memory": f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free",
        "disk": f"{disk.free / 2**30:.1f} GiB free",
    }
    # not by torch.cuda, which takes memory itself, on a GPU that may be full: this is also called after failures
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=name,memory.used,memory.total", "--format=csv,noheader"]
        facts["gpu"] = "; ".join(subprocess.run(query, capture_output=True, text=True).stdout.splitlines())
    return facts
