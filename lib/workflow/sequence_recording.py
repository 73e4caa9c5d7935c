"""Pack the finished runs of sequential recommenders into data/recorded, without the vectors of items.

What is left out is most of the bytes. A search is packed as its runs are, since their keys hold its own.
"""

from pathlib import Path

from pydantic import ValidationError

from lib.training.sequence_settings import SequenceSettings
from lib.workflow import cells, recorded_runs
from lib.workflow.manifests import NAME, read_manifest
from lib.workflow.searched_cells import SearchedCell
from lib.workflow.sequence_cells import SequenceCell

LEFT_OUT = "items.safetensors"


def record(dataset: str, runs: Path, recorded: Path) -> list[str]:
    """Pack all finished runs of a dataset; returns what came of it in a sentence, or none where there is no run.

    Left out are those of a checkout with changes, and those of other settings or code than today's. Whether their data
    are today's is looked at when a run is taken from the record.
    """
    packed, dirty, outdated = 0, [], []
    for name in ("seed*", "search"):
        for path in sorted((Path(runs) / dataset / "sequential").glob(f"*/*/*/*/{name}/{NAME}")):
            manifest, folder = read_manifest(path.parent), path.parent.relative_to(runs).as_posix()
            if manifest["git"]["dirty"] is not False:  # None outside a checkout
                dirty.append(folder)
            elif cell := _current(manifest, name == "search", runs, recorded):
                recorded_runs.pack(cell.record, _files(cell, manifest, recorded))
                packed += 1
            else:
                outdated.append(folder)
    if not packed and not dirty and not outdated:
        return []
    return [recorded_runs.told(Path(recorded) / dataset / "sequential", packed, dirty, outdated)]


def _current(manifest: dict, searching: bool, runs: Path, recorded: Path) -> SearchedCell | None:
    """The cell of a manifest, if it was finished with today's settings and code; without data, which are not read."""
    try:
        settings = SequenceSettings(**manifest["settings"])
    except ValidationError:
        return None
    cell = SequenceCell(settings, None, None, runs=runs, recorded=recorded)
    cell = cell.search if searching else cell
    return cell if cells.of_this_code(manifest, cell) else None


def _files(cell: SearchedCell, manifest: dict, recorded: Path) -> dict[str, bytes]:
    """The content of a run's members by name."""
    names = ["params.yaml", *(name for name in cell.results if name != LEFT_OUT)]
    if "recorded" not in manifest:  # else it came from there, and is packed as it was
        place = f"data/recorded/{cell.record.relative_to(recorded).as_posix()}"
        manifest["recorded"] = {"file": place, "date": recorded_runs.day(cell.path / names[1])}
    files = {name: (cell.path / name).read_bytes() for name in names}
    return files | {NAME: recorded_runs.as_bytes(manifest)}
