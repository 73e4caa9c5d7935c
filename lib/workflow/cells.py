"""Cells: whatever is computed once into a folder of its own, found again, continued, and known by a key.

A cell says what decides it (settings, inputs, code) and how it is computed; `ensure` does the rest in the same way for
all kinds: a lock, so that two processes do not compute the same; a key, so that what nothing has changed is not
computed again; a manifest, which tells where the result comes from; and a checkpoint that a killed computation left.
lib/workflow/graph_cells.py is the cell of a graph recommender.
"""

import resource
import shutil
import time
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import yaml
from filelock import FileLock

from lib.core.environment import environment
from lib.core.files import atomic_path, digest, write_json, write_text
from lib.core.fingerprints import code_digest
from lib.training.devices import pick_device
from lib.workflow.manifests import NAME, read_manifest


class Settings(Protocol):
    """What `ensure` asks of a cell's settings; a class of lib.core.settings.Strict."""

    folder: Path  # below runs/
    digest: str  # content hash

    def model_dump(self, mode: str) -> dict: ...


class Cell(Protocol):
    """What `ensure` asks of a cell."""

    settings: Settings
    path: Path  # the run folder
    results: tuple[str, ...]  # the files that `compute` writes there

    def needs(self) -> list["Cell"]:
        """Cells that must be finished before this one is computed."""

    def twins(self) -> list["Cell"]:
        """Cells under other names whose results this cell can take over if their settings turn out the same."""

    def code(self) -> list[Path]:
        """The Python files that decide the results."""

    def inputs(self, like: dict[str, str] | None = None) -> dict[str, str]:
        """Content hashes of everything that is read; called only where nothing else has changed.

        like: those of a recorded run, from which a hash is taken that differs from machine to machine.
        """

    def recall(self) -> bool:
        """Put the finished results from data/recorded into the folder, if they are there; some may lack there."""

    def compute(self, key: str, device: str) -> dict:
        """Write the results into the folder; returns further facts for the manifest.

        Leaves a `checkpoint.*` in the folder while it works, and goes on from one that carries the same key.
        """

    def read(self) -> Any:
        """The finished results."""


def ensure(cell: Cell, device: str = "auto", whole: bool = False):
    """The results of a cell: read when nothing it depends on has changed, otherwise copied, computed or continued.

    They may come from data/recorded, which does not have all files of `results`; whole: it must be all of them.
    """
    # before this cell's lock, which nobody should hold while another cell trains for hours
    for earlier in cell.needs():
        ensure(earlier, device)
    cell.path.mkdir(parents=True, exist_ok=True)
    if not _found(cell, whole):
        for earlier in cell.needs():  # what is computed may read any of their results
            ensure(earlier, device, whole=True)
        with FileLock(cell.path / ".lock"):
            # asked again: the process that held the lock may have finished this very cell
            if not is_current(cell, whole):
                _make(cell, device)
    return cell.read()


def _found(cell: Cell, whole: bool) -> bool:
    """Whether a cell is finished, here or in data/recorded, from where it then comes."""
    with FileLock(cell.path / ".lock"):
        return is_current(cell, whole) or (not whole and cell.recall())


def _make(cell: Cell, device: str) -> None:
    key = key_of(cell)
    twin = _finished_twin(cell)
    if twin:
        _copy(twin, cell, key)
    else:
        _compute(cell, key, pick_device(device))


def is_current(cell: Cell, whole: bool = False) -> bool:
    """Whether a cell was finished with today's settings, code and inputs; whole: and has all of its results."""
    return describes(read_manifest(cell.path), cell) and (not whole or is_whole(cell))


def describes(manifest: dict, cell: Cell) -> bool:
    """Whether a manifest tells of a cell with today's settings, code and inputs.

    Data and texts are only loaded to compare inputs when settings and code are the same.
    """
    return of_this_code(manifest, cell) and manifest["inputs"] == inputs_to_compare(manifest, cell)


def finished_by_this_code(cell: Cell) -> bool:
    """Whether a cell was finished with today's settings and code, from whatever inputs."""
    return of_this_code(read_manifest(cell.path), cell)


def of_this_code(manifest: dict, cell: Cell) -> bool:
    """Whether a manifest tells of a cell with today's settings and code, from whatever inputs."""
    # with the inputs of that time, so that no data are loaded to answer
    return bool(manifest) and manifest["key"] == key_of(cell, manifest["inputs"])


def inputs_to_compare(manifest: dict, cell: Cell) -> dict[str, str]:
    """Today's inputs; beside a run from data/recorded without what differs from machine to machine."""
    return cell.inputs(manifest["inputs"]) if "recorded" in manifest else cell.inputs()


def key_of(cell: Cell, inputs: dict[str, str] | None = None) -> str:
    """What a cell's results are known by: a hash of settings, code and inputs (today's if not given)."""
    return digest(cell.settings.digest, inputs or cell.inputs(), code_behind(tuple(cell.code())))


@cache
def code_behind(files: tuple[Path, ...]) -> str:
    """Hash of the code that decides a result, as it was when this process first asked.

    Modules are not loaded again after an edit, so what a process computes follows from the code that it started with.
    """
    return code_digest(files)


def is_whole(cell: Cell) -> bool:
    """Whether all results of a cell are there; a run from data/recorded lacks some."""
    return all((cell.path / name).exists() for name in cell.results)


def _finished_twin(cell: Cell) -> Cell | None:
    return next((twin for twin in cell.twins() if is_current(twin, whole=True)), None)


def _copy(twin: Cell, cell: Cell, key: str) -> None:
    """Take the results of a twin, under this cell's name and key."""
    for name in cell.results:
        with atomic_path(cell.path / name) as temporary:
            shutil.copyfile(twin.path / name, temporary)
    _write_settings(cell)
    own = {"settings": cell.settings.model_dump(mode="json"), "key": key}
    manifest = read_manifest(twin.path) | own | {"copied_from": twin.settings.folder.as_posix()}
    write_json(cell.path / NAME, manifest)


def _compute(cell: Cell, key: str, device: str) -> None:
    start = time.perf_counter()
    (cell.path / NAME).unlink(missing_ok=True)  # unfinished from here on
    _write_settings(cell)
    for name in (*cell.results, "checkpoint.*"):
        for leftover in cell.path.glob(f".{name}.*"):  # of a process that was killed while writing
            leftover.unlink()
    facts = cell.compute(key, device)
    manifest = environment() | {
        "settings": cell.settings.model_dump(mode="json"),
        "inputs": cell.inputs(),
        "key": key,
        "device": device,
        # what a training took before an interruption is known to the training only
        "seconds": round(max(time.perf_counter() - start, facts.pop("seconds", 0)), 3),
        # Linux counts it in KiB
        "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    # the last file of all: a folder with a manifest is a finished one
    write_json(cell.path / NAME, manifest | facts)
    for checkpoint in cell.path.glob("checkpoint.*"):  # only now: a process killed before goes on from it
        checkpoint.unlink()


def _write_settings(cell: Cell) -> None:
    write_text(cell.path / "params.yaml", yaml.safe_dump(cell.settings.model_dump(mode="json"), sort_keys=False))
