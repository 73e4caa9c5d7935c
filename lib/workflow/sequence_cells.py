"""The cell of a sequential recommender.

runs/<dataset>/sequential/<encoder>/<preset>/<method>/<loss>/seed<k>/ and .../<loss>/search/ hold the results
(lib/training/sequence_run.py), params.yaml and manifest.json; while training also a checkpoint. data/recorded/ may
hold the same folders as zip files, without the vectors of items.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from lib.core.errors import UserError
from lib.core.files import ROOT, digest
from lib.core.fingerprints import deciding_files
from lib.data.sequences.rows import Rows, SplitRows
from lib.data.sequences.user_sequences import Sequences
from lib.language import encoders
from lib.language.encoders import EncoderSettings
from lib.models.sequential import items as kinds
from lib.training import sequence_run
from lib.training.sequence_fit import SequenceData
from lib.training.sequence_run import SequenceRun
from lib.training.sequence_settings import NONE, SequenceSettings
from lib.workflow import cells
from lib.workflow.searched_cells import SearchedCell
from lib.workflow.user_neighbours import history_neighbours

COMPUTATION = ROOT / "lib/training/sequence_run.py"  # with what it imports: the code that decides a run's numbers
METHODS = ROOT / "lib/models/sequential/items"  # of which one is picked by name
RECOMMENDERS = ROOT / "lib/training/sequence_models"  # and of these
NEIGHBOURS = ROOT / "lib/workflow/user_neighbours.py"


@dataclass(frozen=True, eq=False)
class ItemTexts:
    """A text of each item, in order, and what encodes it; vectors are kept below the folder `data`."""

    texts: list[str]
    encoder: EncoderSettings
    data: Path = ROOT / "data"

    @property
    def fingerprint(self) -> str:
        """Content hash of all that decides the vectors."""
        return digest(self.texts, encoders.identity(self.encoder))

    def vectors(self) -> np.ndarray:
        """Text vectors [n_items, T] float32."""
        return encoders.encode(self.texts, self.encoder, Path(self.data) / "cache/text")[0]


def item_texts(
    sequences: Sequences, encoder: str, params: Path = ROOT / "params", data: Path = ROOT / "data"
) -> ItemTexts:
    """What the data themselves say of the items, by an encoder of params/encoders.

    Raises UserError for an unknown encoder and where the data say nothing.
    """
    if sequences.texts is None:
        raise UserError(f"{sequences.name} has no item texts: put items.parquet with a column 'title' beside the data")
    return ItemTexts(sequences.texts.tolist(), encoders.settings(encoder, params), data)


@dataclass(frozen=True, eq=False)
class SequenceCell(SearchedCell):
    """One sequential recommender to be trained, as lib.workflow.cells wants it.

    rows: what a protocol makes of the sequences. texts: read by methods that read any. negatives [n, m]: items to rank
    the targets of test rows against besides all others. recorded: the folder of finished runs that were packed.
    """

    settings: SequenceSettings
    sequences: Sequences
    rows: SplitRows
    texts: ItemTexts | None = None
    negatives: np.ndarray | None = None
    runs: Path = ROOT / "runs"
    recorded: Path = ROOT / "data/recorded"
    computation = sequence_run

    def code(self) -> list[Path]:
        """What decides numbers of all that the computation imports."""
        recommender = RECOMMENDERS / f"{self.settings.recommender}.py"
        chosen = [METHODS / f"{self.settings.method}.py", recommender, *([NEIGHBOURS] if self._neighbours else [])]
        return deciding_files(COMPUTATION, *chosen)

    def reads(self) -> dict[str, str]:
        """Content hashes of the rows, of the texts and their encoder, and of negatives."""
        parts = (self.rows.train, self.rows.validation, self.rows.test)
        digests = {"rows": digest(self.sequences.n_items, *map(_of_rows, parts))}
        if self.reads_text:
            digests["texts"] = self.texts.fingerprint
        if self.negatives is not None:
            digests["negatives"] = digest(self.negatives.astype(np.int64).tobytes())
        return digests

    def read(self) -> SequenceRun:
        """The finished run."""
        return SequenceRun(self.path, self.settings)

    @property
    def reads_text(self) -> bool:
        """Whether the method reads texts. Raises UserError where it does and there are none."""
        reads = kinds.get(self.settings.method).reads_text
        if reads and self.texts is None:
            raise UserError(f"method {self.settings.method} reads texts of items: give them with their encoder")
        return reads

    @cached_property
    def data(self) -> SequenceData:
        """What the recommender is trained and tested on."""
        text = self.texts.vectors() if self.reads_text else None
        near = history_neighbours(self.rows.train, text, self._neighbours) if self._neighbours else None
        return SequenceData(self.sequences.n_items, self.rows, text, self.negatives, near)

    @property
    def _neighbours(self) -> int:
        """How many neighbours of each training row the method reads."""
        return getattr(self.settings.items_settings, "neighbours", 0)


def ensure(
    settings: SequenceSettings,
    sequences: Sequences,
    rows: SplitRows,
    texts: ItemTexts | None = None,
    negatives: np.ndarray | None = None,
    device: str = "auto",
    runs: Path = ROOT / "runs",
    vectors: bool = False,
) -> SequenceRun:
    """The run of these settings on these rows: read when nothing has changed, otherwise trained or continued.

    Without `texts` those of the data are encoded by the settings' encoder, where the method reads texts. The run may
    come from data/recorded and has no vectors then; vectors: they are needed, so such a run is trained again.
    """
    if texts is None and settings.text_encoder != NONE:
        texts = item_texts(sequences, settings.text_encoder)
    return cells.ensure(SequenceCell(settings, sequences, rows, texts, negatives, runs), device, vectors)


def _of_rows(rows: Rows) -> bytes:
    """All that a recommender reads of rows, and whose they are."""
    return np.column_stack([rows.user, rows.whole]).astype(np.int64).tobytes()
