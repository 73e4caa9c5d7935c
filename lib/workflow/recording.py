"""Pack the finished runs of a dataset into data/recorded, so that they outlive the machine that trained them.

Each run is a file of its own, so that a grid which takes days can be recorded as it grows. What is left out are the
vectors, which are most of the bytes; what tables need of them is measured before.
"""

import io
import json
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from lib.analysis import kept_measures, run_hits, run_overlap, sparsity
from lib.core.errors import unknown
from lib.core.files import ROOT, atomic_path
from lib.core.names import read_dataset
from lib.training.run_settings import RunSettings
from lib.workflow import cells, experiment_files, experiments
from lib.workflow.graph_cells import GraphCell
from lib.workflow.grids import grid
from lib.workflow.manifests import NAME, read_manifest

TAKEN = ("params.yaml", "metrics.json", "history.csv")  # as they lie in a run folder
LONGEST_AGO = (1980, 1, 1, 0, 0, 0)  # the date of all members, since zip has no way to leave it out


@dataclass(frozen=True)
class Places:
    """Where runs, params and data are."""

    runs: Path = ROOT / "runs"
    params: Path = ROOT / "params"
    data: Path = ROOT / "data"

    def cell(self, settings: RunSettings) -> GraphCell:
        """The cell of these settings here."""
        return GraphCell(settings, self.runs, self.params, self.data)


def record(dataset: str, places: Places | None = None) -> str:
    """Pack all finished runs of a dataset and its variants at its experiment's scale; returns what came of it.

    Runs that the record has and this machine has not stay in it. Raises UserError for a dataset without experiments.
    """
    places = places or Places()
    own = [entry for entry in experiments.load(places.params, [dataset]).values() if entry.grid.cells()]
    if not own:
        raise unknown("dataset of params/experiments.yaml", dataset, experiment_files.datasets(places.params))
    wanted, dirty, outdated = _runs(dataset, own[0].grid.scale, places)
    measures = _Measures(own, places)
    for cell in wanted:
        _write(cell.record, _files(cell, measures, places))
    folder = places.data / "recorded" / dataset / "runs"
    files = list(folder.rglob("*.zip"))
    said = f"{folder}: {len(files)} runs in {sum(file.stat().st_size for file in files) / 2**20:.1f} MiB"
    kept = len(files) - len(wanted)
    said += f", {kept} of them as they were recorded before" if kept else ""
    said += f"; left out, made with uncommitted changes: {', '.join(dirty)}" if dirty else ""
    return said + (f"; left out, not of today's settings, code and data: {', '.join(outdated)}" if outdated else "")


def _runs(dataset: str, scale: str, places: Places) -> tuple[list[GraphCell], list[str], list[str]]:
    """The cells to pack, and the folders of those that are not: of a checkout with changes, and out of date."""
    wanted, dirty, outdated = [], [], []
    for path in sorted(places.runs.glob(f"{dataset}*/*/*/*/seed*/{NAME}")):
        folder = path.parent.relative_to(places.runs).as_posix()
        manifest = read_manifest(path.parent)
        if read_dataset(folder.split("/")[0]).name != dataset or manifest["settings"]["scale"] != scale:
            continue
        if manifest["git"]["dirty"] is not False:  # None outside a checkout
            dirty.append(folder)
        elif cell := _current(manifest, places):
            wanted.append(cell)
        else:
            outdated.append(folder)
    return wanted, dirty, outdated


def _current(manifest: dict, places: Places) -> GraphCell | None:
    """The cell of a manifest, if it is finished with today's code and inputs; settings of another form never are."""
    try:
        cell = places.cell(RunSettings(**manifest["settings"]))
    except ValidationError:
        return None
    there = all(read_manifest(earlier.path) for earlier in cell.needs())
    return cell if there and cells.is_current(cell) else None


# What a run leaves


class _Measures:
    """What tables read of the vectors of an experiment's runs: of studies only the mean overlap with the text."""

    def __init__(self, known: list[experiments.Experiment], places: Places):
        self.notebooks = {name for entry in known for name in entry.notebooks}
        settings = [one for entry in known for one in grid(entry.paper, entry.dataset, params=places.params)]
        self.folders = {one.folder for one in settings}
        self.aligned = next((places.cell(one) for one in settings if one.kind != "base"), None)

    def of(self, cell: GraphCell) -> dict[str, tuple[pd.DataFrame, Path]]:
        """Each frame by its file, with the module that measures it."""
        run, data, found = cell.read(), cell.interactions, {}
        of_grid = cell.settings.folder in self.folders
        if of_grid and "10_groups" in self.notebooks:
            groups = sparsity.degree_groups(data.train.getnnz(axis=0))
            found[run_hits.KEPT] = run_hits.hits_of_run(run, data, groups), run_hits.MEASURE
        if self.aligned and self.notebooks & {"07_report_overlap", "13_texts"}:
            text, module = self.aligned.text, run_overlap.MEASURE
            found[run_overlap.KEPT_MEANS] = run_overlap.overlap_of_run(run, text), module
            if of_grid:
                found[run_overlap.KEPT_OVERLAPS] = run_overlap.overlaps_of_run(run, text), module
        return found


def _files(cell: GraphCell, measures: _Measures, places: Places) -> dict[str, bytes]:
    """The content of a run's members by name."""
    manifest = read_manifest(cell.path)
    files = {name: (cell.path / name).read_bytes() for name in TAKEN}
    files["per_user.parquet"] = _parquet(pd.read_parquet(cell.path / "per_user.parquet"))
    if "recorded" in manifest:  # it came from there, so there are no vectors to measure
        measured = manifest["recorded"]["measured"]
        files |= {name: (cell.path / name).read_bytes() for name in measured}
    else:
        frames = measures.of(cell)
        files |= {name: _parquet(frame) for name, (frame, _) in frames.items()}
        manifest["recorded"] = {
            "file": f"data/{cell.record.relative_to(places.data).as_posix()}",
            "date": _day(cell.path / "per_user.parquet"),
            "measured": {name: kept_measures.code_of(module) for name, (_, module) in frames.items()},
        }
        if run_overlap.KEPT_MEANS in frames:
            manifest["recorded"]["text"] = kept_measures.sketch(measures.aligned.text)
    return files | {NAME: (json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()}


def _day(path: Path) -> str:
    """The day on which a file was written."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()


def _parquet(frame: pd.DataFrame) -> bytes:
    """The same frame in fewer bytes, once the archive has compressed them: the compression of parquet is weaker."""
    counted = [name for name in frame if name in ("user", "index")]  # upwards, so by their differences
    encoded = {"column_encoding": dict.fromkeys(counted, "DELTA_BINARY_PACKED")}
    encoded["use_dictionary"] = [name for name in frame if name not in counted]
    return frame.to_parquet(None, index=False, compression=None, **encoded)


def _write(path: Path, files: dict[str, bytes]) -> None:
    """Write the archive of a run; the same files give the same bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in sorted(files.items()):
            member = zipfile.ZipInfo(name, LONGEST_AGO)
            # what zipfile takes from the operating system otherwise
            member.create_system, member.external_attr = 3, 0o644 << 16
            archive.writestr(member, data, zipfile.ZIP_DEFLATED, compresslevel=9)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getvalue())
