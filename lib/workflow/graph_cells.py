"""The cell of a graph recommender: its inputs, the code behind it, and how it is trained.

runs/<dataset>/<encoder>/<backbone>/<alignment>/seed<k>/    results (lib/training/run_folder.py), params.yaml and
                                                            manifest.json; while training also a checkpoint
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from lib.core.errors import UserError
from lib.core.files import ROOT
from lib.core.fingerprints import deciding_files
from lib.core.names import matched_base, read_dataset, read_encoder, reads_text
from lib.core.vector_files import parts
from lib.data import datasets, variants
from lib.data.interactions import Interactions
from lib.language import profiles, text_variants, text_vectors
from lib.language.text_vectors import TextVectors
from lib.models import alignment as alignments
from lib.training.run_folder import RESULTS, Run
from lib.training.run_settings import RunSettings
from lib.training.train import train, untrained
from lib.workflow import cells, recorded_runs
from lib.workflow.input_files import component_files

COMPUTATION = ROOT / "lib/training/train.py"  # with what it imports: the code that decides a run's numbers


@dataclass(frozen=True)
class GraphCell:
    """One graph recommender to be trained, as lib.workflow.cells wants it."""

    settings: RunSettings
    runs: Path = ROOT / "runs"
    params: Path = ROOT / "params"
    data: Path = ROOT / "data"
    results = RESULTS

    @property
    def path(self) -> Path:
        """The run folder."""
        return Path(self.runs) / self.settings.folder

    def needs(self) -> list["GraphCell"]:
        """The run whose ego table training starts from, if there is one."""
        return [self._other(self.settings.initial)] if self.settings.initial else []

    def twins(self) -> list["GraphCell"]:
        """base@contrastive may have the settings of base or of base@generative, and then has their results."""
        kind = self.settings.kind
        labels = [kind, *map(matched_base, alignments.names())] if kind == "base" else [kind]
        others = [label for label in labels if label != self.settings.alignment]
        return [self._other(self.settings.model_copy(update={"alignment": label})) for label in others]

    def code(self) -> list[Path]:
        """What decides numbers of all that train.py imports, and of the two modules that are picked by name."""
        chosen = component_files(self.settings.backbone, self.settings.alignment)
        return deciding_files(COMPUTATION, *(ROOT / name for name in chosen))

    def inputs(self, like: dict[str, str] | None = None) -> dict[str, str]:
        """Content hashes of interactions, text vectors and the earlier run, as far as the run reads them.

        like: those of a recorded run, whose hash of text vectors is taken: encoders differ between machines in the
        last bits, which no other hash would forgive.
        """
        digests = {"interactions": self.interactions.fingerprint}
        if reads_text(self.settings.alignment):
            digests["text"] = like["text"] if like else self.text.digest
        # the key of a run stands for its ego table, which need not be read to be compared
        for earlier in self.needs():
            digests["initial"] = cells.read_manifest(earlier.path)["key"]
        return digests

    @property
    def record(self) -> Path:
        """The file that holds this run where it is recorded."""
        return recorded_runs.place(self.settings, self.data)

    def recall(self) -> bool:
        """Take the run from data/recorded, without vectors, if it is there with these settings, data and code."""
        if not cells.describes(recorded_runs.manifest(self.record), self):
            return False
        recorded_runs.unpack(self.record, self.path, replaced=self.results)
        return True

    def compute(self, key: str, device: str) -> dict:
        """Train and write the results."""
        for name in recorded_runs.MEASURED:  # of the recorded run that this one replaces
            (self.path / name).unlink(missing_ok=True)
        model = self.untrained(device)
        return train(self.path, self.settings, self.interactions, model, key)

    def read(self) -> Run:
        """The finished run."""
        recorded = "recorded" in cells.read_manifest(self.path)
        return (recorded_runs.RecordedRun if recorded else Run)(self.path, self.settings)

    @property
    def interactions(self) -> Interactions:
        """What the model is trained and tested on."""
        label = self.settings.dataset
        seed = self.settings.seed if read_dataset(label).kind == "noise" else 0  # the others draw nothing
        return _interactions(label, seed, *self._places, self._state)

    @property
    def text(self) -> TextVectors | None:
        """Vectors of all users and items; None for base, where text plays no part."""
        if not reads_text(self.settings.alignment):
            return None
        dataset = read_dataset(self.settings.dataset).name  # whose train split the profiles know
        label = self.settings.encoder
        seed = self.settings.seed if read_encoder(label).kind == "shuffled" else 0
        return _text(dataset, label, seed, *self._places, self._state, self._state_of_encoder)

    @property
    def text_tensor(self) -> torch.Tensor | None:
        """Text vectors of users then items [n_users + n_items, T]."""
        return torch.from_numpy(np.concatenate([self.text.users, self.text.items])) if self.text else None

    def untrained(self, device: str):
        """The model before its first step."""
        initial = next((earlier.read() for earlier in self.needs()), None)
        return untrained(self.settings, self.interactions, self.text_tensor, initial, device)

    @property
    def _places(self) -> tuple[Path, Path]:
        return Path(self.params), Path(self.data)

    @property
    def _state(self) -> tuple:
        """What tells that the dataset's files have changed since they were loaded."""
        dataset = read_dataset(self.settings.dataset).name
        data = [*(self._places[1] / dataset).glob("*"), *(self._places[1] / "recorded" / dataset).glob("*/*")]
        return _times([self._places[0] / dataset / "dataset.yaml", *data])

    @property
    def _state_of_encoder(self) -> tuple:
        """The same for the settings of an encoder, or the file that holds ready-made vectors."""
        encoder = self.settings.encoder
        return _times([self._places[0] / "encoders" / f"{read_encoder(encoder).name}.yaml", *parts(encoder)])

    def _other(self, settings: RunSettings) -> "GraphCell":
        return GraphCell(settings, self.runs, self.params, self.data)


def ensure(settings: RunSettings, device: str = "auto", vectors: bool = False, **places) -> Run:
    """The run of these settings: loaded when nothing it depends on has changed, otherwise trained or continued.

    It may come from data/recorded and has no vectors then; vectors: they are needed, so such a run is trained again.
    """
    return cells.ensure(GraphCell(settings, **places), device, vectors)


# Data and texts are loaded once per process, since a table of fifty cells reads the same ones fifty times; `state` is
# what tells that their files have changed meanwhile


def _times(files: list[Path]) -> tuple:
    """Name, size and time of files, as far as they are there: what tells of a change without reading them."""
    known = [(file, file.stat()) for file in sorted(set(files)) if file.is_file()]
    return tuple((str(file), stat.st_size, stat.st_mtime_ns) for file, stat in known)


@lru_cache(maxsize=16)
def _interactions(label: str, seed: int, params: Path, data: Path, state: tuple) -> Interactions:
    return variants.interactions(_plain(read_dataset(label).name, params, data, state), label, seed)


@lru_cache(maxsize=4)
def _plain(dataset: str, params: Path, data: Path, state: tuple) -> Interactions:
    return datasets.load(dataset, params, data)


@lru_cache(maxsize=4)  # 30 MB each for amazon
def _text(
    dataset: str, encoder: str, seed: int, params: Path, data: Path, state: tuple, state_of_encoder: tuple
) -> TextVectors:
    interactions, plain = _plain(dataset, params, data, state), read_encoder(encoder).name
    texts = None
    if not text_vectors.needs_texts(plain) and read_encoder(encoder).kind == "metadata":
        raise UserError(f"{encoder}: vectors that are ready-made cannot be those of metadata: name a text encoder")
    if text_vectors.needs_texts(plain):
        about = datasets.settings(dataset, params)
        texts = text_variants.texts(interactions, profiles.load(interactions, about, data), encoder)
    vectors = text_vectors.load(interactions, texts, plain, params, data)
    return text_variants.vectors(vectors, encoder, seed)
