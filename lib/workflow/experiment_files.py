"""The files that hold experiments: params/experiments.yaml, and params/<dataset>/experiments.yaml of one dataset."""

from collections.abc import Container
from pathlib import Path

from lib.core.errors import UserError
from lib.core.files import ROOT, read_yaml


def datasets(params: Path = ROOT / "params") -> list[str]:
    """The datasets that have an entry, whatever else is wrong with it."""
    return list(dict.fromkeys([*(dataset for _, dataset in written(params, ())), *_own(params)]))


def written(
    params: Path = ROOT / "params", datasets: Container[str] | None = None
) -> dict[tuple[str, str], tuple[Path, dict]]:
    """File and entry, unchecked, of each (paper, dataset): all of the common file, and of the own files of `datasets`.

    Of all own files if no datasets are given. Raises UserError for an entry that two files have.
    """
    common, found = Path(params) / "experiments.yaml", {}
    for paper, entries in read_yaml(common).items():
        if not isinstance(entries, dict):
            raise UserError(f"{common} ({paper}): name the datasets of this paper, each with a grid")
        found |= {(str(paper), str(dataset)): (common, entry or {}) for dataset, entry in entries.items()}
    for dataset, path in _own(params).items():
        for paper, entry in read_yaml(path).items() if datasets is None or dataset in datasets else ():
            if (str(paper), dataset) in found:
                raise UserError(f"{path} ({paper}): {common} has an entry for this dataset too: remove one of them")
            found[str(paper), dataset] = path, entry or {}
    return found


def _own(params: Path) -> dict[str, Path]:
    """The own files by dataset."""
    return {path.parent.name: path for path in sorted(Path(params).glob("*/experiments.yaml"))}
