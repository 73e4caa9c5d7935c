"""The cell of a training whose settings a search may decide, and the cell of the search, which all its seeds share.

lib/workflow/click_cells.py and lib/workflow/sequence_cells.py say what is trained on what.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from lib.training import grid_search
from lib.training.grid_search import SearchedSettings
from lib.workflow import cells, recorded_runs


class SearchedCell:
    """What such trainings have in common, as lib.workflow.cells wants it.

    Subclasses have `data`, `code()`, `reads()` (content hashes of the data), and `read()`.
    """

    settings: SearchedSettings
    runs: Path
    recorded: Path | None = None  # the folder of finished runs that were packed, where there are such
    computation: ModuleType  # with train(path, settings, data, chosen, key, device), search(...) and RESULTS

    @property
    def results(self) -> tuple[str, ...]:
        """The files of a finished training."""
        return self.computation.RESULTS

    @property
    def folder(self) -> Path:
        """The run folder, below runs/."""
        return self.settings.folder

    @property
    def path(self) -> Path:
        """The run folder."""
        return Path(self.runs) / self.folder

    @property
    def search(self) -> "SearchCell":
        """The search for these settings."""
        return SearchCell(self)

    def needs(self) -> list["SearchCell"]:
        """The search for settings, where one is asked for."""
        return [self.search] if self.settings.grid else []

    def twins(self) -> list["SearchedCell"]:
        """None: no other name has these settings."""
        return []

    def inputs(self, like: dict[str, str] | None = None) -> dict[str, str]:
        """Content hashes of the data, and of the search."""
        digests = self.reads()
        for earlier in self.needs():  # the key of a search stands for what it has chosen
            digests["search"] = cells.read_manifest(earlier.path)["key"]
        return digests

    @property
    def record(self) -> Path:
        """The file that holds this run where it is recorded."""
        return Path(self.recorded) / f"{self.folder}.zip"

    def recall(self) -> bool:
        """Take the run from data/recorded, without vectors, if it is there with these settings, data and code."""
        if self.recorded is None or not cells.describes(recorded_runs.manifest(self.record), self):
            return False
        recorded_runs.unpack(self.record, self.path, replaced=self.results)
        return True

    def compute(self, key: str, device: str) -> dict:
        """Train and write the results."""
        chosen = self.search.read() if self.settings.grid else {}
        return self.computation.train(self.path, self.settings, self.data, chosen, key, device)


@dataclass(frozen=True, eq=False)
class SearchCell(SearchedCell):
    """The search for the settings of a training, on the data of that training."""

    training: SearchedCell
    results = grid_search.RESULTS

    @property
    def settings(self) -> SearchedSettings:
        """Those of the training with the search's own seed, so that all seeds have the same search."""
        own = self.training.settings
        return own.model_copy(update={"seed": own.protocol.search_seed})

    @property
    def folder(self) -> Path:
        """Beside those of the seeds, below runs/."""
        return self.settings.group / "search"

    @property
    def runs(self) -> Path:
        """Where that of the training is."""
        return self.training.runs

    @property
    def recorded(self) -> Path | None:
        """Where that of the training is."""
        return self.training.recorded

    def needs(self) -> list["SearchCell"]:
        """None."""
        return []

    def code(self) -> list[Path]:
        """What decides numbers of the trainings."""
        return self.training.code()

    def reads(self) -> dict[str, str]:
        """Content hashes of the data."""
        return self.training.reads()

    def compute(self, key: str, device: str) -> dict:
        """Train all combinations and write the results."""
        return self.training.computation.search(self.path, self.settings, self.training.data, key, device)

    def read(self) -> dict:
        """The chosen value of each setting in the grid."""
        return json.loads((self.path / "best.json").read_text())
