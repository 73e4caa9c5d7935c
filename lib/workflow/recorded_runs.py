"""Recorded runs: what finished runs left, without their vectors, as committed in data/recorded/<dataset>/runs.zip.

A member of the file is <run folder below runs/>/<name>; lib/workflow/recording.py writes it. A run taken from it lies
in its run folder as if it had been trained there, and its manifest says where it comes from.
"""

import json
import zipfile
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath

from lib.analysis import run_hits, run_overlap
from lib.core.errors import UserError
from lib.core.files import ROOT, atomic_path
from lib.core.names import read_dataset
from lib.training.run_folder import Run
from lib.workflow.input_files import recorded_runs
from lib.workflow.manifests import NAME

# what was measured on the vectors while they were there (lib/analysis/kept_measures.py)
MEASURED = (run_hits.KEPT, run_overlap.KEPT_MEANS, run_overlap.KEPT_OVERLAPS)


@dataclass(frozen=True)
class RecordedRun(Run):
    """A finished run whose vectors stayed where it was trained."""

    @cached_property
    def embeddings(self) -> dict:
        """Always raises UserError."""
        own = self.settings
        words = f"{own.dataset} {own.backbone} {own.alignment} --seed {own.seed} --scale {own.scale}"
        words += f" --encoder {own.encoder}" if own.encoder != "none" else ""
        record = recorded_runs(read_dataset(own.dataset).name)
        raise UserError(
            f"{own.folder} comes from {record}, which has no vectors: train it again with "
            f"python -m lib train {words}, or ask for vectors with ensure(settings, vectors=True)"
        )


def place(dataset: str, data: Path = ROOT / "data") -> Path:
    """The record of a dataset and its variants."""
    return Path(data) / Path(recorded_runs(dataset)).relative_to("data")


def folders(record: Path) -> dict[str, dict[str, bytes]]:
    """Every run in a record: {folder below runs/: {file: content}}; empty where there is no record."""
    found = {}
    if record.is_file():
        with _opened(record) as archive:
            for name in archive.namelist():
                member = PurePosixPath(name)
                found.setdefault(member.parent.as_posix(), {})[member.name] = archive.read(name)
    return found


def manifest(record: Path, folder: Path) -> dict:
    """The manifest of a recorded run; empty where the record does not have it."""
    if not record.is_file():
        return {}
    stat = record.stat()
    return _manifests(record, stat.st_size, stat.st_mtime_ns).get(Path(folder).as_posix(), {})


def unpack(record: Path, folder: Path, target: Path, replaced: tuple[str, ...]) -> None:
    """Write the files of a recorded run into a run folder, in place of its files `replaced`."""
    (target / NAME).unlink(missing_ok=True)  # unfinished from here on
    for name in replaced:  # an outdated run's vectors must not be taken for this run's
        (target / name).unlink(missing_ok=True)
    with _opened(record) as archive:
        names = [name for name in archive.namelist() if PurePosixPath(name).parent == PurePosixPath(folder)]
        # the manifest last: a folder with one is finished
        for name in sorted(names, key=lambda name: PurePosixPath(name).name == NAME):
            with atomic_path(target / PurePosixPath(name).name) as temporary:
                temporary.write_bytes(archive.read(name))


@lru_cache(maxsize=8)
def _manifests(record: Path, size: int, time: int) -> dict[str, dict]:
    """All manifests of a record as it was at that size and time: a table of fifty cells asks for each of them."""
    with _opened(record) as archive:
        names = [name for name in archive.namelist() if PurePosixPath(name).name == NAME]
        return {PurePosixPath(name).parent.as_posix(): json.loads(archive.read(name)) for name in names}


def _opened(record: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(record)
    except zipfile.BadZipFile:
        raise UserError(f"{record} is not a zip file: take it from the repository again (git checkout)") from None
