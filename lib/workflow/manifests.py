"""manifest.json of a run folder: what made the run; it is written last, so that a folder without one is unfinished."""

import contextlib
import json
from pathlib import Path

NAME = "manifest.json"


def read_manifest(folder: Path) -> dict:
    """What the manifest says; empty when the run was never finished, or is just being made again."""
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
        return json.loads((folder / NAME).read_text())
    return {}
