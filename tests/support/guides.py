"""Guides of docs/ as a test reads and follows them: their blocks, and their commands in a copy of the repository."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from lib.core.files import ROOT

RUN = "import shlex, sys; from lib import cli; sys.exit(max(cli.main(shlex.split(line)) or 0 for line in sys.argv[1:]))"


def blocks(page: str, language: str) -> list[str]:
    """The blocks of one language in docs/`page`, in their order."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", (ROOT / "docs" / page).read_text())


def copied(place: Path, *names: str) -> Path:
    """Some of the repository below `place`, without what its owner may have under the names of these tests."""
    for name in names:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, place / name)
    for own in ("mine", "My_data.v1"):
        shutil.rmtree(place / "params" / own, ignore_errors=True)
    return place


def commands(block: str) -> list[str]:
    """The lines of an sh block as arguments of `python -m lib`, which is what make calls as well."""
    lines = [line.partition("  #")[0].strip() for line in block.splitlines()]
    made = (re.sub(r"^make (\w+) DATASET=", r"python -m lib \1 --dataset ", line) for line in lines if line)
    return [line.removeprefix("python -m lib ") for line in made]


def write_settings(root: Path, blocks: list[str]) -> list[Path]:
    """Write yaml blocks whose first line is a comment with a path below `root`; returns where they are."""
    paths = [root / re.match(r"# (params/\S+)\n", block)[1] for block in blocks]
    for path, block in zip(paths, blocks, strict=True):
        path.write_text(block)
    return paths


def run(root: Path, *arguments: str, status: int = 0, **variables: str) -> str:
    """What Python says in the copy below `root`, with no variable of this process but where programs are."""
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root), "HOME": str(root.parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=root, env=environment | variables, capture_output=True, text=True)
    assert done.returncode == status, f"{arguments}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    return done.stdout + done.stderr


def follow(root: Path, lines: list[str], status: int = 0, **variables: str) -> str:
    """What these commands say there, one after another in one process, since each would import torch again."""
    return run(root, "-c", RUN, *lines, status=status, **variables)
