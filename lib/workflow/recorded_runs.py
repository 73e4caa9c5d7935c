"""Recorded runs: what finished runs left, without their vectors, as committed below data/recorded/<dataset>/runs.

The tree there is that of runs/, with one zip file in place of each run folder; lib/workflow/recording.py writes them.
Runs of sequential recommenders lie below data/recorded/<dataset>/sequential in the same way.
A run taken from there lies in its run folder as if it had been trained in it, and its manifest says where it comes
from.
"""

import io
import json
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from lib.analysis import run_hits, run_overlap
from lib.core.errors import UserError
from lib.core.files import ROOT, atomic_path
from lib.training.run_folder import Run
from lib.training.run_settings import RunSettings
from lib.workflow.input_files import recorded_run
from lib.workflow.manifests import NAME

LONGEST_AGO = (1980, 1, 1, 0, 0, 0)  # the date of all members, since zip has no way to leave it out

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
        record = recorded_run(own.dataset, own.folder)
        raise UserError(
            f"{own.folder} comes from {record}, which has no vectors: train it again with "
            f"python -m lib train {words}, or ask for vectors with ensure(settings, vectors=True)"
        )


def place(settings: RunSettings, data: Path = ROOT / "data") -> Path:
    """The file that holds a recorded run of these settings, if there is one."""
    return Path(data) / Path(recorded_run(settings.dataset, settings.folder)).relative_to("data")


def read(record: Path) -> dict[str, bytes]:
    """The files of a recorded run by name; empty where it is not recorded."""
    if not record.is_file():
        return {}
    with _opened(record) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def manifest(record: Path) -> dict:
    """The manifest of a recorded run; empty where it is not recorded."""
    if not record.is_file():
        return {}
    with _opened(record) as archive:
        return json.loads(archive.read(NAME))


def unpack(record: Path, target: Path, replaced: tuple[str, ...]) -> None:
    """Write the files of a recorded run into a run folder, in place of its files `replaced`."""
    (target / NAME).unlink(missing_ok=True)  # unfinished from here on
    for name in replaced:  # an outdated run's vectors must not be taken for this run's
        (target / name).unlink(missing_ok=True)
    # the manifest last: a folder with one is finished
    for name, content in sorted(read(record).items(), key=lambda file: file[0] == NAME):
        with atomic_path(target / name) as temporary:
            temporary.write_bytes(content)


def pack(record: Path, files: dict[str, bytes]) -> None:
    """Write the archive of a run from its files by name; the same files give the same bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in sorted(files.items()):
            member = zipfile.ZipInfo(name, LONGEST_AGO)
            # what zipfile takes from the operating system otherwise
            member.create_system, member.external_attr = 3, 0o644 << 16
            archive.writestr(member, data, zipfile.ZIP_DEFLATED, compresslevel=9)
    with atomic_path(record) as temporary:
        temporary.write_bytes(content.getvalue())


def told(folder: Path, packed: int, dirty: list[str], outdated: list[str]) -> str:
    """What came of packing runs into a folder: what it holds now, and which runs were left out."""
    files = list(folder.rglob("*.zip"))
    said = f"{folder}: {len(files)} runs in {sum(file.stat().st_size for file in files) / 2**20:.1f} MiB"
    kept = len(files) - packed
    said += f", {kept} of them as they were recorded before" if kept else ""
    said += f"; left out, made with uncommitted changes: {', '.join(dirty)}" if dirty else ""
    return said + (f"; left out, not of today's settings, code and data: {', '.join(outdated)}" if outdated else "")


def as_bytes(manifest: dict) -> bytes:
    """A manifest as it lies in an archive."""
    return (json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def day(path: Path) -> str:
    """The day on which a file was written."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()


def _opened(record: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(record)
    except zipfile.BadZipFile:
        raise UserError(f"{record} is not a zip file: take it from the repository again (git checkout)") from None
