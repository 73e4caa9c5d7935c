"""The cell of a click model.

runs/<dataset>/click/<model>/<scope>/seed<k>/ and .../<scope>/search/ hold the results (lib/training/click_run.py),
params.yaml and manifest.json; while training also a checkpoint. No runs of click models are recorded.
"""

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
from lib.workflow.searched_cells import SearchedCell

COMPUTATION = ROOT / "lib/training/click_run.py"  # with what it imports: the code that decides a run's numbers
# and what turns samples into its input
FEATURES = ROOT / "lib/models/click/features.py"


@dataclass(frozen=True, eq=False)
class FewShot:
    """Which samples stand in for the train and the validation split: positions in `Samples.rows`."""

    train: Sequence[int]
    validation: Sequence[int]


@dataclass(frozen=True, eq=False)
class ClickCell(SearchedCell):
    """One click model to be trained, as lib.workflow.cells wants it.

    few: the samples of scope `fewshot`. rows: the test samples to predict (positions in `Samples.rows`); all of the
    test split if it is None.
    """

    settings: ClickSettings
    samples: Samples
    few: FewShot | None = None
    rows: Sequence[int] | None = None
    runs: Path = ROOT / "runs"
    computation = click_run

    def code(self) -> list[Path]:
        """What decides numbers of all that the computation imports."""
        return deciding_files(COMPUTATION, FEATURES)

    def reads(self) -> dict[str, str]:
        """Content hashes of what the model sees, and of which samples train, stop and test it."""
        rows = [_bytes(getattr(self.data, name)) for name in ("train", "validation", "test")]
        return {"features": self.data.features.fingerprint, "rows": digest(*rows)}

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
