"""The cell of a click model, and that of the search for its settings, which all its seeds share.

runs/<dataset>/click/<model>/<scope>/seed<k>/ and .../<scope>/search/ hold the results (lib/training/click_run.py),
params.yaml and manifest.json; while training also a checkpoint.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from lib.core.errors import UserError
from lib.core.files import ROOT, digest
from lib.core.fingerprints import deciding_files
from lib.data.samples import Samples
from lib.models.click.features import features
from lib.training import click_run
from lib.training.click_fit import ClickData
from lib.training.click_run import ClickRun
from lib.training.click_settings import ClickSettings
from lib.workflow import cells

COMPUTATION = ROOT / "lib/training/click_run.py"  # with what it imports: the code that decides a run's numbers
# and what turns samples into its input
FEATURES = ROOT / "lib/models/click/features.py"


@dataclass(frozen=True, eq=False)
class FewShot:
    """Which samples stand in for the train and the validation split: positions in `Samples.rows`."""

    train: Sequence[int]
    validation: Sequence[int]


@dataclass(frozen=True, eq=False)
class ClickCell:
    """One click model to be trained, as lib.workflow.cells wants it.

    few: the samples of scope `fewshot`. rows: the test samples to predict (positions in `Samples.rows`); all of the
    test split if it is None.
    """

    settings: ClickSettings
    samples: Samples
    few: FewShot | None = None
    rows: Sequence[int] | None = None
    runs: Path = ROOT / "runs"
    results = click_run.RESULTS

    @property
    def path(self) -> Path:
        """The run folder."""
        return Path(self.runs) / self.settings.folder

    def needs(self) -> list["ClickCell"]:
        """The search for settings, where one is asked for."""
        return [self._search] if self.settings.grid else []

    def twins(self) -> list["ClickCell"]:
        """None: no other name has these settings."""
        return []

    def code(self) -> list[Path]:
        """What decides numbers of all that the computation imports."""
        return deciding_files(COMPUTATION, FEATURES)

    def inputs(self, like: dict[str, str] | None = None) -> dict[str, str]:
        """Content hashes of what the model sees, of which samples train, stop and test it, and of the search."""
        rows = [_bytes(getattr(self.data, name)) for name in ("train", "validation", "test")]
        digests = {"features": self.data.features.fingerprint, "rows": digest(*rows)}
        for earlier in self.needs():  # the key of a search stands for what it has chosen
            digests["search"] = cells.read_manifest(earlier.path)["key"]
        return digests

    def recall(self) -> bool:
        """Never: runs of click models are not recorded."""
        return False

    def compute(self, key: str, device: str) -> dict:
        """Train and write the results."""
        chosen = self._search.read() if self.settings.grid else {}
        return click_run.train(self.path, self.settings, self.data, chosen, key, device)

    def read(self) -> ClickRun:
        """The finished run."""
        return ClickRun(self.path, self.settings)

    @cached_property
    def data(self) -> ClickData:
        """What the model is trained and tested on. Raises UserError where the scope has no samples."""
        split = {name: np.flatnonzero(self.samples.rows.split == name) for name in ("train", "validation", "test")}
        if (self.settings.scope == "fewshot") != (self.few is not None):
            raise UserError(f"scope {self.settings.scope}: few-shot samples belong to scope 'fewshot', and to no other")
        if self.few is not None:
            split |= {"train": np.asarray(self.few.train), "validation": np.asarray(self.few.validation)}
        if self.rows is not None:
            split["test"] = np.asarray(self.rows)
        for name in ("train", "validation"):
            if len(shared := np.intersect1d(split[name], split["test"])):
                raise UserError(
                    f"{self.samples.name}: row {shared[0]} is a {name} and a test sample: leave it out of one"
                )
        return ClickData(features(self.samples, split["train"], self.settings.features), **split)

    @cached_property
    def _search(self) -> "SearchCell":
        # with the search's own seed, so that all seeds have the same one
        shared = self.settings.model_copy(update={"seed": self.settings.protocol.search_seed})
        found = SearchCell(SearchSettings(**dict(shared)), self.samples, self.few, self.rows, self.runs)
        found.__dict__["data"] = self.data  # the same; made once
        return found


class SearchSettings(ClickSettings):
    """The settings of a search: those of its trainings, with a folder beside theirs."""

    @property
    def folder(self) -> Path:
        """The search's folder below runs/."""
        return self.group / "search"


@dataclass(frozen=True, eq=False)
class SearchCell(ClickCell):
    """The search for the settings of a click model."""

    results = click_run.RESULTS_OF_SEARCH

    def needs(self) -> list[ClickCell]:
        """None."""
        return []

    def compute(self, key: str, device: str) -> dict:
        """Train all combinations and write the results."""
        return click_run.search(self.path, self.settings, self.data, key, device)

    def read(self) -> dict:
        """The chosen value of each setting in the grid."""
        return json.loads((self.path / "best.json").read_text())


def ensure(
    settings: ClickSettings,
    samples: Samples,
    few: FewShot | None = None,
    rows: Sequence[int] | None = None,
    device: str = "auto",
    runs: Path = ROOT / "runs",
) -> ClickRun:
    """The run of these settings on these samples: read when nothing has changed, otherwise trained or continued."""
    return cells.ensure(ClickCell(settings, samples, few, rows, runs), device)


def _bytes(rows: np.ndarray) -> bytes:
    return rows.astype(np.int64).tobytes()
