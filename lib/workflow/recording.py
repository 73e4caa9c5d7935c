"""Pack the finished runs of a dataset into data/recorded, so that they outlive the machine that trained them.

Each run is a file of its own, so that a grid which takes days can be recorded as it grows. What is left out are the
vectors, which are most of the bytes; what tables need of them is measured before.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from lib.analysis import kept_measures, run_hits, run_overlap, sparsity
from lib.core.errors import unknown
from lib.core.files import ROOT
from lib.core.names import read_dataset
from lib.training.run_settings import RunSettings
from lib.workflow import cells, experiment_files, experiments, recorded_runs, sequence_recording
from lib.workflow.graph_cells import GraphCell
from lib.workflow.grids import grid
from lib.workflow.manifests import NAME, read_manifest

TAKEN = ("params.yaml", "metrics.json", "history.csv")  # as they lie in a run folder


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
    known = experiments.load(places.params, [dataset]).values()
    own = [entry for entry in known if entry.grid.cells()]
    said = [_record_graphs(dataset, own, places)] if own else []
    said += sequence_recording.record(dataset, places.runs, places.data / "recorded")
    if not said:
        raise unknown("dataset of params/experiments.yaml", dataset, experiment_files.datasets(places.params))
    return "\n".join(said)


def _record_graphs(dataset: str, own: list[experiments.Experiment], places: Places) -> str:
    """Pack the runs of graph recommenders."""
    wanted, dirty, outdated = _runs(dataset, own[0].grid.scale, places)
    measures = _Measures(own, places)
    for cell in wanted:
        recorded_runs.pack(cell.record, _files(cell, measures, places))
    return recorded_runs.told(places.data / "recorded" / dataset / "runs", len(wanted), dirty, outdated)


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
            "date": recorded_runs.day(cell.path / "per_user.parquet"),
            "measured": {name: kept_measures.code_of(module) for name, (_, module) in frames.items()},
        }
        if run_overlap.KEPT_MEANS in frames:
            manifest["recorded"]["text"] = kept_measures.sketch(measures.aligned.text)
    return files | {NAME: recorded_runs.as_bytes(manifest)}


def _parquet(frame: pd.DataFrame) -> bytes:
    """The same frame in fewer bytes, once the archive has compressed them: the compression of parquet is weaker."""
    counted = [name for name in frame if name in ("user", "index")]  # upwards, so by their differences
    encoded = {"column_encoding": dict.fromkeys(counted, "DELTA_BINARY_PACKED")}
    encoded["use_dictionary"] = [name for name in frame if name not in counted]
    return frame.to_parquet(None, index=False, compression=None, **encoded)
